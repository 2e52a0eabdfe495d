"""SQL of the sweeper that fails jobs which can end in no other way; each statement is bounded."""

from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.outbox import RECORD_ENDS

# Time alone fails no job: only one that was delivered again and again, and moved not once in all that time. Time in
# which the system was down does not count; sweep, which saw it, leaves this out until it has watched for long enough.
_FAIL_STUCK = f"""
WITH moved AS (
    UPDATE jobs SET status = 'failed', ended_at = clock_timestamp(), error_code = 'JOB_DEADLINE',
        error_message = 'No progress within ' || %(seconds)s
            || ' seconds of trying; see the workers'' log for the reason'
    WHERE id = ANY (ARRAY(
        SELECT j.id FROM jobs j JOIN job_blocks b ON b.job_id = j.id AND b.open AND b.deliveries >= %(deliveries)s
        WHERE j.status = 'processing' AND j.check_at <= now()
          AND j.progressed_at < now() - make_interval(secs => %(seconds)s)
        ORDER BY j.check_at LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED))
      AND status || '' = 'processing'
    RETURNING id, tenant_id, ended_at
)
{RECORD_ENDS}
RETURNING job_id
"""
_STUCK_DELIVERIES = 5
_MOST_STUCK = 100  # ended in one statement


def fail_stuck(conn: Connection, *, seconds: int, limit: int = _MOST_STUCK) -> list[UUID]:
    """Move jobs that were tried for so long without any progress from PROCESSING to FAILED.

    Returns:
        Their ids, at most `limit`.
    """
    rows = conn.execute(_FAIL_STUCK, {"seconds": seconds, "deliveries": _STUCK_DELIVERIES, "limit": limit})
    return [row[0] for row in rows]  # type: ignore[misc] # a uuid column


# The key share lock of a block that records errors does not keep a job from its end.
_FAIL_LATE = f"""
WITH moved AS (
    UPDATE jobs SET status = 'failed', ended_at = clock_timestamp(), error_code = 'DEADLINE_EXCEEDED',
        error_message = 'It had not ended ' || (options ->> 'deadline_seconds')
            || ' seconds after it was accepted (?deadline=)'
    WHERE id = ANY (ARRAY(
        SELECT id FROM jobs
        WHERE deadline_at IS NOT NULL AND ended_at IS NULL AND deadline_at <= now()
        ORDER BY deadline_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED))
      AND status || '' IN ('pending', 'processing', 'paused')
    RETURNING id, tenant_id, ended_at
)
{RECORD_ENDS}
RETURNING job_id
"""
_MOST_LATE = 500  # ended in one statement


def fail_late(conn: Connection, *, limit: int = _MOST_LATE) -> list[UUID]:
    """Move jobs past their client's deadline from PENDING, PROCESSING or PAUSED to FAILED; no block under way commits.

    See docs/contracts/jobs.md section 1. A job that this round finds locked is ended by the next one.

    Returns:
        Their ids, at most `limit`.
    """
    rows = conn.execute(_FAIL_LATE, {"limit": limit})
    return [row[0] for row in rows]  # type: ignore[misc] # a uuid column


# A round goes through so many jobs, from where the one before it stopped: what it reads does not grow with the backlog.
_A_ROUND = 500

OpenPlace = tuple[int, str, str, int]

FIRST_OPEN: OpenPlace = (0, "", "", 0)


# No transaction of Sluice's leaves a job without blocks; a manual change of the tables might, and every job ends.
_OPEN_JOBS = f"""
SELECT j.tenant_id, j.status, j.kind, j.seq, j.id,
       (SELECT true FROM job_blocks b WHERE b.job_id = j.id AND b.open LIMIT 1) IS NULL AS without_blocks
FROM jobs j
WHERE j.status IN ('pending', 'processing') AND j.on_hold_since IS NULL
  AND (j.tenant_id, j.status, j.kind, j.seq) > (%s, %s, %s, %s)
ORDER BY j.tenant_id, j.status, j.kind, j.seq LIMIT {_A_ROUND}
"""

