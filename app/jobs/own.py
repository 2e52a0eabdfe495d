"""The job that a request names, and the errors and warnings that come with it."""

from uuid import UUID

from app.jobs.shape import INLINE_ERRORS, INLINE_WARNINGS
from ingest import ids
from ingest.db.connection.pool import Connection
from ingest.db.jobs import gone, item_errors, item_warnings, lookup
from ingest.errors import Gone, NotFound, RequestError
from ingest.jobs import Effect, ItemError, ItemWarning, Job, JobState


def own_job(conn: Connection, tenant_id: int, text: str, *, shown: bool = False) -> Job:
    """Return a tenant's job.

    Args:
        conn: a connection, in a transaction or not.
        tenant_id: whose it must be.
        text: its public id.
        shown: with all that a job shows.

    Raises:
        NotFound: there is none of that id, or it is another tenant's.
        Gone: retention has deleted it.
    """
    job_id = ids.parse(ids.JOB, text)
    found = (lookup.show if shown else lookup.get)(conn, job_id)
    if found is None or found.tenant_id != tenant_id or found.status is JobState.RECEIVING:
        raise absent(conn, tenant_id, job_id)
    return found


def absent(conn: Connection, tenant_id: int | None, job_id: UUID) -> RequestError:
    """Return the error of a call about a job that is not there, or not for this tenant; None: for nobody."""
    spelling = ids.spell(ids.JOB, job_id)
    if gone.is_gone(conn, tenant_id, job_id):
        return Gone(gone.MESSAGE.format(spelling))
    return NotFound(f"There is no job {spelling!r}")


def inline_errors(conn: Connection, job: Job) -> list[ItemError]:
    """Return the item errors that come with a job, and no more than it counts: another block may have ended."""
    most = min(job.effects[Effect.FAILED], INLINE_ERRORS)
    return item_errors.of_job(conn, job.id, limit=most) if most else []


def first_warnings(conn: Connection, job: Job) -> list[ItemWarning]:
    """Return the warnings that come with a job, and no more than it counts: another block may have ended."""
    most = min(job.warnings, INLINE_WARNINGS)
    return [warning for _, warning in item_warnings.of_job(conn, job.id, limit=most)] if most else []
