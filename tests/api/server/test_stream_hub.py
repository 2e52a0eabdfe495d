"""The hub, which serves all streams of a process by one thread: slow clients, shared looks, failures and ends."""

import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from uuid import UUID

import pytest

from app.http.services import Services
from app.jobs.stream_events import Admission, Event, JobStream, next_events, number_of
from app.server import streams
from app.server.sockets import PatientSocket
from app.server.streams import Hub
from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import EnteredPool, Pool, transaction
from ingest.db.jobs import control, lookup
from ingest.db.tenants import keys
from ingest.settings import Settings
from tests.support.factories import accept, entity, make_tenant

_TIMEOUT_SECONDS = 30
_JUNK = b"\n" * 1024


class _Client:
    """Both ends of a connection that a hub serves, and what became of it."""

    def __init__(self, hub: Hub, stream: JobStream, *, is_full: bool = False, is_chunked: bool = False) -> None:
        ours, self.end = socket.socketpair()
        self.end.settimeout(_TIMEOUT_SECONDS)
        self.sock, self.stream = PatientSocket(ours), stream
        self.sock.sendall(b"")  # stands for the head, which waits for the first bytes behind it
        if is_full:
            with suppress(BlockingIOError):
                while self.sock.send(_JUNK, socket.MSG_DONTWAIT):
                    pass
        self.ended: queue.Queue[bool] = queue.Queue()
        self._hub, self._is_over = hub, threading.Event()
        hub.serve(stream, self.sock, is_chunked=is_chunked, on_end=self._on_end)

    def _on_end(self, is_complete: bool) -> None:  # noqa: FBT001 # as the hub calls it
        self.sock.close()
        self.ended.put(is_complete)
        self._is_over.set()

    def close(self) -> None:
        self._hub.end()
        assert self._is_over.wait(_TIMEOUT_SECONDS)
        self.end.close()

    def is_complete(self) -> bool:
        """Wait for the end."""
        return self.ended.get(timeout=_TIMEOUT_SECONDS)

    def next_line(self, beginning: bytes) -> bytes:
        """Read on until a line begins so."""
        line = b""
        while not (line.endswith(b"\n") and line.startswith(beginning)):
            line = b"" if line.endswith(b"\n") else line
            line += self.end.recv(1)
        return line

    def rest(self) -> bytes:
        return b"".join(iter(lambda: self.end.recv(65536), b""))


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have hubs look at all jobs each time."""
    monkeypatch.setattr(streams, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(streams, "_BETWEEN_EVENTS_SECONDS", 0.0)
    monkeypatch.setattr(streams, "_COMMENT_EVERY_SECONDS", 1e9)


@pytest.fixture
def shared(settings: Settings) -> Iterator[Services]:
    services = Services(settings)
    yield services
    services.close()


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def serve(shared: Services) -> Iterator[Callable[..., _Client]]:  # noqa: ARG001 # ends the clients before it
    """Have a hub serve a stream."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(closing(_Client(*args, **options)))


@pytest.fixture
def job_id(pool: Pool) -> UUID:
    with transaction(pool) as conn:
        return accept(conn, make_tenant(conn)[0], "entities", [entity(1)])


@pytest.fixture
def stream_of(shared: Services, pool: Pool) -> Callable[..., JobStream]:
    def stream_of(job_id: UUID, *, has_seen_all: bool = False) -> JobStream:
        assert shared.stream_places.acquire(blocking=False)
        with transaction(pool) as conn:
            job = lookup.get(conn, job_id)
            assert job is not None
            [key] = keys.of_tenant(conn, job.tenant_id)
        seen, admission = number_of(job) if has_seen_all else 0, Admission(key.id, keys.good)
        stream = JobStream(shared, job, lambda job, _: job.status.encode(), seen, admission)
        connections = shared.pool
        assert not isinstance(connections, EnteredPool)  # no request has a caller here
        stream.pool = EnteredPool(connections, of_tenant(job.tenant_id))
        return stream

    return stream_of


Serve = Callable[..., _Client]
StreamOf = Callable[..., JobStream]


def _cancel(pool: Pool, job_id: UUID) -> None:
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id)


def _free_places(shared: Services) -> int:
    places = 0
    while shared.stream_places.acquire(blocking=False):
        places += 1
    return places


def test_an_ended_stream_ends_its_answer_and_gives_back_its_place(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, pool: Pool, shared: Services, settings: Settings
) -> None:
    _cancel(pool, job_id)
    plain, chunked = (serve(hub, stream_of(job_id), is_chunked=is_chunked) for is_chunked in (False, True))
    assert (plain.is_complete(), chunked.is_complete()) == (True, True)
    text = plain.rest()
    assert text.startswith(b"event: end\n")
    assert text.endswith(b"\n\n")
    assert chunked.rest() == b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
    assert _free_places(shared) == settings.web_streams