_FAIL_WITHOUT_BLOCKS = f"""
WITH moved AS (
    UPDATE jobs SET status = 'failed', ended_at = clock_timestamp(), error_code = 'JOB_UNRUNNABLE',
        error_message = 'The stored batch is missing, so the remaining items cannot be processed'
    WHERE id IN (SELECT j.id FROM jobs j WHERE j.id = ANY (%s) FOR UPDATE OF j SKIP LOCKED)
      AND status || '' IN ('pending', 'processing')
    RETURNING id, tenant_id, ended_at
)
{RECORD_ENDS}
RETURNING job_id
"""


def fail_without_blocks(conn: Connection, *, after: OpenPlace = FIRST_OPEN) -> tuple[list[UUID], OpenPlace]:
    """Move jobs that have no block left to run from PENDING or PROCESSING to FAILED.

    Args:
        conn: an open transaction.
        after: where the round before this one stopped.

    Returns:
        Their ids, and where this round stopped.
    """
    page = conn.execute(_OPEN_JOBS, after).fetchall()
    without_blocks = [row[4] for row in page if row[5]]
    failed = [row[0] for row in conn.execute(_FAIL_WITHOUT_BLOCKS, (without_blocks,))] if without_blocks else []
    return failed, page[-1][:4] if len(page) == _A_ROUND else FIRST_OPEN  # type: ignore[return-value] # as selected


HeldPlace = tuple[UUID, UUID]

FIRST_HELD: HeldPlace = (UUID(int=0), UUID(int=0))

_HELD_BACK_JOBS = f"""
SELECT j.after_job_id, j.id,
       (SELECT a.status IN ('failed', 'cancelled') FROM jobs a WHERE a.id = j.after_job_id) AS doomed
FROM jobs j
WHERE j.status = 'pending' AND j.after_job_id IS NOT NULL AND NOT j.after_any AND (j.after_job_id, j.id) > (%s, %s)
ORDER BY j.after_job_id, j.id LIMIT {_A_ROUND}
"""


# With a job fail those that come after it, and those after these. Postgres follows a chain only as far as the limit.
_FAIL_AFTER_FAILED = f"""
WITH RECURSIVE doomed AS (
    SELECT unnest(%s::uuid[]) AS id
    UNION ALL
    SELECT j.id FROM doomed d JOIN jobs j ON j.after_job_id = ANY (ARRAY[d.id])
    WHERE j.status = 'pending' AND j.after_job_id IS NOT NULL AND NOT j.after_any
), moved AS (
    UPDATE jobs SET status = 'failed', ended_at = clock_timestamp(), error_code = 'PREDECESSOR_FAILED',
        error_message =
            'The job that this one comes after has not completed (?after=); ?afterAny=true runs it all the same'
    WHERE id = ANY (ARRAY(
        SELECT j.id FROM (SELECT id FROM doomed LIMIT {_A_ROUND}) d JOIN jobs j ON j.id = ANY (ARRAY[d.id])
        FOR UPDATE OF j SKIP LOCKED))
      AND status || '' = 'pending'
    RETURNING id, tenant_id, ended_at
)
{RECORD_ENDS}
RETURNING job_id
"""


def fail_after_failed(conn: Connection, *, after: HeldPlace = FIRST_HELD) -> tuple[list[UUID], HeldPlace]:
    """Move jobs that come after one that failed or was cancelled from PENDING to FAILED.

    See docs/contracts/jobs.md section 1.

    Args:
        conn: an open transaction.
        after: where the round before this one stopped.

    Returns:
        Their ids, and where this round stopped.
    """
    page = conn.execute(_HELD_BACK_JOBS, after).fetchall()
    doomed = [row[1] for row in page if row[2]]
    failed = [row[0] for row in conn.execute(_FAIL_AFTER_FAILED, (doomed,))] if doomed else []
    return failed, page[-1][:2] if len(page) == _A_ROUND else FIRST_HELD  # type: ignore[return-value] # as selected
