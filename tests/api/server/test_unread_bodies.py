"""A refusal reaches its client whatever that one still sends; and nobody else waits for clients that send nothing."""

import json
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import BASE
from tests.api.server.test_malformed import read_answer
from tests.chaos.deployment import children_of

_FORTY_MEGABYTES = 40 * 1024 * 1024
_REFUSED = (
    ("Authorization: Bearer oh_live_none", 401),
    ("Authorization: Bearer {key}", 413),
    ("Authorization: Bearer {key}\r\nContent-Type: text/plain", 415),
)


def head(*headers: str, line: str = f"POST {BASE}/batch/entities") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *headers]).encode() + b"\r\n\r\n"


_STAY = {
    "nothing": b"",
    "half a head": head(line="GET /healthz")[:-2],
    "no body": head("Content-Length: 90000"),
    "half a body": head("Content-Length: 90000") + b"x",
    "no chunk": head("Transfer-Encoding: chunked"),
    "a malformed head, and nothing after it": head("Host: y"),
}.values()


@pytest.mark.parametrize("framing", ["Content-Length", "chunks"])
def test_a_client_that_sends_40_mb_before_it_reads_is_told_why_it_is_refused(
    connect: Callable[[], socket.socket], key: str, framing: str
) -> None:
    sized, body = f"Content-Length: {_FORTY_MEGABYTES}", b" " * _FORTY_MEGABYTES
    if framing == "chunks":
        sized, body = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for (authorized, expected), connection in product(_REFUSED, ("close", "keep-alive")):
        with connect() as client:
            client.sendall(head(authorized.format(key=key), sized, f"Connection: {connection}") + body)
            status, headers, content = read_answer(client)
            assert (status, json.loads(content)["success"]) == (expected, False)
            assert headers["connection"] == "close"
            assert client.recv(1) == b"", "the server says that it has said all"


def test_the_answer_to_a_malformed_request_reaches_a_client_that_sends_on(
    connect: Callable[[], socket.socket],
) -> None:
    with connect() as client:
        client.sendall(head("Host: y", f"Content-Length: {_FORTY_MEGABYTES}") + b" " * _FORTY_MEGABYTES)
        assert read_answer(client)[0] == 400


