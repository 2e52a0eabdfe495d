"""End a job from outside of its blocks: fail it, or cancel it.

A finishing write names the state that it expects.
"""

from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs.outbox import RECORD_ENDS
from ingest.jobs import JobState

_END = f"""
WITH moved AS (
    UPDATE jobs
    SET status = %(status)s, ended_at = clock_timestamp(), error_code = %(code)s, error_message = %(message)s
    WHERE id = %(job_id)s AND status || '' IN ('pending', 'processing')
    RETURNING id, ended_at
)
{RECORD_ENDS}
"""


def fail(conn: Connection, job_id: UUID, code: str, message: str) -> bool:
    """Move a job from PENDING or PROCESSING to FAILED; a block under way then cannot commit.

    Returns:
        True if this call ended the job.
    """
    values = {"job_id": job_id, "status": JobState.FAILED, "code": code, "message": message}
    return conn.execute(_END, values).rowcount == 1


def cancel(conn: Connection, job_id: UUID) -> bool:
    """Move a job from PENDING or PROCESSING to CANCELLED; a block under way then cannot commit.

    Returns:
        True if this call ended the job.
    """
    values = {"job_id": job_id, "status": JobState.CANCELLED, "code": None, "message": None}
    return conn.execute(_END, values).rowcount == 1
