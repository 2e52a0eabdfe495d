"""Count each call against its rate limit, and write the limit into the headers of its response.

Calls that bring new data also need room on the database's disk; calls that delete, or steer a job, do not.
"""

from collections.abc import Callable, Mapping

from flask import Response, current_app, g, request

from app.http.auth import caller
from app.http.describe import description_of
from app.http.rate_counter import Verdict
from app.http.services import services
from ingest.errors import RateLimited
from ingest.machine.disk import require_room

_BRING_DATA = frozenset({"POST", "PUT", "PATCH"})


def scope(name: str) -> Callable[[], None]:
    """Return a blueprint's `before_request`, which counts writes under this scope, and reads under `read`.

    Args:
        name: a scope of docs/contracts/operator.md section 9.
    """

    def count() -> None:
        if request.method == "OPTIONS":
            return
        counted = "read" if request.method in {"GET", "HEAD"} else name
        g.verdict = verdict = _count(counted)
        if not verdict.passes:
            most, seconds = verdict.rate.amount, verdict.rate.get_expiry()
            message = f'More than {most} requests in {seconds} seconds under "{verdict.scope}"'
            raise RateLimited(message, retry_after=verdict.wait, reset_at=verdict.reset_at)
        if request.method in _BRING_DATA and _brings_data():
            settings = services().settings
            require_room(settings.database_dir, settings.min_free_disk_bytes)

    return count


def _count(scope: str) -> Verdict:
    """Count the request. Return the verdict that binds its client: if both limits let it pass, that with less left."""
    counter, most = services().rate_counter, caller().requests_per_minute
    own = None if most is None else counter.count_own(caller().key_id, most)
    if own is not None and not own.passes:
        return own
    verdict = counter.count(caller().tenant_public_id, scope)
    binds = own is not None and verdict.passes and (own.left or 0) < (verdict.left or 0)
    return own if own is not None and binds else verdict


def _brings_data() -> bool:
    description = description_of(current_app.view_functions[request.endpoint or ""])
    return description is None or description.brings_data


def add_headers(spell: Callable[[Verdict], Mapping[str, str]]) -> Callable[[Response], Response]:
    """Return a blueprint's `after_request`, which adds the limit and its rest to the response of a counted call.

    Args:
        spell: returns the API's headers for a verdict.
    """

    def add(response: Response) -> Response:
        if "verdict" in g:
            response.headers.extend(spell(g.verdict))
        return response

    return add
