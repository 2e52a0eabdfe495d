"""Steer a job from outside of its blocks: fail, cancel, pause, resume or relabel it (docs/contracts/jobs.md section 5).

Each statement names the states that it expects, waits in no queue and needs no worker. One that finds the job in
another state does nothing, and says so.
"""

from typing import LiteralString
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import holds, timeline
from ingest.db.jobs.outbox import RECORD_ENDS
from ingest.db.webhooks import recording
from ingest.jobs import JobState

# The states of a job that was resumed, or need not be.
NOT_ENDED = frozenset(state for state in JobState if not state.ended)

# The actor where a person steers a job by `sluice jobs`.
COMMAND = "command"

_FAIL = f"""
WITH moved AS (
    UPDATE jobs
    SET status = 'failed', ended_at = clock_timestamp(), error_code = %(code)s, error_message = %(message)s
    WHERE id = %(job_id)s AND status || '' IN ('pending', 'processing', 'paused')
    RETURNING id, tenant_id, ended_at
)
{RECORD_ENDS}
"""


def fail(conn: Connection, job_id: UUID, code: str, message: str) -> bool:
    """Move a job from PENDING, PROCESSING or PAUSED to FAILED; a block under way then cannot commit.

    Returns:
        True if this call ended the job.
    """
    return conn.execute(_FAIL, {"job_id": job_id, "code": code, "message": message}).rowcount == 1


_CANCEL = f"""
WITH moved AS (
    UPDATE jobs SET status = 'cancelled', ended_at = clock_timestamp()
    WHERE id = %(job_id)s AND status || '' IN ('pending', 'processing', 'paused')
    RETURNING id, tenant_id, ended_at
), recorded AS (
    {timeline.RECORD.format(what="cancelled", detail="NULL")}
)
{RECORD_ENDS}
"""


def cancel(conn: Connection, job_id: UUID, *, actor: str = COMMAND) -> bool:
    """Move a job from PENDING, PROCESSING or PAUSED to CANCELLED; a block under way then cannot commit.

    Args:
        conn: an open transaction.
        job_id: the job's.
        actor: who asks for it: the label of an API key, or COMMAND.

    Returns:
        True if this call ended the job.
    """
    return conn.execute(_CANCEL, {"job_id": job_id, "actor": actor}).rowcount == 1


_PAUSE: LiteralString = f"""
WITH moved AS (
    UPDATE jobs SET status = 'paused', on_hold_since = coalesce(on_hold_since, clock_timestamp())
    WHERE id = %(job_id)s AND status || '' IN ('pending', 'processing')
    RETURNING id, tenant_id
), recorded AS (
    {timeline.RECORD.format(what="paused", detail="NULL")}
)
SELECT FROM moved
"""


def pause(conn: Connection, job_id: UUID, *, actor: str = COMMAND) -> list[UUID]:
    """Move a job from PENDING or PROCESSING to PAUSED, and put on hold what waits for it by `?after=`.

    A block under way may still commit, and is counted; no further one is begun. Webhooks that want to be told are.

    Args:
        conn: an open transaction.
        job_id: the job's.
        actor: as of `cancel`.

    Returns:
        The ids of the jobs that are on hold now: the job itself is the first. Empty if it was in another state.
    """
    if conn.execute(_PAUSE, {"job_id": job_id, "actor": actor}).rowcount == 0:
        return []
    recording.record(conn, [job_id])
    return [job_id, *holds.hold(conn, [job_id])]


_LOCK = "SELECT FROM jobs WHERE id = %s AND status || '' = 'paused' FOR NO KEY UPDATE"

# A job that was begun goes on as if a worker had just put it down. If its block is still under way, the job was paused
# for less than a block: the worker that holds the block goes on with the job, and nobody else needs to claim it.
_RESUME: LiteralString = f"""
WITH moved AS (
    UPDATE jobs j
    SET status = CASE WHEN started_at IS NULL THEN 'pending' ELSE 'processing' END,
        on_hold_since = CASE WHEN started_at IS NULL AND {holds.AFTER_ONE_ON_HOLD} THEN clock_timestamp() END,
        progressed_at = clock_timestamp(), check_at = clock_timestamp(), notify_attempts = 0,
        queued_at = CASE WHEN started_at IS NOT NULL AND (
                SELECT true FROM job_blocks b
                WHERE b.job_id = j.id AND b.no = (SELECT min(no) FROM job_blocks WHERE job_id = j.id AND open)
                FOR UPDATE SKIP LOCKED)
            THEN clock_timestamp() + interval '1 millisecond' ELSE queued_at END
    WHERE id = %(job_id)s AND status || '' = 'paused'
    RETURNING id, tenant_id, on_hold_since
), recorded AS (
    {timeline.RECORD.format(what="resumed", detail="NULL")}
)
SELECT on_hold_since IS NULL FROM moved
"""


def resume(conn: Connection, job_id: UUID, *, actor: str = COMMAND) -> bool:
    """Move a job from PAUSED to where it was: to PENDING if it was never begun, else to PROCESSING.

    It is in its former place among the tenant's jobs. Time in which it was paused counts as no fault of its workers.

    Args:
        conn: an open transaction.
        job_id: the job's.
        actor: as of `cancel`.

    Returns:
        True if this call resumed the job.
    """
    # A worker that is about to commit a block holds this lock; then the next statement sees that the block is free.
    if conn.execute(_LOCK, (job_id,)).rowcount == 0:
        return False
    row = conn.execute(_RESUME, {"job_id": job_id, "actor": actor}).fetchone()
    if row == (True,):
        holds.release(conn, [job_id])
    return row is not None


_RELABEL: LiteralString = f"""
WITH moved AS (
    UPDATE jobs
    SET options = nullif(CASE WHEN %(label)s::text IS NULL THEN options - 'label'
        ELSE coalesce(options, '{{}}') || jsonb_build_object('label', %(label)s::text) END, '{{}}')
    WHERE id = %(job_id)s AND status || '' <> 'receiving'
      AND options ->> 'label' IS DISTINCT FROM %(label)s
    RETURNING id, tenant_id
), recorded AS (
    {timeline.RECORD.format(what="relabelled", detail="%(label)s")}
)
SELECT FROM moved
"""


def relabel(conn: Connection, job_id: UUID, label: str | None, *, actor: str = COMMAND) -> bool:
    """Give a job another label, whatever its state; None takes its label away.

    Args:
        conn: an open transaction.
        job_id: the job's.
        label: 1 to 200 characters.
        actor: as of `cancel`.

    Returns:
        True if it had another label before.
    """
    return conn.execute(_RELABEL, {"job_id": job_id, "label": label, "actor": actor}).rowcount == 1
