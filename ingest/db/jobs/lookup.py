"""Read jobs: one by its id, and those that have ended, to announce them."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection
from ingest.jobs import Effect, Job, JobState

COLUMNS = """j.id, j.tenant_id, j.kind, j.merge, j.template_id, j.after_job_id, j.after_any, j.ordered, j.request_id,
       j.awaited, j.status, j.total, j.created, j.updated, j.unchanged, j.duplicate, j.failed, j.unprocessed,
       j.attempts, j.error_code, j.error_message, j.created_at, j.started_at, j.progressed_at, j.ended_at, j.strict,
       j.warnings"""


_GET = f"SELECT {COLUMNS} FROM jobs j WHERE j.id = %s"


def get(conn: Connection, job_id: UUID) -> Job | None:
    """Return the job of that id, whosever it is: a caller that serves a tenant compares `tenant_id`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_GET, (job_id,)).fetchone()
    return None if row is None else job_of(row)


class Ended(NamedTuple):
    """The end of a job, to log and to announce.

    Attributes:
        failed: how many of its items.
        dependents: the jobs that may begin now, at most 1,000; the sweeper notifies of any further ones.
    """

    id: UUID
    request_id: str
    awaited: bool
    status: str
    total: int
    failed: int
    dependents: list[UUID]


_ENDED = """
SELECT j.id, j.request_id, j.awaited, j.status, j.total, j.failed,
       ARRAY(SELECT b.id FROM jobs b WHERE b.after_job_id = j.id AND b.status || '' = 'pending'
             ORDER BY b.queued_at LIMIT 1000)
FROM unnest(%(job_ids)b) AS w (id) JOIN jobs j ON j.id = ANY (ARRAY[w.id])
WHERE j.status IN ('completed', 'failed', 'cancelled') ORDER BY w.id
"""


def ended(conn: Connection, job_ids: Sequence[UUID]) -> list[Ended]:
    """Return the ends of those jobs that have ended."""
    rows = conn.execute(_ENDED, {"job_ids": binary.uuid_array(job_ids)}, binary=True)
    return [Ended(*row) for row in rows]  # type: ignore[arg-type] # as selected


def job_of(row: dict[str, Any]) -> Job:
    """Make a job of a row of COLUMNS, by their names; take the row apart."""
    effects = {effect: row.pop(effect.value) for effect in Effect}
    return Job(**{**row, "status": JobState(row["status"]), "effects": effects})
