"""Invariants of the stored data. Each is a query that finds the rows that break it.

    check              the type of a check
    jobs rows stuck    checks of a job's counts and times, of rows that belong together, and of jobs that do not move
    blocks families    checks of a job's blocks, and of retries
    uploads            checks of uploads and their parts
    gone               check of the ids of jobs that retention has deleted
    webhooks           checks of webhooks and their deliveries
    wall               check of what separates tenants in the database
    text               check of JSON that cannot be read back

All checks are read-only and share one snapshot, so that running jobs cause no false alarm. Each check has a time limit
and counts a limited number of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.verify import blocks, families, gone, jobs, rows, stuck, text, uploads, wall, webhooks
from ingest.db.verify.check import Check
from ingest.errors import TryAgain
from ingest.ids import spell

__all__ = ["CHECKS", "MOST_FOUND", "OPERATIONAL", "Check", "Example", "Result", "verify"]

# First what does not move: those checks ask pg_stat_activity, which shows the moment and not the snapshot's.
CHECKS = (
    *(*stuck.CHECKS, *jobs.CHECKS, *blocks.CHECKS, *families.CHECKS, *uploads.CHECKS, *gone.CHECKS),
    *(*webhooks.CHECKS, *rows.CHECKS, *wall.CHECKS, *text.CHECKS),
)

# Checks that may fail although every row is right: because a process is down, or overloaded.
OPERATIONAL = frozenset(check.name for check in stuck.CHECKS)

MOST_FOUND = 10_000
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """A row that breaks an invariant; `id` is its public id, None where it has none."""

    id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check.

    Attributes:
        check: the invariant.
        found: how many rows break it, counted up to MOST_FOUND; None: the check did not finish.
        examples: up to five of them.
    """

    check: Check
    found: int | None
    examples: tuple[Example, ...] = ()


# Nothing may come before it in its transaction.
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_BOUND = "SELECT set_config('statement_timeout', %s, true)"


def verify(
    conn: Connection, *, deadline_seconds: int, stuck_after_seconds: int, check_seconds: int
) -> Iterator[Result]:
    """Check every invariant, in one snapshot; a result a check, as it comes.

    Args:
        conn: a connection with no transaction open; the one that this opens is the caller's to end.
        deadline_seconds: the setting of that name.
        stuck_after_seconds: without progress for so long, a job that nobody works on is called stuck.
        check_seconds: what a check may take at most.

    Raises:
        DatabaseError: the connection was lost, or a query is at fault.
    """
    with translated():
        conn.execute(_SNAPSHOT)
        conn.execute(_BOUND, (f"{check_seconds}s",))
    values = {"deadline": deadline_seconds, "stuck_after": stuck_after_seconds}
    for check in CHECKS:
        yield _result(conn, check, values)


# The inner LIMIT ends the search early where very much is wrong.
_FIND = """
SELECT id, detail, count(*) OVER () FROM ({query} LIMIT {most}) AS found (id, detail) LIMIT {examples}
"""


def _result(conn: Connection, check: Check, values: dict[str, int]) -> Result:
    """Run a check under a savepoint, so that one which runs out of time aborts nothing else."""
    query = _FIND.format(query=check.query, most=MOST_FOUND, examples=_EXAMPLES)
    try:
        with translated(), conn.transaction():
            found = conn.execute(query, values).fetchall()
    except TryAgain:
        return Result(check, None)
    count: Any = found[0][2] if found else 0
    return Result(check, count, tuple(Example(_public(check, row_id), str(detail)) for row_id, detail, _ in found))


def _public(check: Check, row_id: object) -> str | None:
    if not isinstance(row_id, UUID):
        return None
    return spell(check.prefix, row_id) if check.prefix else str(row_id)
