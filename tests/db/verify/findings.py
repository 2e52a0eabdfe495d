"""The findings of all checks in a database."""

from ingest.db import verify
from ingest.db.connection.pool import connect
from ingest.db.verify import Result

_NEVER = 100 * 86_400


def verified(
    url: str, *, stuck_after_seconds: int = _NEVER, deadline_seconds: int = _NEVER, check_seconds: int = 30
) -> list[Result]:
    with connect(url, "sluice-cli") as conn:
        bounds = {"deadline_seconds": deadline_seconds, "stuck_after_seconds": stuck_after_seconds}
        return list(verify.verify(conn, **bounds, check_seconds=check_seconds))


def found(url: str, **bounds: int) -> dict[str, int | None]:
    """Return the number of broken rows, by the name of each failed check."""
    return {result.check.name: result.found for result in verified(url, **bounds) if result.found != 0}
