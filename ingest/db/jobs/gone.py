"""Ids of jobs that retention has deleted, and of their uploads (docs/contracts/jobs.md section 7).

The statement that deletes a job writes them: `ingest.db.data.retention.purge_jobs`.
"""

from uuid import UUID

from ingest.db.connection.pool import Connection

# A call about a job that is gone is told so for so many days, and after them that there is no such job.
REMEMBERED_DAYS = 90
_REMEMBERED = f"interval '{REMEMBERED_DAYS} days'"


# For the job of an id.
MESSAGE = "The job {!r} ended so long ago that it was deleted, with its errors and results"

_IS_GONE = f"""
SELECT FROM gone_ids
WHERE id = %(id)s AND (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s) AND gone_at > now() - {_REMEMBERED}
"""


def is_gone(conn: Connection, tenant_id: int | None, public_id: UUID) -> bool:
    """True if retention has deleted a job of the tenant's, or its upload, in the last 90 days.

    Args:
        conn: a connection, in a transaction or not.
        tenant_id: whose it must have been; None: anybody's.
        public_id: of a job or an upload that is not there.
    """
    return conn.execute(_IS_GONE, {"id": public_id, "tenant_id": tenant_id}).rowcount > 0


_FORGET = f"""
DELETE FROM gone_ids WHERE id = ANY (ARRAY(
    SELECT id FROM gone_ids WHERE gone_at <= now() - {_REMEMBERED}
    ORDER BY gone_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


def forget(conn: Connection, *, limit: int) -> int:
    """Delete ids that are gone for 90 days. Return their number, at most `limit`."""
    return conn.execute(_FORGET, {"limit": limit}).rowcount
