"""`GET /batch/jobs/{id}/stream`: a job's progress as server-sent events (docs/contracts/jobs.md section 3).

A stream reads the job when a worker tells that it has moved, and once a second in any case: without Redis it is slower,
and never wrong.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime

import msgspec
from flask import Blueprint, Response, request

from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import JsonResponse, Respond, as_nothing
from app.http.services import Services, services
from app.jobs.own import own_job
from app.jobs.resource import LOOK_EVERY_SECONDS
from app.jobs.shape import links_of
from ingest.db.connection.pool import autocommit, transaction
from ingest.db.jobs import lookup, queue
from ingest.engine.job_shape import job_without_errors
from ingest.errors import Busy, DatabaseError
from ingest.jobs import Job, JobState

# At most two events a second: four, which the contract allows, cost 0.36 % of a core for each stream.
_BETWEEN_EVENTS_SECONDS = 0.5

# A comment tells proxies and clients that the stream lives.
_COMMENT_EVERY_SECONDS = 15.0

# The client connects again, with a key that is looked up anew; browsers do so by themselves.
_LONGEST_SECONDS = 600.0

# Browsers wait so long before they connect again.
_RECONNECT = b"retry: 1000\n\n"
_COMMENT = b": the job has not changed\n\n"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The number of an event names the status in its lowest part, which has room for so many.
_STATUSES = 16
_STATUS_NUMBERS = {status: number for number, status in enumerate(JobState)}


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
        shared, seen = services(), _last_seen()
        with transaction(shared.pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
        if found.status.ended and seen >= _number(found):
            return as_nothing(204)
        release = _take_places(shared)
        events = _Events(shared, found, links_of(found), seen, request.environ.get("gunicorn.socket"))
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = JsonResponse(events.stream(), 200, headers)
        response.call_on_close(release)
        return response


def _last_seen() -> int:
    """Return the number of the last event that the client has seen; 0 where it has seen none, or another server's."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(2**63)) else 0


def _take_places(shared: Services) -> Callable[[], None]:
    """Take a place among the streams, and one among the requests that wait. Return what gives both back.

    Raises:
        Busy: one of them is not free.
    """
    taken: list[threading.Semaphore] = []
    for places in (shared.stream_places, shared.waiting_places):
        if not places.acquire(blocking=False):
            for others in taken:
                others.release()
            raise Busy("This process has as many streams as it can serve; poll the job, or connect again later")
        taken.append(places)

    def release() -> None:
        while taken:
            taken.pop().release()

    return release


def _number(job: Job, above: int = 0) -> int:
    """Return the number of a job as it stands, above that of the event before.

    It is the moment of the last change in microseconds since 1970, times 16, plus the place of the status among all. A
    pause alone changes no moment; a client that was away is told of it because its status comes behind those before.
    """
    moments = (job.created_at, job.started_at, job.progressed_at, job.ended_at)
    since = max(moment for moment in moments if moment is not None) - _EPOCH
    moment = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return max(moment, above // _STATUSES + 1) * _STATUSES + _STATUS_NUMBERS[job.status]


class _Events:
    """The events of one stream.

    Args:
        shared: of the process.
        job: as it stands.
        link: returns the path of one of its calls.
        seen: the number of the last event that the client has seen.
        client: its connection; None where a test has none.
    """

    def __init__(
        self, shared: Services, job: Job, link: Callable[[str], str], seen: int, client: socket.socket | None
    ) -> None:
        self._shared, self._job, self._link, self._client = shared, job, link, client
        self._sent, self._status = seen, job.status if seen >= _number(job) else None

    def stream(self) -> Iterator[bytes]:
        """Yield events until the job has ended, the client has left or the process ends."""
        yield _RECONNECT
        until = time.monotonic() + _LONGEST_SECONDS
        comment_at = time.monotonic() + _COMMENT_EVERY_SECONDS
        with self._shared.watched_jobs.watching(self._job.id) as moved:
            while self._goes_on(until):
                moved.clear()
                event = self._next()
                if event is not None:
                    yield event
                    comment_at = time.monotonic() + _COMMENT_EVERY_SECONDS
                    if self._job.status.ended:
                        return
                    time.sleep(_BETWEEN_EVENTS_SECONDS)
                elif time.monotonic() >= comment_at:
                    yield _COMMENT
                    comment_at = time.monotonic() + _COMMENT_EVERY_SECONDS
                moved.wait(LOOK_EVERY_SECONDS)

    def _goes_on(self, until: float) -> bool:
        return time.monotonic() < until and not self._shared.ending and not self._client_left()

    def _client_left(self) -> bool:
        if self._client is None:
            return False
        try:
            return self._client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _next(self) -> bytes | None:
        """Return the event of what has changed; None where nothing has, or the database cannot be asked just now."""
        try:
            with autocommit(self._shared.pool) as conn:
                found = lookup.show(conn, self._job.id)
                if found is None or (found.status is self._status and _number(found) <= self._sent):
                    return None
                with conn.transaction() if found.status is JobState.PENDING else nullcontext():
                    place = queue.places_of(conn, [found])[found.id]
        except DatabaseError:
            return None
        kind = "end" if found.status.ended else "progress" if found.status is self._status else "state"
        self._job, self._status = found, found.status
        self._sent = _number(found, self._sent)
        data = msgspec.json.encode(job_without_errors(found, None, self._link, place))
        return b"event: %b\nid: %d\ndata: %b\n\n" % (kind.encode(), self._sent, data)
