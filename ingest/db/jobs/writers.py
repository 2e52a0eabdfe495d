"""Find the jobs that wrote a row: without an index, among a bounded number of jobs.

A row has the moment at which its transaction began, and so have the blocks that the transaction closed (`written_at`):
8 bytes a block, where the id of the job in each entity is 16 bytes an item, and 4 % more WAL.
"""

from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection
from ingest.ids import least_at

# Jobs of the tenant, the last that were accepted before the row was written.
LOOKED_AT = 2_000

# As of `ingest.db.jobs.listing`.
_CLOCKS_APART = timedelta(minutes=1).total_seconds()

# Small jobs that are alike are run in one transaction, whose rows may be any of theirs.
_MOST_TOGETHER = 20

# Spelled as in `ingest.db.jobs.listing`.
_WRITERS: LiteralString = f"""
SELECT b.job_id FROM (
    SELECT * FROM (
        SELECT id, kind, started_at, ended_at FROM jobs
        WHERE (tenant_id::bigint) = ANY (ARRAY[%(tenant_id)s::bigint]) AND id < %(before)s
        ORDER BY (tenant_id::bigint) DESC, id DESC LIMIT {LOOKED_AT}) looked_at
    WHERE kind = %(kind)s AND started_at <= %(at)s AND (ended_at IS NULL OR ended_at >= %(at)s)) j
CROSS JOIN LATERAL (
    SELECT job_id FROM job_blocks WHERE job_id = j.id AND written_at = %(at)s LIMIT 1) b
ORDER BY b.job_id LIMIT {_MOST_TOGETHER}
"""


def find(conn: Connection, tenant_id: int, kind: str, at: datetime) -> list[UUID]:
    """Return the ids of the jobs of which one transaction wrote the rows of a moment, in the order of their acceptance.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        kind: of the jobs that write such rows.
        at: the row's `updated_at`.

    Returns:
        Mostly one; several that were run together; none where a single call wrote the row, where the job is not among
        LOOKED_AT, was deleted by retention, or was run by a version that did not note the moment.
    """
    read_in_order(conn)
    values = {"tenant_id": tenant_id, "kind": kind, "at": at, "before": least_at(at.timestamp() + _CLOCKS_APART)}
    return [UUID(str(job_id)) for (job_id,) in conn.execute(_WRITERS, values, prepare=False)]
