"""The outbox: the end of a job is a row of `job_ends` from the transaction that ends the job until it is announced.

A process takes rows, announces them, and commits then: after a crash an end is announced twice rather than never.
"""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection
from ingest.db.webhooks.recording import IS_WANTED

# Part of each statement that ends jobs: `moved` has the jobs that this statement has moved, to their end or not.
RECORD_ENDS: LiteralString = (
    "INSERT INTO job_ends (tenant_id, job_id, ended_at)"
    " SELECT tenant_id, id, ended_at FROM moved WHERE ended_at IS NOT NULL"
)


class Ended(NamedTuple):
    """The end of a job, to log and to announce.

    Attributes:
        failed: how many of its items.
        was_on_hold: those that wait for it by `?after=` may be on hold.
        dependents: the jobs that wait for it by `?after=`, at most 1,000; the sweeper notifies of any further ones.
        is_wanted: its tenant has webhooks, or it has a callback.
        seconds: from its acceptance to its end.
        wait_seconds: from its acceptance to its first delivery; None if it ended before.
    """

    id: UUID
    request_id: str
    awaited: bool
    status: str
    total: int
    failed: int
    error_code: str | None
    error_message: str | None
    was_on_hold: bool
    dependents: list[UUID]
    is_wanted: bool
    kind: str
    seconds: float
    wait_seconds: float | None


# A row that is back after a crash is announced twice, which is harmless, so the commit waits for no disk.
_TAKE: LiteralString = """
WITH {left} taken AS (
    DELETE FROM job_ends e USING {ids} AS w (id) WHERE e.job_id = ANY (ARRAY[w.id])
    RETURNING e.job_id
)
SELECT j.id, j.request_id, j.awaited, j.status, j.total, j.failed, j.error_code, j.error_message,
       j.on_hold_since IS NOT NULL,
       ARRAY(SELECT b.id FROM jobs b WHERE b.after_job_id = ANY (ARRAY[j.id]) AND b.status || '' = 'pending'
             ORDER BY b.queued_at LIMIT 1000),
       {is_wanted},
       j.kind, extract(epoch FROM j.ended_at - j.created_at)::float,
       extract(epoch FROM j.started_at - j.created_at)::float
FROM taken JOIN jobs j ON j.id = ANY (ARRAY[taken.job_id]), set_config('synchronous_commit', 'off', true)
WHERE j.status IN ('completed', 'failed', 'cancelled') ORDER BY j.seq
"""
_TAKE_OF: LiteralString = _TAKE.format(left="", ids="unnest(%(job_ids)b)", is_wanted=IS_WANTED)

# Give the process that ended a job half a second to announce it. The table is all but empty, so it needs no index for
# this: each end would pay for it.
_TAKE_LEFT: LiteralString = _TAKE.format(
    left="""left_behind AS (
    SELECT job_id FROM job_ends WHERE ended_at < now() - interval '0.5 seconds'
    ORDER BY ended_at LIMIT 500 FOR UPDATE SKIP LOCKED
),""",
    ids="left_behind",
    is_wanted=IS_WANTED,
)


def take(conn: Connection, job_ids: Sequence[UUID]) -> list[Ended]:
    """Take the ends of these jobs out of the outbox: of those that have ended and are not announced yet.

    Args:
        conn: in a transaction of this alone, which the caller commits once it has announced them.
        job_ids: of the jobs that this process ended.

    Returns:
        Their ends, in the order in which the jobs were accepted.
    """
    rows = conn.execute(_TAKE_OF, {"job_ids": binary.uuid_array(job_ids)}, binary=True)
    return [Ended(*row) for row in rows]  # type: ignore[arg-type] # as selected


def take_left(conn: Connection) -> list[Ended]:
    """Take the ends that are left: the process that ended the job died, or was a command, which announces none.

    Rows of jobs that are gone, or have not ended, are deleted too. Rows that another process is at are left to it.

    Args:
        conn: as of `take`.

    Returns:
        At most 500 of them, the oldest, as of `take`.
    """
    return [Ended(*row) for row in conn.execute(_TAKE_LEFT)]  # type: ignore[arg-type] # as selected
