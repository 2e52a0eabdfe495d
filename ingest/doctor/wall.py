"""The wall between tenants in the database (`ingest.db.connection.walls`)."""

from collections.abc import Sequence

from ingest.doctor.line import Line, ok, warn


def wall(*, walled: bool, workers_held: bool, missing: Sequence[str]) -> Line:
    """Check that the roles are there, and that row-level security holds web.

    Args:
        walled: web takes the role that it holds.
        workers_held: it holds workers too, though they see all rows, so that Postgres allows them no COPY.
        missing: the roles that are not there.
    """
    if not walled:
        found = "web sees the rows of all tenants: its login may not take the role sluice_app, or there is none"
        advice = (
            "As a superuser CREATE ROLE sluice_app and sluice_system, and GRANT both to the role in DATABASE_URL; then "
            "run `sluice migrate`, and restart web"
        )
        return warn("wall", found, advice)
    found = "web sees the rows of one tenant at a time"
    if missing:
        advice = (
            "Run `sluice migrate` as a superuser, or CREATE ROLE them as one and run it again: docs/how-to/operate.md "
            "says what each is for"
        )
        return warn("wall", f"{found}; missing: {', '.join(missing)}", advice)
    return ok("wall", f"{found}; workers, without BYPASSRLS, write without COPY" if workers_held else found)
