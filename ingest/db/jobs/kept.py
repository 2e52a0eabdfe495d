"""Payloads of jobs that have ended: of blocks that were never run, and of those that were only validated.

With them are the jobs that have not ended, whose payloads workers run meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection

_LOOKED_AT = 500

NO_JOB = UUID(int=0)

# True of a job that had not ended at that time, or if none is named.
SINCE: LiteralString = "coalesce(ended_at >= %(since)s::timestamptz, true)"

# The tenant's jobs in the order of their ids, as their list has them (0039_indexes_of_lists.sql). An atomic job may be
# aborted with no item unprocessed, because all have failed: its blocks are open all the same.
_JOBS: LiteralString = f"""
SELECT id, {{wanted}} FROM jobs
WHERE tenant_id::bigint = ANY (ARRAY[%(tenant_id)s::bigint]) AND id > %(after)s
ORDER BY tenant_id::bigint, id LIMIT {_LOOKED_AT}
"""
_ENDED = _JOBS.format(
    wanted="ended_at IS NOT NULL AND (unprocessed > 0 OR blocks_open > 0 OR (options ? 'validate_only')) IS TRUE"
    f" AND {SINCE}"
)
_OPEN = _JOBS.format(wanted="ended_at IS NULL")


def jobs(
    conn: Connection, tenant_id: int, *, after: UUID = NO_JOB, since: datetime | None = None
) -> tuple[Sequence[UUID], UUID | None]:
    """Return those of a tenant's next jobs that have ended and may have payloads.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        after: where the page before has ended.
        since: only jobs that had not ended then; None for all.

    Returns:
        Their ids, and where this page has ended; None: there are no more.
    """
    return _page(conn, _ENDED, {"tenant_id": tenant_id, "after": after, "since": since})


def open_jobs(conn: Connection, tenant_id: int, *, after: UUID = NO_JOB) -> tuple[Sequence[UUID], UUID | None]:
    """Return those of a tenant's next jobs that have not ended; the rest is as of `jobs`."""
    return _page(conn, _OPEN, {"tenant_id": tenant_id, "after": after})


def _page(conn: Connection, query: LiteralString, values: Mapping[str, object]) -> tuple[Sequence[UUID], UUID | None]:
    looked = conn.execute(query, values).fetchall()
    last = looked[-1][0] if len(looked) == _LOOKED_AT else None
    return [row[0] for row in looked if row[1]], last  # type: ignore[misc, return-value] # as selected


def clock(conn: Connection) -> datetime:
    """Return the time by which the ends of jobs are told."""
    return conn.execute("SELECT clock_timestamp()").fetchall()[0][0]  # type: ignore[return-value] # a timestamptz


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """A block with a payload; its fields are those of `ingest.intake.blocks.Block`, but for the number."""

    no: int
    first_index: int
    items: int
    payload: bytes
    first_line: int | None


_NEXT = """
SELECT no, first_index, items, payload, first_line FROM job_blocks
WHERE job_id = %s AND no > %s AND payload <> '' ORDER BY no LIMIT 1 FOR UPDATE
"""


def next_block(conn: Connection, job_id: UUID, *, after: int = -1) -> KeptBlock | None:
    """Lock and return the next block of an ended job that has a payload; None where there is none.

    Args:
        conn: an open transaction.
        job_id: whose.
        after: the number of the block before.
    """
    with conn.cursor(row_factory=class_row(KeptBlock)) as cursor:
        return cursor.execute(_NEXT, (job_id, after)).fetchone()


_REPLACE = "UPDATE job_blocks SET payload = %s WHERE job_id = %s AND no = %s"


def replace(conn: Connection, job_id: UUID, no: int, payload: bytes) -> None:
    """Give a block that this transaction has locked another payload, of as many items."""
    conn.execute(_REPLACE, (payload, job_id, no))
