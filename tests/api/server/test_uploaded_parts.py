"""Parts over real connections: they break off, come as chunks, or come too late for their upload."""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ingest.db.connection.pool import Connection
from tests.api.conftest import BASE
from tests.api.server.test_large_bodies import ENDS, LINES, chunk, until
from tests.api.server.test_malformed import read_answer

Connect = Callable[[], socket.socket]
_BLOCKS = "SELECT count(*) FROM job_blocks"


@pytest.fixture
def call(connect: Connect, key: str) -> Callable[..., tuple[int, Any]]:
    """Make a call over a connection of its own; return status and answer."""

    def make(line: str, body: bytes = b"", content_type: str = "application/json") -> tuple[int, Any]:
        head = [
            f"{line} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {key}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
        ]
        with connect() as client:
            client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            status, _, content = read_answer(client)
            return status, json.loads(content)

    return make


@pytest.fixture
def uploads(call: Callable[..., tuple[int, Any]]) -> Callable[..., str]:
    """Begin an upload; return its path."""

    def begin(coding: str = "identity") -> str:
        form = {"kind": "entities", "contentType": "application/x-ndjson", "contentEncoding": coding}
        status, answer = call(f"POST {BASE}/batch/uploads", json.dumps(form).encode())
        assert status == 201
        return f"{BASE}/batch/uploads/{answer['data']['uploadId']}"

    return begin


@pytest.fixture
def arriving(connect: Connect, key: str, observer: Connection) -> Callable[..., Any]:
    """Send a part but for its end, as chunks; its first blocks are stored."""

    @contextmanager
    def send(path: str, part: int, *headers: str, body: bytes = LINES) -> Iterator[socket.socket]:
        head = [
            f"PUT {path}/parts/{part} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {key}",
            "Content-Type: application/x-ndjson",
            "Transfer-Encoding: chunked",
            *headers,
        ]
        with connect() as client:
            client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + chunk(body))
            until(observer, f"SELECT least(count(*), 1) FROM upload_parts WHERE part = {part} AND blocks > 0", 1)
            yield client

    return send


@pytest.mark.parametrize("end", ENDS)
def test_a_part_that_breaks_off_leaves_nothing_and_may_be_sent_again(
    call: Callable[..., tuple[int, Any]],
    uploads: Callable[..., str],
    arriving: Callable[..., Any],
    observer: Connection,
    end: str,
) -> None:
    last, status = ENDS[end]
    coding, body = ("identity", LINES) if end != "the gzip is cut off" else ("gzip", gzip.compress(LINES * 20)[:-1_000])
    path = uploads(coding)
    with arriving(path, 1, f"Content-Encoding: {coding}", body=body) as client:
        client.sendall(last)
        if status is not None:
            assert read_answer(client)[0] == status
    until(observer, f"SELECT (SELECT count(*) FROM upload_parts) + ({_BLOCKS})", 0)
    shown = call(f"GET {path}")[1]["data"]
    assert (shown["status"], shown["parts"]) == ("open", [])


def test_an_upload_completed_while_a_part_arrives_has_the_part_before_it(
    call: Callable[..., tuple[int, Any]],
    uploads: Callable[..., str],
    arriving: Callable[..., Any],
    observer: Connection,
) -> None:
    path = uploads()
    line = LINES.splitlines(keepends=True)[0]
    assert call(f"PUT {path}/parts/1", line, "application/x-ndjson")[0] == 200
    with arriving(path, 1) as again, arriving(path, 2) as other:
        status, answer = call(f"POST {path}/complete", b'{"parts": 1}')
        assert (status, answer["data"]["status"]) == (202, "pending")
        assert observer.execute("SELECT no, items FROM job_blocks").fetchall() == [(0, 1)]
        again.sendall(chunk(LINES) + b"0\r\n\r\n")
        other.sendall(b"0\r\n\r\n")
        for client in (again, other):
            status, _, content = read_answer(client)
            assert (status, json.loads(content)["error"]["code"]) == (409, "WRONG_STATE")
    until(observer, "SELECT count(*) FROM upload_parts", 1)
    assert observer.execute("SELECT no, items FROM job_blocks").fetchall() == [(0, 1)]


def test_an_upload_deleted_while_a_part_arrives_is_404_to_it(
    call: Callable[..., tuple[int, Any]],
    uploads: Callable[..., str],
    arriving: Callable[..., Any],
    observer: Connection,
) -> None:
    path = uploads()
    with arriving(path, 1) as client:
        assert call(f"DELETE {path}")[0] == 200
        client.sendall(chunk(LINES) + b"0\r\n\r\n")
        status, _, content = read_answer(client)
        assert (status, json.loads(content)["error"]["code"]) == (404, "NOT_FOUND")
    rows = "(SELECT count(*) FROM uploads) + (SELECT count(*) FROM upload_parts) + (SELECT count(*) FROM jobs)"
    assert observer.execute(f"SELECT {rows} + ({_BLOCKS})".encode()).fetchone() == (0,)


def test_a_part_that_turns_out_longer_than_32_mib_is_413(
    uploads: Callable[..., str], arriving: Callable[..., Any], observer: Connection
) -> None:
    with arriving(uploads(), 1) as client:
        client.sendall(chunk(b" " * 33_554_432) + b"0\r\n\r\n")
        status, _, content = read_answer(client)
        assert (status, json.loads(content)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    until(observer, f"SELECT (SELECT count(*) FROM upload_parts) + ({_BLOCKS})", 0)


def test_the_same_part_twice_at_once_is_the_one_that_was_sent_last(
    call: Callable[..., tuple[int, Any]],
    uploads: Callable[..., str],
    arriving: Callable[..., Any],
    observer: Connection,
) -> None:
    path = uploads()
    with arriving(path, 1) as first:
        line = LINES.splitlines(keepends=True)[0]
        status, answer = call(f"PUT {path}/parts/1", line, "application/x-ndjson")
        assert (status, answer["data"]["items"]) == (200, 1)
        first.sendall(b"0\r\n\r\n")
        status, _, content = read_answer(first)
        assert (status, json.loads(content)["data"]["items"]) == (200, 11_000)
    assert [part["items"] for part in call(f"GET {path}")[1]["data"]["parts"]] == [1]
    assert observer.execute(_BLOCKS.encode()).fetchone() == (1,)
