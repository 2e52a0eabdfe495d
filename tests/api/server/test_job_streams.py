"""docs/contracts/jobs.md section 3: the stream of a job, at a real server of 4 threads that serves 8 streams."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO, LiteralString
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell
from ingest.notify.progress import Progress
from tests.api.conftest import BASE, STREAMS, TIMEOUT_SECONDS, running
from tests.api.server.event_stream import Connect, EventStream
from tests.support.factories import accept, entity, make_tenant
from tests.support.postgres import TestServers

Event = tuple[str, int, dict[str, Any]]


class _Stream(EventStream):
    """A client of the stream of a job."""

    def __init__(self, connect: Connect, key: str, job_id: UUID, version: str = "1.0", **headers: str) -> None:
        path = f"{BASE}/batch/jobs/{spell(JOB, job_id)}/stream"
        super().__init__(connect, path, version, Authorization=f"Bearer {key}", **headers)

    def events(self) -> Iterator[Event]:
        for kind, number, job in self.told():
            yield kind, number, json.loads(job)


@pytest.fixture
def tenant_and_key(pool: Pool) -> tuple[Tenant, str]:
    with transaction(pool) as conn:
        return make_tenant(conn)


@pytest.fixture
def owner(tenant_and_key: tuple[Tenant, str]) -> Tenant:
    return tenant_and_key[0]


@pytest.fixture
def key(tenant_and_key: tuple[Tenant, str]) -> str:
    return tenant_and_key[1]


@pytest.fixture
def job_id(pool: Pool, owner: Tenant) -> UUID:
    with transaction(pool) as conn:
        return accept(conn, owner, "entities", [entity(1)])


def _opened(connect: Connect, key: str, job_id: UUID, **headers: str) -> _Stream:
    """A stream, once the server has a place for it; the test's own time limit bounds that."""
    while True:
        stream = _Stream(connect, key, job_id, **headers)
        if stream.status != 503:
            return stream
        stream.close()


def _cancel(pool: Pool, job_id: UUID) -> None:
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id)


def test_a_stream_tells_of_each_state_of_the_progress_and_of_the_end_and_ends(
    connect: Connect, key: str, job_id: UUID, pool: Pool, redis_url: str, observer: Connection
) -> None:
    told = Progress(redis_url)
    with closing(_opened(connect, key, job_id)) as stream:
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream")
        assert stream.headers["X-Accel-Buffering"] == "no"
        events = stream.events()
        seen = [next(events)]
        with transaction(pool) as conn:
            assert claims.claim(conn, job_id)
        told.moved([job_id])
        seen.append(next(events))
        observer.execute("UPDATE jobs SET total = 2, created = 1, progressed_at = clock_timestamp()")
        told.moved([job_id])
        seen.append(next(events))
        _cancel(pool, job_id)
        seen += events
    assert [(kind, job["status"], job["processed"]) for kind, _, job in seen] == [
        ("state", "pending", 0),
        ("state", "processing", 0),
        ("progress", "processing", 1),
        ("end", "cancelled", 1),
    ]
    numbers = [number for _, number, _ in seen]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_keys SET revoked_at = now()",
        "UPDATE api_keys SET expires_at = now()",
        "UPDATE tenants SET suspended_at = now()",
    ],
)
def test_a_stream_ends_with_its_key_and_no_other_does(
    connect: Connect, key: str, job_id: UUID, owner: Tenant, pool: Pool, observer: Connection, change: LiteralString
) -> None:
    with transaction(pool) as conn:
        other, other_key = make_tenant(conn)
        other_job_id = accept(conn, other, "entities", [entity(1)])
    with (
        closing(_opened(connect, key, job_id)) as stream,
        closing(_opened(connect, other_key, other_job_id)) as other_stream,
    ):
        events, other_events = stream.events(), other_stream.events()
        next(events), next(other_events)
        own = "id" if change.startswith("UPDATE tenants") else "tenant_id"
        observer.execute(f"{change} WHERE {own} = %s", (owner.id,))
        assert list(events) == []
        _cancel(pool, other_job_id)
        assert [kind for kind, _, _ in other_events] == ["end"]
    with closing(_opened(connect, key, job_id)) as again:
        assert again.status == 401


def test_an_event_has_the_job_as_lists_show_it(
    connect: Connect, key: str, job_id: UUID, pool: Pool, send: Callable[..., Any]
) -> None:
    _cancel(pool, job_id)
    with closing(_opened(connect, key, job_id)) as stream:
        [(_, _, job)] = stream.events()
    _, _, answer = send(f"GET {BASE}/batch/jobs")
    assert job == answer["data"][0]