def test_a_pooled_client_goes_on_after_a_refused_body(gunicorn: str, key: str) -> None:
    """The next request either finds the connection open, or was told to open another one."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=gunicorn), base_url="http://x", timeout=30) as client:
        for authorized, expected in ((key, 413), ("oh_live_none", 401)):
            headers = {"Authorization": f"Bearer {authorized}"}
            refused = client.post(f"{BASE}/batch/entities", content=b" " * 1_200_000, headers=headers)
            assert refused.status_code == expected
            assert client.get("/healthz").status_code == 200


def test_a_small_body_that_nobody_read_does_not_cost_the_connection(connect: Callable[[], socket.socket]) -> None:
    with connect() as client:
        for _ in range(3):
            client.sendall(head("Content-Length: 20000") + b" " * 20_000)
            status, headers, _ = read_answer(client)
            assert (status, headers["connection"]) == (401, "keep-alive")
            client.sendall(head("Transfer-Encoding: chunked") + b"5\r\n     \r\n0\r\n\r\n")
            assert read_answer(client)[0] == 401


def test_requests_may_come_together_and_in_pieces(connect: Callable[[], socket.socket]) -> None:
    request = head(line="GET /healthz")
    with connect() as client:
        client.sendall(request + request + request[:10])
        assert [read_one(client) for _ in range(2)] == [200, 200]
        for byte in request[10:]:
            client.sendall(bytes([byte]))
        assert read_one(client) == 200


def read_one(client: socket.socket) -> int:
    """The status of the next answer to `GET /healthz`, and no byte of the one after it."""
    received = b""
    while not received.rstrip().endswith(b"}"):
        received += client.recv(1)
    return int(received.split()[1])


def test_a_client_that_waits_for_100_is_refused_without_it(connect: Callable[[], socket.socket], key: str) -> None:
    with connect() as client:
        client.sendall(head("Content-Length: 90000", "Expect: 100-continue"))
        assert read_answer(client)[0] == 401
    with connect() as client:
        client.sendall(head("Content-Length: 9", "Expect: 100-continue", f"Authorization: Bearer {key}"))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"[1, 2, 3]")
        assert read_answer(client)[0] == 202


def test_nobody_waits_for_clients_without_a_key(connect: Callable[[], socket.socket]) -> None:
    """Each way ten times as many as the server has threads; all of them stay."""
    with ExitStack() as exits:
        for sent in _STAY:
            for _ in range(40):
                client = exits.enter_context(connect())
                client.sendall(sent)
        other = exits.enter_context(connect())
        other.sendall(head(line="GET /healthz"))
        assert read_answer(other)[0] == 200


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
@pytest.mark.parametrize("framing", ["Content-Length: 90000", "Transfer-Encoding: chunked"])
def test_clients_with_a_key_that_send_slowly_hold_half_of_the_threads(
    connect: Callable[[], socket.socket], key: str, content_type: str, framing: str
) -> None:
    """As many as the server has threads; the others are told to come again, and all are answered in the end."""
    slow = head(f"Authorization: Bearer {key}", f"Content-Type: {content_type}", framing)
    with ExitStack() as exits:
        clients = [exits.enter_context(connect()) for _ in range(4)]
        for client in clients:
            client.sendall(slow)
        other = exits.enter_context(connect())
        other.sendall(head("Content-Length: 9", f"Authorization: Bearer {key}") + b"[1, 2, 3]")
        assert read_answer(other)[0] == 202
        refused = []
        while len(refused) < 2:
            client = select.select(clients, [], [], 20)[0][0]
            clients.remove(client)
            refused.append(read_answer(client)[0])
        assert refused == [503, 503]
        assert not select.select(clients, [], [], 0)[0], "nobody else waited until these were given up"
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        assert [read_answer(client)[0] for client in clients] == [400, 400]


def test_nobody_waits_for_clients_that_do_not_read(connect: Callable[[], socket.socket]) -> None:
    """Ask for the largest answer that needs no key: no buffer of the kernel takes it whole."""
    request = head(line="GET /docs/swagger-ui-bundle.js")
    with ExitStack() as exits:
        clients = [exits.enter_context(connect()) for _ in range(40)]
        for client in clients:
            client.sendall(request)
        other = exits.enter_context(connect())
        other.sendall(head(line="GET /healthz"))
        assert read_answer(other)[0] == 200
        assert len({read_answer(client)[2] for client in clients[-2:]}) == 1, "it comes whole in the end"
        clients[-1].sendall(head(line="GET /healthz"))
        assert read_answer(clients[-1])[0] == 200, "and the connection is kept"


def test_of_more_than_is_kept_the_oldest_answers_are_left(connect: Callable[[], socket.socket]) -> None:
    request = head(line="GET /docs/swagger-ui-bundle.js")
    with ExitStack() as exits:
        clients = [exits.enter_context(connect()) for _ in range(80)]
        for client in clients:
            client.sendall(request)
        assert len(read_answer(clients[-1])[2]) > 1_000_000, "the last one comes whole"
        received = b"".join(iter(lambda: clients[0].recv(1 << 20), b""))
        assert len(received) < 1_000_000, "the first is cut"


def _listener_of(client: socket.socket) -> int:
    """Return the id of the process that opened the Unix socket at the other end."""
    size = struct.calcsize("3i")
    pid, _user, _group = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(pid)


def test_a_connection_is_closed_for_a_new_one_though_it_asks_in_the_same_moment(
    connect: Callable[[], socket.socket],
) -> None:
    request = head(line="GET /healthz")
    most_connections = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    with ExitStack() as exits:
        clients = [exits.enter_context(connect()) for _ in range(most_connections - 1)]
        clients[-1].sendall(request)
        assert read_answer(clients[-1])[0] == 200
        (web,) = children_of(_listener_of(clients[0]))
        os.kill(web, signal.SIGSTOP)
        while "State:\tT" not in Path(f"/proc/{web}/status").read_text(encoding="ascii"):
            os.sched_yield()
        newest = exits.enter_context(connect())
        clients[0].sendall(request)
        os.kill(web, signal.SIGCONT)
        newest.sendall(request)
        assert read_answer(newest)[0] == 200
        with pytest.raises(ConnectionResetError):
            clients[0].recv(1)
        clients[1].sendall(request)
        assert read_answer(clients[1])[0] == 200, "the process goes on"


def test_half_a_head_and_half_a_body_are_408_in_the_end(connect: Callable[[], socket.socket], key: str) -> None:
    with connect() as one, connect() as other:
        one.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n")
        other.sendall(head("Content-Length: 9", f"Authorization: Bearer {key}") + b"[1")
        status, _, content = read_answer(one)
        assert (status, json.loads(content)) == (408, {"detail": "The head of the request came too slowly"})
        assert read_answer(other)[0] == 408
