"""Wait in a request for the end of a job. Both APIs use this file."""

from dataclasses import dataclass
from uuid import UUID

from app.http.services import services
from app.jobs.own import absent, first_warnings, inline_errors
from app.jobs.shape import INLINE_ERRORS
from ingest.db.connection.pool import transaction
from ingest.db.jobs import item_errors, lookup, results
from ingest.db.jobs.results import Result
from ingest.db.tenants.keys import Caller
from ingest.engine.kinds import keeps_results
from ingest.errors import DatabaseError
from ingest.jobs import ItemError, ItemWarning, Job
from ingest.metrics import names

# A signal can be lost, as when Redis restarts, so a request that waits for its job reads the job this often.
_READ_EVERY_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that ended while its request waited.

    Attributes:
        errors: at most INLINE_ERRORS.
        results: of the items that were taken, if the answer names them.
        warnings: at most INLINE_WARNINGS.
    """

    job: Job
    errors: list[ItemError]
    results: list[Result]
    warnings: list[ItemWarning]


def present(caller: Caller, job_id: UUID, wait: int) -> Ended | tuple[Job, list[ItemError]]:
    """Return the job of a batch that was stored by an earlier request, after waiting for its end if asked to.

    Args:
        caller: whose job it is.
        job_id: the job's.
        wait: seconds to wait for the end of the job, 0 to 30; where too many requests wait already, this one does not.

    Returns:
        The job where it has ended; else as it stands, and at most INLINE_ERRORS of its item errors.

    Raises:
        Gone: retention has deleted the job.
        NotFound: there is none of that id.
    """
    places = services().waiting_places
    outcome = ended_or_id(job_id)  # its signal went to the first request: this one would wait for none
    if not isinstance(outcome, Ended) and wait > 0 and places.acquire(blocking=False):
        try:
            outcome = await_end(job_id, wait)
        finally:
            places.release()
    if isinstance(outcome, Ended):
        return outcome
    with transaction(services().pool) as conn:
        job = lookup.get(conn, job_id)
        if job is None:
            raise absent(conn, caller.tenant_id, job_id)
        return job, inline_errors(conn, job)


def await_end(job_id: UUID, seconds: int) -> UUID | Ended:
    """Sleep until the job has ended or the time is up, reading it now and then.

    Args:
        job_id: of a job that was stored as awaited.
        seconds: to wait at most. The caller has one of the process's places for requests that wait.

    Returns:
        The job where it has ended; else its id.
    """
    names.WAITING_REQUESTS.add()
    try:
        while True:
            may_wait_on = services().job_end.wait(job_id, min(seconds, _READ_EVERY_SECONDS))
            found = ended_or_id(job_id)
            seconds -= _READ_EVERY_SECONDS
            if isinstance(found, Ended) or seconds <= 0 or not may_wait_on:
                return found
    finally:
        names.WAITING_REQUESTS.add(by=-1)


def ended_or_id(job_id: UUID) -> UUID | Ended:
    """Return the job if it has ended. The batch is stored: no error may leave here."""
    try:
        with transaction(services().pool) as conn:
            job = lookup.get(conn, job_id)
            if job is None or not job.status.ended:
                return job_id
            errors = item_errors.of_job(conn, job_id, limit=INLINE_ERRORS)
            # An answer names the ids of a list's items; results that were asked for may be millions, read by pages.
            named = job.options.keep_results is None and keeps_results(job)
            kept = results.of_job(conn, job_id) if named else []
            return Ended(job, errors, kept, first_warnings(conn, job))
    except DatabaseError:
        return job_id
