"""The events of streams: what each client is told of its job. One look finds those of all streams of a process."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.http.services import Services
from ingest.db.connection.pool import Connection, autocommit
from ingest.db.jobs import lookup, queue
from ingest.db.jobs.queue import Place
from ingest.errors import DatabaseError
from ingest.jobs import Job, JobState

# The client connects again, maybe to another process; browsers do so by themselves.
_LONGEST_SECONDS = 600.0

# Browsers wait so long before they connect again.
_RECONNECT = b"retry: 1000\n\n"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The number of an event names the status in its lowest part, which has room for so many.
_STATUSES = 16
_STATUS_NUMBERS = {status: number for number, status in enumerate(JobState)}


class HandedOver(BaseException):
    """The rest of an answer is a stream, which needs no thread of its own: app/server/streams.py serves it.

    An answer's iterator raises it, and gunicorn lets nothing but a BaseException pass without an end of the answer.

    Attributes:
        stream: what is served.
    """

    def __init__(self, stream: "JobStream") -> None:
        self.stream = stream


class Event(NamedTuple):
    """An event of a stream.

    Attributes:
        number: its id.
        status: of the job as it tells it.
        text: as it is sent.
    """

    number: int
    status: JobState
    text: bytes


class Admission(NamedTuple):
    """The key or the session of the console that lets a client in: its stream ends with it.

    Attributes:
        id: of the key; of a session, the hash of its secret.
        good: returns which of such ids still let their clients in.
    """

    id: UUID | bytes
    good: Callable[[Connection, Collection[Any]], Collection[UUID | bytes]]


class JobStream:
    """A client's stream of a job, from its request on.

    Args:
        shared: of the process; one of its places for streams has been taken.
        job: as it stands.
        data: returns what an event says of the job, in one line.
        seen: the number of the last event that the client has seen.
        admission: of the client.

    Attributes:
        job_id: the job's.
        tenant_id: whose it is.
        pool: lends connections for this tenant's work.
        pool_of_everyone: the same connections, for a look at the admissions of all clients.
        until: the stream ends then, by the monotonic clock.
        has_ended: the client was told the end of the job, or is not let in any more.
    """

    def __init__(
        self,
        shared: Services,
        job: Job,
        data: Callable[[Job, Place], bytes],
        seen: int,
        admission: Admission,
    ) -> None:
        self.job_id, self.tenant_id, self._data = job.id, job.tenant_id, data
        self.admission = admission
        self.pool, self.pool_of_everyone = shared.pool, shared.pool_of_everyone
        self._watched_jobs = shared.watched_jobs
        self.until = time.monotonic() + _LONGEST_SECONDS
        self.has_ended = False
        self._told, self._status = seen, job.status if seen >= number_of(job) else None
        self._is_handed_over = False
        self._exits = ExitStack()
        self._exits.callback(shared.stream_places.release)

    def begin(self) -> Iterator[bytes]:
        """Yield what comes before all events.

        Raises:
            HandedOver: the request's thread has done its part.
        """
        yield _RECONNECT
        self._is_handed_over = True
        raise HandedOver(self)

    def end_request(self) -> None:
        """Close the stream unless it was handed over: the client has left already, or its request is a HEAD."""
        if not self._is_handed_over:
            self.close()

    def watch(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, from another thread, each time the job may have moved."""
        self._exits.enter_context(self._watched_jobs.watching(self.job_id, wake))

    def close(self) -> None:
        """Watch the job no longer, and give back the place. A second call does nothing."""
        self._exits.close()

    def has_news(self, job: Job) -> bool:
        """True if the client does not know the job as it stands."""
        return job.status is not self._status or number_of(job) > self._told

    def event(self, job: Job, place: Place) -> Event:
        """Return the event that tells the client of the job as it stands. `note` says that the client has it."""
        kind = "end" if job.status.ended else "progress" if job.status is self._status else "state"
        number = number_of(job, self._told)
        text = b"event: %b\nid: %d\ndata: %b\n\n" % (kind.encode(), number, self._data(job, place))
        return Event(number, job.status, text)

    def note(self, event: Event) -> None:
        """Note that the client was sent an event."""
        self._told, self._status, self.has_ended = event.number, event.status, event.status.ended


def number_of(job: Job, above: int = 0) -> int:
    """Return the number of a job as it stands, above that of the event before.

    It is the time of the last change in microseconds since 1970, times 16, plus the place of the status among all. A
    pause alone changes no timestamp; a client that was away is told of it because its status comes behind those before.
    """
    timestamps = (job.created_at, job.started_at, job.progressed_at, job.ended_at)
    since = max(timestamp for timestamp in timestamps if timestamp is not None) - _EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return max(microseconds, above // _STATUSES + 1) * _STATUSES + _STATUS_NUMBERS[job.status]


def next_events(streams: Sequence[JobStream]) -> list[Event | None]:
    """Return the next event of each stream, in their order; None where the client knows its job as it stands.

    If the database cannot be asked just now, nobody is told anything.

    Args:
        streams: of this process. They are as before until an event is noted.
    """
    events: dict[JobStream, Event] = {}
    with suppress(DatabaseError):
        _end_with_admissions(streams)
        of_tenants: dict[int, list[JobStream]] = {}
        for stream in streams:
            if not stream.has_ended:
                of_tenants.setdefault(stream.tenant_id, []).append(stream)
        for of_tenant in of_tenants.values():
            events |= _events_of_tenant(of_tenant)
    return [events.get(stream) for stream in streams]


def _end_with_admissions(streams: Sequence[JobStream]) -> None:
    """End the streams of clients that are not let in any more."""
    with autocommit(streams[0].pool_of_everyone) as conn:
        for good in {stream.admission.good for stream in streams}:
            of_kind = [stream for stream in streams if stream.admission.good is good]
            still = good(conn, {stream.admission.id for stream in of_kind})
            for stream in of_kind:
                stream.has_ended = stream.admission.id not in still


def _events_of_tenant(streams: Sequence[JobStream]) -> dict[JobStream, Event]:
    with autocommit(streams[0].pool) as conn:
        jobs = lookup.show_many(conn, {stream.job_id for stream in streams})
        told = [stream for stream in streams if stream.job_id in jobs and stream.has_news(jobs[stream.job_id])]
        moved = [jobs[job_id] for job_id in {stream.job_id for stream in told}]
        # Only a look at the queue needs a transaction, which would cost the others two round trips.
        waits = any(job.status is JobState.PENDING for job in moved)
        with conn.transaction() if waits else nullcontext():
            places = queue.places_of(conn, moved)
    return {stream: stream.event(jobs[stream.job_id], places[stream.job_id]) for stream in told}
