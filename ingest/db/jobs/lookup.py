"""Read a job by its id."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import dict_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs import families
from ingest.jobs import NO_OPTIONS, Effect, Job, JobOptions, JobState

COLUMNS = """j.id, j.tenant_id, j.kind, j.merge, j.template_id, j.after_job_id, j.after_any, j.ordered, j.request_id,
       j.awaited, j.status, j.total, j.created, j.updated, j.unchanged, j.duplicate, j.failed, j.unprocessed,
       j.attempts, j.error_code, j.error_message, j.created_at, j.started_at, j.progressed_at, j.ended_at, j.strict,
       j.warnings, j.options, j.deadline_at, j.traceparent"""


# A job shows the ids of at most so many jobs that sent items of it again.
MOST_RETRIES_SHOWN = 100

# Beside COLUMNS, which claims return as well, all that a job shows. Rows are compared, rather than each column, so that
# no plan reads all jobs in the order of their ids for the few that have a parent.
SHOWN: LiteralString = f"""{COLUMNS}, j.seq, j.parent_job_id,
       ARRAY(SELECT c.id FROM jobs c
             WHERE (c.parent_job_id, c.id) > (j.id, '{UUID(int=0)}')
               AND (c.parent_job_id, c.id) < (j.id, '{UUID(int=2**128 - 1)}')
               AND c.parent_job_id IS NOT NULL AND c.status <> 'receiving'
             ORDER BY c.parent_job_id, c.id LIMIT {MOST_RETRIES_SHOWN}) AS retried_by"""

_GET = f"SELECT {COLUMNS} FROM jobs j WHERE j.id = %s"


def get(conn: Connection, job_id: UUID) -> Job | None:
    """Return the job of that id, whosever it is: a caller that serves a tenant compares `tenant_id`."""
    return _found(conn, _GET, job_id)


_SHOW = f"SELECT {SHOWN} FROM jobs j WHERE j.id = %s"


def show(conn: Connection, job_id: UUID) -> Job | None:
    """Return the job of that id with all that it shows, as `get` does; with the net result of its retries, too."""
    job = _found(conn, _SHOW, job_id)
    if job is None or not job.retried_by or job.options.picked is not None:
        return job
    family = families.members(conn, job_id)
    return replace(job, family=families.net_effects(family)) if len(family) > 1 else job


# Joins are spelled so that a kept plan looks up: docs/explanation/how-it-works.md, "Plans that are kept".
_SHOW_MANY = f"""
SELECT {SHOWN}
FROM unnest(%s::uuid[]) AS wanted (id) CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = wanted.id LIMIT 1) j
"""


def show_many(conn: Connection, job_ids: Collection[UUID]) -> dict[UUID, Job]:
    """Return the jobs of these ids that are there, by their ids, with all that they show but for `family`.

    Args:
        conn: a connection, in a transaction or not.
        job_ids: some hundreds at most, whosever they are.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SHOW_MANY, (list(job_ids),)).fetchall()
    return {job.id: job for job in map(job_of, rows)}


_TRACEPARENTS = """
SELECT j.id, j.traceparent FROM unnest(%s::uuid[]) AS wanted (id) JOIN jobs j ON j.id = ANY (ARRAY[wanted.id])
WHERE j.traceparent IS NOT NULL
"""


def traceparents(conn: Connection, job_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the `traceparent` of each of these jobs that has one, by the job's id.

    Args:
        conn: a connection, in a transaction or not.
        job_ids: some hundreds at most, whosever they are.
    """
    return dict(conn.execute(_TRACEPARENTS, (list(job_ids),)))  # type: ignore[arg-type] # (uuid, text)


def _found(conn: Connection, statement: LiteralString, job_id: UUID) -> Job | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, (job_id,)).fetchone()
    return None if row is None else job_of(row)


# An enum's own ways to its members and their values are slow, and a page has some hundreds of jobs.
_EFFECTS = tuple((effect, effect.value) for effect in Effect)
_STATES = {state.value: state for state in JobState}


def job_of(row: dict[str, Any]) -> Job:
    """Make a job of a row of COLUMNS, or of SHOWN, by their names; take the row apart."""
    row["effects"] = {effect: row.pop(column) for effect, column in _EFFECTS}
    row["status"] = _STATES[row["status"]]
    stored = row["options"]
    row["options"] = NO_OPTIONS if stored is None else msgspec.convert(stored, JobOptions)
    return Job(**row)
