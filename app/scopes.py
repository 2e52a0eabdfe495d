"""Which calls count against which rate limit, and what the client is told of it on every answer.

Calls that bring new data also need room on the database's disk; those that delete do not.
"""

from collections.abc import Callable, Mapping

from flask import Response, g, request

from app.auth import caller
from app.limits import Verdict
from app.services import services
from ingest.disk import require_room
from ingest.errors import RateLimited

_BRING_DATA = frozenset({"POST", "PUT", "PATCH"})


def scope(name: str) -> Callable[[], None]:
    """A blueprint's `before_request`: its writes count under this name, its reads under `read`.

    Args:
        name: one of contracts/operator.md section 9.
    """

    def count() -> None:
        if request.method == "OPTIONS":
            return
        counted = "read" if request.method in {"GET", "HEAD"} else name
        g.verdict = verdict = services().limits.count(caller().tenant_public_id, counted)
        if not verdict.passes:
            message = (
                f'More than {verdict.rate.amount} requests in {verdict.rate.get_expiry()} seconds under "{counted}"'
            )
            raise RateLimited(message, retry_after=verdict.wait, reset_at=verdict.reset_at)
        if request.method in _BRING_DATA:
            settings = services().settings
            require_room(settings.database_dir, settings.min_free_disk_bytes)

    return count


def tell(spell: Callable[[Verdict], Mapping[str, str]]) -> Callable[[Response], Response]:
    """A blueprint's `after_request`: the limit and what is left of it, on every answer of a call that was counted.

    Args:
        spell: the headers in which the face says it.
    """

    def say(response: Response) -> Response:
        if "verdict" in g:
            response.headers.extend(spell(g.verdict))
        return response

    return say
