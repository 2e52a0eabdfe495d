"""Trials: jobs that judge stored rows by a schema, page by page (docs/contracts/templates.md).

A trial has one block, whose payload is the place of the next row. The transaction that judges a page moves the place
on, so each row is judged once, whoever dies. `ingest.engine.trial` knows what a place is.
"""

from typing import LiteralString
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import acceptance
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.outbox import RECORD_ENDS
from ingest.db.tenants import tenants
from ingest.errors import LimitReached
from ingest.intake.blocks import Block
from ingest.jobs import TRIAL, JobState

# The most trials of a tenant that have not ended. Each reads all rows, so more of them only slow one another down.
MOST_OPEN = 10

_COUNT_OPEN = f"""
SELECT count(*) FROM (
    SELECT FROM (VALUES ('pending'), ('processing')) AS s (status) CROSS JOIN LATERAL (
        SELECT FROM jobs
        WHERE tenant_id = %(tenant_id)s AND status = s.status AND status IN ('pending', 'processing')
          AND on_hold_since IS NULL AND kind = '{TRIAL}'
        LIMIT {MOST_OPEN}) j
    UNION ALL
    SELECT FROM jobs
    WHERE tenant_id = %(tenant_id)s AND status IN ('pending', 'paused') AND on_hold_since IS NOT NULL
      AND kind = '{TRIAL}'
    LIMIT {MOST_OPEN}) j
"""


def accept(conn: Connection, job: NewJob, *, place: bytes, rows: int) -> bool:
    """Store a trial; return what `acceptance.accept` does.

    Args:
        conn: an open transaction.
        job: what the request decided.
        place: before the first row.
        rows: about how many there are, one at least.

    Raises:
        LimitReached: the tenant has as many open ones as it may have.
        KeyInProgress: as `acceptance.accept` does.
    """
    tenants.lock(conn, job.tenant_id)
    if conn.execute(_COUNT_OPEN, {"tenant_id": job.tenant_id}).fetchone() == (MOST_OPEN,):
        raise LimitReached(
            f"{MOST_OPEN} checks of this tenant have not ended, the most that it may have; wait for one, or cancel one"
        )
    return acceptance.accept(conn, job, [Block(0, rows, place)])


_LOCK = "SELECT payload FROM job_blocks WHERE job_id = %s AND no = 0 AND open FOR UPDATE SKIP LOCKED"


def lock(conn: Connection, job_id: UUID) -> bytes | None:
    """Take the lease on a trial until this transaction ends; return the place of its next row.

    Returns:
        None where another worker holds it, or it has ended.
    """
    row = conn.execute(_LOCK, (job_id,)).fetchone()
    return None if row is None else row[0]  # type: ignore[return-value] # a bytea


# The number of rows is known at the end. Until then what is left never grows, so that progress never falls, and is 1 at
# least. Each step puts the trial behind the jobs that wait.
_ADVANCE: LiteralString = f"""
WITH moved AS (
    UPDATE jobs j
    SET unchanged = unchanged + %(passed)s, failed = failed + %(failed)s, unprocessed = n.unprocessed,
        had_errors = had_errors OR %(failed)s > 0,
        total = total - j.unprocessed + %(passed)s + %(failed)s + n.unprocessed,
        blocks_open = CASE WHEN %(place)s::bytea IS NULL THEN 0 ELSE 1 END,
        status = CASE WHEN %(place)s::bytea IS NULL THEN 'completed' ELSE status END,
        ended_at = CASE WHEN %(place)s::bytea IS NULL THEN clock_timestamp() END,
        progressed_at = clock_timestamp(), queued_at = clock_timestamp() + interval '1 millisecond'
    FROM (
        SELECT id, CASE WHEN %(place)s::bytea IS NULL THEN 0
                   ELSE greatest(unprocessed - %(passed)s - %(failed)s, 1) END AS unprocessed
        FROM jobs WHERE id = %(job_id)s) n
    WHERE j.id = %(job_id)s AND j.status || '' IN ('processing', 'paused')
    RETURNING j.id, j.tenant_id, j.status, j.ended_at
), advanced AS (
    UPDATE job_blocks
    SET payload = coalesce(%(place)s::bytea, ''), open = %(place)s::bytea IS NOT NULL, deliveries = 0
    WHERE job_id = %(job_id)s AND no = 0
), recorded AS (
    {RECORD_ENDS}
)
SELECT status FROM moved
"""


def advance(conn: Connection, job_id: UUID, *, passed: int, failed: int, place: bytes | None) -> JobState | None:
    """Count the rows of a page, and move the trial on to the next one; or to COMPLETED, behind the last one.

    Args:
        conn: the transaction that holds the trial.
        job_id: the trial's.
        passed: how many rows pass.
        failed: how many do not.
        place: of the next row; None behind the last one.

    Returns:
        The state of the trial now; None where it was ended meanwhile, so that the transaction must be rolled back.
    """
    values = {"job_id": job_id, "passed": passed, "failed": failed, "place": place}
    row = conn.execute(_ADVANCE, values).fetchone()
    return None if row is None else JobState(row[0])  # type: ignore[arg-type] # a text column
