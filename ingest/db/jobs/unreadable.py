"""Jobs whose items a worker has no master key for: they wait, each in its place, until the sweeper notifies again."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection
from ingest.db.jobs.claims import IN_ORDER, NOT_BEFORE_NOTIFIED

# Any worker would take the other blocks of an unordered job at once, and fail at each of them. The next claim, which
# is by the sweeper's message, sets `queued_at` back.
_PUT_OFF: LiteralString = f"""
WITH wanted AS (
    SELECT * FROM unnest(%(job_ids)b, %(nos)b) AS w (job_id, no)
), put_off AS (
    UPDATE jobs j SET queued_at = {NOT_BEFORE_NOTIFIED} FROM wanted w
    WHERE j.id = ANY (ARRAY[w.job_id]) AND j.status || '' = 'processing' AND NOT {IN_ORDER}
)
UPDATE job_blocks b SET deliveries = deliveries - 1 FROM wanted w
WHERE b.job_id = ANY (ARRAY[w.job_id]) AND b.no = w.no AND b.open AND b.deliveries > 0
"""


def put_off(conn: Connection, delivered: Sequence[tuple[UUID, int]]) -> None:
    """Have jobs wait for the sweeper, and count a delivery of each no more: nothing about a block kept it from running.

    Args:
        conn: a connection, in a transaction or not.
        delivered: jobs, each with the number of the block that was delivered.
    """
    values = {
        "job_ids": binary.uuid_array(job_id for job_id, _ in delivered),
        "nos": binary.integer_array(no for _, no in delivered),
    }
    conn.execute(_PUT_OFF, values)
