"""`GET /batch/jobs/{id}/stream`: a job's progress as server-sent events (docs/contracts/jobs.md section 3).

The request's thread answers with the head and hands the rest over: one thread of the process serves all streams
(app/server/streams.py), and tells each client of its job (`stream_events.py`).
"""

from collections.abc import Callable

import msgspec
from flask import Blueprint, Response, request

from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import JsonResponse, Respond, as_nothing
from app.http.services import services
from app.jobs.own import own_job
from app.jobs.shape import links_of
from app.jobs.stream_events import Admission, JobStream, number_of
from ingest.db.connection.pool import transaction
from ingest.db.jobs.queue import Place
from ingest.db.tenants import keys
from ingest.engine.job_shape import job_without_errors
from ingest.errors import Busy
from ingest.jobs import Job


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:  # noqa: ARG001 # events are in no envelope
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>/stream")
    @describe(
        "A job's progress as server-sent events: `progress`, `state` and `end`, each with the job without its errors",
        operation=f"stream{noun}",
        answers={200: "JobEvents"},
        empty={204: "The job has ended, and the client has seen that: do not connect again"},
        headers={"Last-Event-ID": "the id of the last event that the client has seen"},
        media="text/event-stream",
        bare=True,
    )
    def stream(job_id: str) -> Response:
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
        link = links_of(found)
        admission = Admission(caller().key_id, keys.good)
        return answer(
            found, lambda job, place: msgspec.json.encode(job_without_errors(job, None, link, place)), admission
        )


def answer(job: Job, data: Callable[[Job, Place], bytes], admission: Admission) -> Response:
    """Answer with a stream of a job; with 204 if the job has ended, and the client has seen that.

    Args:
        job: as it stands.
        data: returns what an event says of it, in one line.
        admission: of the client.

    Raises:
        Busy: the process has no place for it.
    """
    seen = _last_seen()
    if job.status.ended and seen >= number_of(job):
        return as_nothing(204)
    if not services().stream_places.acquire(blocking=False):
        raise Busy("This process has as many streams as it can serve; poll the job, or connect again later")
    stream = JobStream(services(), job, data, seen, admission)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = JsonResponse(stream.begin(), 200, headers)
    response.call_on_close(stream.end_request)
    return response


def _last_seen() -> int:
    """Return the number of the last event that the client has seen; 0 where it has seen none, or another server's."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(2**63)) else 0