def test_a_client_that_takes_nothing_holds_up_no_other_and_is_dropped_in_the_end(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = serve(hub, stream_of(job_id), is_full=True), serve(hub, stream_of(job_id))
    assert other.next_line(b"event: ") == b"event: state\n"
    while not stuck.sock.unsent_bytes:
        pass
    assert stuck.ended.empty()
    monkeypatch.setattr(streams, "UNSENT_SECONDS", 0.0)
    assert stuck.is_complete() is False
    assert other.ended.empty()


def test_a_client_that_is_slow_is_told_next_of_the_job_as_it_stands_then(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, pool: Pool
) -> None:
    slow, other = serve(hub, stream_of(job_id), is_full=True), serve(hub, stream_of(job_id))
    while not slow.sock.unsent_bytes:
        pass
    unsent = slow.sock.unsent_bytes
    for change in (control.pause, control.resume, control.cancel):
        with transaction(pool) as conn:
            assert change(conn, job_id)
        assert other.next_line(b"event: ")
    assert other.is_complete()
    assert slow.sock.unsent_bytes == unsent, "it was sent no more meanwhile"
    assert [slow.next_line(b"event: ") for _ in range(2)] == [b"event: state\n", b"event: end\n"]
    assert slow.is_complete()


def test_a_client_rests_after_an_event(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_BETWEEN_EVENTS_SECONDS", 1e9)
    client = serve(hub, stream_of(job_id))
    assert client.next_line(b"data: ")
    _cancel(pool, job_id)
    assert serve(hub, stream_of(job_id)).is_complete()
    assert client.ended.empty()
    assert client.end.recv(100, socket.MSG_DONTWAIT) == b"\n"


def test_streams_share_a_look_at_their_jobs(serve: Serve, stream_of: StreamOf, job_id: UUID) -> None:
    all_of_them = threading.Event()

    def read(asked: Sequence[JobStream]) -> list[Event | None]:
        if len(asked) == 5:
            all_of_them.set()
        return next_events(asked)

    hub = Hub(read)
    clients = [serve(hub, stream_of(job_id)) for _ in range(5)]
    assert all_of_them.wait(_TIMEOUT_SECONDS)
    hub.end()
    assert [client.is_complete() for client in clients] == [True] * 5


def test_a_job_that_nothing_can_be_told_of_ends_its_own_stream_alone(
    serve: Serve, stream_of: StreamOf, job_id: UUID, pool: Pool
) -> None:
    bad, good = stream_of(job_id), stream_of(job_id)

    def read(asked: Sequence[JobStream]) -> list[Event | None]:
        events = next_events(asked)  # those of the good one, too, which it must still be told
        if bad in asked:
            raise KeyError
        return events

    hub = Hub(read)
    clients = serve(hub, good), serve(hub, bad, is_chunked=True)
    assert clients[1].is_complete()
    assert clients[1].rest() == b"0\r\n\r\n"
    assert clients[0].next_line(b"event: ") == b"event: state\n"
    _cancel(pool, job_id)
    assert clients[0].next_line(b"event: ") == b"event: end\n"
    assert clients[0].is_complete()


def test_a_stream_without_news_has_comments_and_ends_in_the_end(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_COMMENT_EVERY_SECONDS", 0.0)
    client = serve(hub, stream_of(job_id, has_seen_all=True))
    assert client.next_line(b"") == b": the job has not changed\n"
    client.stream.until = 0.0
    assert client.is_complete()


def test_a_client_that_has_left_frees_its_place_while_its_job_rests(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, shared: Services, settings: Settings
) -> None:
    client = serve(hub, stream_of(job_id, has_seen_all=True))
    while client.sock.unsent:
        pass
    client.end.close()
    assert client.is_complete() is False
    assert _free_places(shared) == settings.web_streams


def test_a_stream_that_comes_while_the_process_ends_is_ended(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID
) -> None:
    hub.end()
    assert serve(hub, stream_of(job_id)).is_complete()


def test_a_database_that_was_away_ends_no_stream(
    serve: Serve, hub: Hub, stream_of: StreamOf, job_id: UUID, pool: Pool
) -> None:
    client = serve(hub, stream_of(job_id))
    assert client.next_line(b"event: ") == b"event: state\n"
    with transaction(pool) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'sluice-web' AND datname = current_database()"
        )
    _cancel(pool, job_id)
    assert client.next_line(b"event: ") == b"event: end\n"
    assert client.is_complete()
