"""`GET /batch/jobs/{id}`: where a job stands, by a tag that says whether that has changed."""

import hashlib
import threading
import time

import msgspec
from flask import Blueprint, Response, request

from app.http import prefer
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond, as_nothing
from app.http.services import services
from app.jobs.own import first_warnings, inline_errors, own_job
from app.jobs.shape import family_shape, job_shape, row_shapes
from ingest.db.connection.pool import autocommit, transaction
from ingest.db.jobs import queue
from ingest.db.jobs.queue import Place
from ingest.jobs import Job

# A hint that a job has moved may be lost, so a request that watches the job looks at it this often.
LOOK_EVERY_SECONDS = 1.0

# It takes most of a second until the workers know that a job is watched, and a job of an ordinary batch has ended by
# then. So its request looks by itself, first after this time, and then after twice as long as the time before.
_FIRST_LOOK_SECONDS = 0.05

_HEADERS = {
    "If-None-Match": "tags of earlier answers: 304 if the job is as one of them says",
    "Prefer": "wait=N with If-None-Match: 304 only after so many seconds, 30 at most, unless the job has changed its "
    "status or moved by a percent before",
}


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>")
    @describe(
        "Where a job stands",
        operation=f"get{noun}",
        answers={200: "Job"},
        empty={304: "The job is as the tag says"},
        headers=_HEADERS,
    )
    def job(job_id: str) -> Response:
        headers: dict[str, str] = {}
        if "If-None-Match" in request.headers:
            found, headers = _look_again(job_id)
            if _is_known(found):
                return as_nothing(304, {"ETag": tag(found), **headers})
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id, shown=True)
            place = queue.places_of(conn, [found])[found.id]
            errors, warnings = inline_errors(conn, found), first_warnings(conn, found)
        return respond(job_shape(found, place, errors, warnings), 200, {"ETag": tag(found), **headers})


def tag(job: Job) -> str:
    """Return the entity tag of a job as this call shows it.

    It covers all but the queue before a pending job (`blocked_by`, `queue_ahead`, `eta_seconds`), which moves whatever
    becomes of the job itself (docs/contracts/jobs.md section 3). Errors and warnings follow from their counts.
    """
    shown = msgspec.json.encode([*row_shapes([job], {job.id: Place(None, None, job.eta_seconds)}), family_shape(job)])
    return f'"{hashlib.sha256(shown).hexdigest()[:32]}"'


def _is_known(job: Job) -> bool:
    """True if the client has the job as it stands."""
    return request.if_none_match.contains_weak(tag(job).strip('"'))


def _look_again(job_id: str) -> tuple[Job, dict[str, str]]:
    """Return a job that the client has seen, and headers of the answer.

    If the client has it as it stands and wishes to wait, wait first until it has changed its status or moved by a
    percent, or the time is up; where too many requests wait already, this one does not.
    """
    known, wait = _look(job_id), prefer.stated().wait
    places = services().waiting_places
    if not wait or known.status.ended or not _is_known(known) or not places.acquire(blocking=False):
        return known, {}
    try:
        return _moved(known, job_id, wait), prefer.applied(wait=wait)
    finally:
        places.release()


def _moved(known: Job, job_id: str, seconds: int) -> Job:
    """Return a job once it has moved, or as it is when the time is up."""
    until = time.monotonic() + seconds
    found, moved, pause = known, threading.Event(), _FIRST_LOOK_SECONDS
    with services().watched_jobs.watching(known.id, moved.set):
        while (left := until - time.monotonic()) > 0 and not has_moved(known, found) and not services().ending:
            moved.wait(min(left, pause))
            moved.clear()
            pause = min(2 * pause, LOOK_EVERY_SECONDS)
            found = _look(job_id)
    return found


def has_moved(before: Job, now: Job) -> bool:
    """True if a job has another status than before, or a percent of its items was processed meanwhile."""
    items = now.processed - before.processed
    return now.status is not before.status or (items > 0 and items >= now.total / 100)


def _look(job_id: str) -> Job:
    with autocommit(services().pool) as conn:
        return own_job(conn, caller().tenant_id, job_id, shown=True)