@pytest.fixture
def send(connect: Connect, key: str) -> Callable[[str], Any]:
    def send(line: str) -> Any:
        with connect() as client, client.makefile("rb") as answer:
            client.sendall(f"{line} HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
            head, _, body = answer.read().partition(b"\r\n\r\n")
            return int(head.split()[1]), head, json.loads(body)

    return send


def test_a_client_that_comes_back_is_told_only_of_what_it_has_not_seen(
    connect: Connect, key: str, job_id: UUID, pool: Pool
) -> None:
    with closing(_opened(connect, key, job_id)) as stream:
        _, number, _ = next(stream.events())
    with closing(_opened(connect, key, job_id, Last_Event_ID=str(number))) as stream:
        _cancel(pool, job_id)
        [(kind, last, _)] = stream.events()
    assert (kind, last > number) == ("end", True)
    with closing(_opened(connect, key, job_id, Last_Event_ID="of another server")) as stream:
        assert [kind for kind, _, _ in stream.events()] == ["end"]
    with closing(_opened(connect, key, job_id, Last_Event_ID=str(last))) as stream:
        assert stream.status == 204, "browsers do not connect again"


def test_a_client_that_comes_back_is_told_of_a_pause_and_of_a_resume_while_it_was_away(
    connect: Connect, key: str, job_id: UUID, pool: Pool
) -> None:
    with closing(_opened(connect, key, job_id)) as stream:
        seen = [next(stream.events())]
    for change in (control.pause, control.resume):
        with transaction(pool) as conn:
            change(conn, job_id)
        with closing(_opened(connect, key, job_id, Last_Event_ID=str(seen[-1][1]))) as stream:
            seen.append(next(stream.events()))
    assert [job["status"] for _, _, job in seen] == ["pending", "paused", "pending"]
    numbers = [number for _, number, _ in seen]
    assert numbers == sorted(set(numbers))


def test_streams_take_no_threads_and_one_beyond_their_places_is_503(
    connect: Connect, key: str, job_id: UUID, send: Callable[..., Any]
) -> None:
    with ExitStack() as stack:
        served = [stack.enter_context(closing(_opened(connect, key, job_id))) for _ in range(STREAMS)]
        assert [next(stream.events())[0] for stream in served] == ["state"] * STREAMS
        refused = stack.enter_context(closing(_Stream(connect, key, job_id)))
        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert send(f"GET {BASE}/batch/jobs")[0] == 200


def test_the_place_of_a_client_that_left_is_free_before_there_is_anything_to_send(
    connect: Connect, key: str, job_id: UUID
) -> None:
    for _ in range(STREAMS + 1):
        with closing(_opened(connect, key, job_id)) as stream:
            assert next(stream.events())


def test_a_head_request_takes_no_place(connect: Connect, key: str, job_id: UUID) -> None:
    path = f"{BASE}/batch/jobs/{spell(JOB, job_id)}/stream"
    head = f"HEAD {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    with connect() as client, client.makefile("rb") as answer:
        for _ in range(STREAMS + 1):
            client.sendall(head)
            lines = list(iter(answer.readline, b"\r\n"))
            assert lines[0].startswith(b"HTTP/1.1 200 ")
            assert b"Content-Type: text/event-stream\r\n" in lines


def test_a_connection_serves_the_next_request_after_its_stream(
    connect: Connect, key: str, job_id: UUID, pool: Pool
) -> None:
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
    with connect() as client, client.makefile("rb") as answer:
        for number in range(2):
            client.sendall(f"GET {BASE}/batch/jobs/{spell(JOB, job_id)}/stream {head}".encode())
            lines = list(iter(answer.readline, b"\r\n"))
            assert lines[0].startswith(b"HTTP/1.1 200 ")
            assert b"Transfer-Encoding: chunked\r\n" in lines
            assert b"Connection: keep-alive\r\n" in lines
            if not number:
                _cancel(pool, job_id)
            chunks = list(_chunks(answer))
            assert chunks[0] == b"retry: 1000\n\n"
            assert chunks[-1].startswith(b"event: end\n")


def _chunks(answer: BinaryIO) -> Iterator[bytes]:
    """The chunks of a body, to its end."""
    while size := int(answer.readline(), 16):
        yield answer.read(size)
        assert answer.read(2) == b"\r\n"
    assert answer.read(2) == b"\r\n"


def test_a_stream_of_another_tenants_job_or_of_none_is_404(
    connect: Connect, key: str, job_id: UUID, pool: Pool
) -> None:
    with transaction(pool) as conn:
        _, other = make_tenant(conn)
    with closing(_Stream(connect, other, job_id)) as stream:
        assert stream.status == 404
    with closing(_Stream(connect, key, UUID(int=0))) as stream:
        assert stream.status == 404


def test_without_a_hint_a_stream_looks_itself(connect: Connect, key: str, job_id: UUID, pool: Pool) -> None:
    with closing(_opened(connect, key, job_id)) as stream:
        events = stream.events()
        next(events)
        _cancel(pool, job_id)  # as a command does, which publishes nothing
        assert [kind for kind, _, _ in events] == ["end"]


def test_a_process_that_ends_ends_its_streams_and_their_clients_come_back(
    database_url: str, servers: TestServers, tmp_path: Path, key: str, job_id: UUID
) -> None:
    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(TIMEOUT_SECONDS)
        client.connect(str(tmp_path / "s"))
        return client

    with ThreadPoolExecutor(2) as threads:
        with running(database_url, servers, str(tmp_path / "s")):
            plain, chunked = (_Stream(connect, key, job_id, version) for version in ("1.0", "1.1"))
            assert next(plain.events())[0] == "state"
            rests = [threads.submit(stream.rest) for stream in (plain, chunked)]
        assert rests[0].result() == b"", "no end, since the job has not ended"
        assert rests[1].result().endswith(b"\r\n0\r\n\r\n"), "the answer is whole"
