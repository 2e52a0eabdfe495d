"""A body that breaks off while it arrives leaves no job, and no block, by whatever way it ends."""

import gzip
import json
import socket
from collections.abc import Callable

import pytest

from app.http import arrival
from app.server import parsing
from ingest.db.connection.pool import Connection
from tests.api.conftest import BASE
from tests.api.server.test_malformed import read_answer
from tests.support.factories import entity

# A block, and as much more as the server waits for before it looks at what has come.
LINES = b"".join(json.dumps(entity(number)).encode() + b"\n" for number in range(11_000))
ENDS = {
    "the client leaves": (b"", None),
    "a chunk is malformed": (b"no length\r\n", 400),
    "the gzip is cut off": (b"0\r\n\r\n", 400),
}


def until(observer: Connection, query: str, wanted: int) -> None:
    """Wait for a count. The server waits between two looks, and the test's own time limit ends it."""
    while observer.execute(query).fetchone() != (wanted,):
        observer.execute("SELECT pg_sleep(0.02)")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("end", ENDS)
def test_a_body_that_breaks_off_leaves_nothing(
    connect: Callable[[], socket.socket],
    key: str,
    observer: Connection,
    end: str,
) -> None:
    last, status = ENDS[end]
    head = [
        f"POST {BASE}/batch/entities HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        "Content-Type: application/x-ndjson",
        "Transfer-Encoding: chunked",
    ]
    if end == "the gzip is cut off":
        head.append("Content-Encoding: gzip")
    body = LINES if "Content-Encoding: gzip" not in head else gzip.compress(LINES * 20)[:-1_000]
    with connect() as client:
        client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + chunk(body))
        until(observer, "SELECT least(count(*), 1) FROM job_blocks", 1)
        assert observer.execute("SELECT status FROM jobs").fetchall() == [("receiving",)]
        client.sendall(last)
        if status is not None:
            assert read_answer(client)[0] == status
    until(observer, "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM job_blocks)", 0)


def test_no_more_is_received_at_once_than_the_app_takes() -> None:
    """gunicorn copies a surplus anew for each piece that the app takes: ten times the work for a large body."""
    assert parsing._Unreader.max_body_chunk == arrival._CHUNK_BYTES
