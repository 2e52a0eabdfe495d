"""The stream of a job's page in the console, at a real server: by the page's cookie, and no longer than its session."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import LiteralString
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control
from ingest.db.tenants import keys, sessions
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell
from tests.api.conftest import STREAMS
from tests.api.server.event_stream import Connect, EventStream
from tests.support.factories import accept, entity, make_tenant

Opened = Callable[..., EventStream]


@pytest.fixture
def owned(pool: Pool) -> tuple[Tenant, str]:
    """A tenant, and the secret of a session of its key."""
    with transaction(pool) as conn:
        tenant, key = make_tenant(conn)
        caller = keys.caller(conn, key)
        assert caller is not None
        return tenant, sessions.begin(conn, caller)


@pytest.fixture
def tenant(owned: tuple[Tenant, str]) -> Tenant:
    return owned[0]


@pytest.fixture
def job_id(pool: Pool, tenant: Tenant) -> UUID:
    with transaction(pool) as conn:
        return accept(conn, tenant, "entities", [entity(1)])


@pytest.fixture
def opened(connect: Connect, owned: tuple[Tenant, str], job_id: UUID) -> Iterator[Opened]:
    """Open the stream of the job; once the server has a place for it, unless a test wants to see the refusal."""
    with ExitStack() as exits:

        def open_stream(secret: str = owned[1], *, waits: bool = True, **headers: str) -> EventStream:
            path = f"/console/jobs/{spell(JOB, job_id)}/stream"
            sent = {"Cookie": f"sluice_console={secret}", "Accept": "text/event-stream", **headers}
            while True:
                stream = EventStream(connect, path, **sent)
                if stream.status != 503 or not waits:
                    exits.callback(stream.close)
                    return stream
                stream.close()

        yield open_stream


def _cancel(pool: Pool, job_id: UUID) -> None:
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id)


def test_a_page_is_told_of_each_move_and_of_nothing_else_of_its_job(opened: Opened, job_id: UUID, pool: Pool) -> None:
    stream = opened()
    assert stream.headers["Content-Type"] == "text/event-stream"
    told = stream.told()
    first = next(told)
    _cancel(pool, job_id)
    [last] = told
    assert [(kind, data) for kind, _, data in (first, last)] == [("state", "pending"), ("end", "cancelled")]
    assert first[1] < last[1]
    assert opened(Last_Event_ID=str(last[1])).status == 204, "browsers do not connect again"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM console_sessions",
        "UPDATE console_sessions SET expires_at = now()",
        "UPDATE api_keys SET revoked_at = now()",
        "UPDATE api_keys SET expires_at = now()",
        "UPDATE tenants SET suspended_at = now()",
    ],
)
def test_a_stream_ends_with_the_session_of_its_page(
    opened: Opened, job_id: UUID, pool: Pool, observer: Connection, change: LiteralString
) -> None:
    told = opened().told()
    next(told)
    observer.execute(change)
    assert list(told) == []
    _cancel(pool, job_id)
    assert opened().status == 401, "not the page of the login, which is no stream"


def test_an_operator_is_told_of_the_job_of_any_tenant(opened: Opened, job_id: UUID, pool: Pool) -> None:
    with transaction(pool) as conn:
        secret = sessions.open_offered(conn, sessions.offer(conn, "root"))
    assert secret is not None
    told = opened(secret).told()
    next(told)
    _cancel(pool, job_id)
    assert [kind for kind, _, _ in told] == ["end"]


def test_another_tenant_is_told_nothing(opened: Opened, pool: Pool) -> None:
    with transaction(pool) as conn:
        caller = keys.caller(conn, make_tenant(conn)[1])
        assert caller is not None
        other = sessions.begin(conn, caller)
    assert opened(other).status == 404


def test_open_pages_leave_the_console_its_connections_and_one_too_many_is_503(
    opened: Opened, connect: Connect, owned: tuple[Tenant, str]
) -> None:
    streams = [opened() for _ in range(STREAMS)]
    for stream in streams:
        next(stream.told())
    assert opened(waits=False).status == 503
    with connect() as client, client.makefile("rb") as answer:
        client.sendall(f"GET /console/jobs HTTP/1.0\r\nCookie: sluice_console={owned[1]}\r\n\r\n".encode())
        assert answer.readline().startswith(b"HTTP/1.0 200 ")
