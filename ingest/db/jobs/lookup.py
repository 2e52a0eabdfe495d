"""Read a job by its id."""

from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import dict_row

from ingest.db.connection.pool import Connection
from ingest.jobs import NO_OPTIONS, Effect, Job, JobOptions, JobState

COLUMNS = """j.id, j.tenant_id, j.kind, j.merge, j.template_id, j.after_job_id, j.after_any, j.ordered, j.request_id,
       j.awaited, j.status, j.total, j.created, j.updated, j.unchanged, j.duplicate, j.failed, j.unprocessed,
       j.attempts, j.error_code, j.error_message, j.created_at, j.started_at, j.progressed_at, j.ended_at, j.strict,
       j.warnings, j.options, j.deadline_at"""


_GET = f"SELECT {COLUMNS} FROM jobs j WHERE j.id = %s"


def get(conn: Connection, job_id: UUID) -> Job | None:
    """Return the job of that id, whosever it is: a caller that serves a tenant compares `tenant_id`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_GET, (job_id,)).fetchone()
    return None if row is None else job_of(row)


def job_of(row: dict[str, Any]) -> Job:
    """Make a job of a row of COLUMNS, by their names; take the row apart."""
    effects = {effect: row.pop(effect.value) for effect in Effect}
    stored = row.pop("options")
    options = NO_OPTIONS if stored is None else msgspec.convert(stored, JobOptions)
    return Job(**{**row, "status": JobState(row["status"]), "effects": effects, "options": options})
