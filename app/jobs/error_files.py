"""`GET /batch/jobs/{id}/errors.ndjson` and `errors.csv`: a job's bad items, to be corrected and sent again."""

from collections.abc import Generator, Iterator
from functools import partial
from itertools import chain
from threading import Semaphore

from flask import Blueprint, Response

from app.http import personal_data
from app.http.auth import caller
from app.http.body import CSV, LINES
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs.own import own_job
from ingest import ids
from ingest.db.connection.pool import autocommit, transaction
from ingest.engine import error_files
from ingest.engine.error_files import Lend
from ingest.errors import Busy, SecretUnreadable, WrongState
from ingest.jobs import Job


def mount(bp: Blueprint, _respond: Respond, noun: str) -> None:
    """Add the calls to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>/errors.ndjson")
    @describe(
        "A job's bad items as lines, each with what is wrong with it, to be corrected and sent again",
        operation=f"download{noun}Errors",
        answers={200: "ErrorLines"},
        faults=(SecretUnreadable,),
        media=LINES[0],
    )
    def errors_ndjson(job_id: str) -> Response:
        return as_lines(job_id)

    @bp.get("/batch/jobs/<text:job_id>/errors.csv")
    @describe(
        "A CSV job's bad rows, each with what is wrong with it, to be corrected and sent again",
        operation=f"download{noun}ErrorsAsCsv",
        answers={200: "ErrorRows"},
        faults=(WrongState, SecretUnreadable),
        media=CSV,
    )
    def errors_csv(job_id: str) -> Response:
        return as_rows(job_id)


def as_lines(text: str) -> Response:
    """Answer with the bad items of a job of the caller's as lines.

    Args:
        text: the job's public id.
    """
    job = _job(text)
    cache, most_bytes = services().template_cache, services().settings.max_item_bytes
    lines = error_files.lines(_lend(), job, cache, most_bytes, personal_data.reader(job.tenant_id))
    return _streamed(job, lines, LINES[0], "ndjson")


def as_rows(text: str) -> Response:
    """Answer with the bad items of a job of the caller's as rows of CSV.

    Args:
        text: the job's public id.

    Raises:
        WrongState: the job did not come as CSV.
    """
    job = _job(text)
    if job.options.csv is None:
        raise WrongState("This job did not come as CSV; read its errors.ndjson")
    cache, most_bytes = services().template_cache, services().settings.max_item_bytes
    rows = error_files.rows(_lend(), job, cache, most_bytes, personal_data.reader(job.tenant_id))
    return _streamed(job, rows, f"{CSV}; charset=utf-8", "csv")


def _job(job_id: str) -> Job:
    with transaction(services().pool) as conn:
        job = own_job(conn, caller().tenant_id, job_id)
        personal_data.require_admin_for_items(conn, job)
    return job


def _lend() -> Lend:
    """Return a function that lends connections after the view has returned, too."""
    return partial(autocommit, services().pool)


def _streamed(job: Job, parts: Iterator[bytes], media: str, suffix: str) -> Response:
    """Return a response whose file is made while the client reads it, page by page.

    Raises:
        Busy: as many threads as may be are held by large bodies, be they read or sent.
    """
    held = _held(services().body_places, parts)
    # The first page is read before the answer begins: an error of the database can still be one.
    response = Response(chain([next(held, b"")], held), 200)
    response.call_on_close(held.close)
    response.headers["Content-Type"] = media
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Disposition"] = f'attachment; filename="{ids.spell(ids.JOB, job.id)}-errors.{suffix}"'
    return response


def _held(places: Semaphore, parts: Iterator[bytes]) -> Generator[bytes]:
    """Yield a file, and hold one of the places for large bodies for as long."""
    if not places.acquire(blocking=False):
        raise Busy("The server reads and sends as many large bodies as it can at once; ask again in some seconds")
    try:
        yield from parts
    finally:
        places.release()
