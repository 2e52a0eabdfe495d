"""A body that goes on for ever ends with 408, though it decodes to nothing (docs/contracts/jobs.md section 1)."""

import json
import select
import socket
from itertools import chain, repeat

import pytest

from ingest.db.connection.pool import Connection
from tests.api.conftest import BASE
from tests.api.server.test_large_bodies import chunk, until
from tests.api.server.test_malformed import read_answer
from tests.support.factories import entity

LINES, CSV, ARRAY = "application/x-ndjson", "text/csv", "application/json"
# The begin of a body, and what may follow as often as one likes.
ENDLESS = {
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\0\0\0\xff\xff" * 3_000),
    "zstd": (b"", (b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + bytes(8)) * 1_000),
    "identity": (b"\n", b"\n" * 16_000),
}


def sent_for_ever(gunicorn: str, key: str, content_type: str, coding: str, *headers: str) -> tuple[int, str]:
    """Send an endless body until the server answers. Return the status and the error's message."""
    head = [
        f"POST {BASE}/batch/entities HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        f"Content-Type: {content_type}",
        f"Content-Encoding: {coding}",
        "Transfer-Encoding: chunked",
        *headers,
    ]
    begin, more = ENDLESS[coding]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(gunicorn)
        client.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        for piece in chain([begin] if begin else [], repeat(more)):
            try:
                client.sendall(chunk(piece))
            except BrokenPipeError:  # the answer has come, and the server left
                break
            # The pace of a client that is no slow one: the server ends it after a second, not after all bytes.
            if select.select([client], [], [], 0.01)[0]:
                break
        status, _, answer = read_answer(client)
    return status, json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("content_type", [LINES, CSV, ARRAY])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_that_decodes_to_nothing_for_ever_is_408(
    hurried_gunicorn: str, key: str, observer: Connection, content_type: str, coding: str
) -> None:
    status, message = sent_for_ever(hurried_gunicorn, key, content_type, coding)
    assert (status, "longer than 1 seconds" in message) == (408, True)
    until(observer, "SELECT count(*) FROM jobs", 0)


@pytest.mark.parametrize("content_type", [LINES, CSV])
def test_blank_lines_for_ever_are_408(hurried_gunicorn: str, key: str, observer: Connection, content_type: str) -> None:
    status, message = sent_for_ever(hurried_gunicorn, key, content_type, "identity")
    assert (status, "longer than 1 seconds" in message) == (408, True)
    until(observer, "SELECT count(*) FROM jobs", 0)


@pytest.mark.parametrize("content_type", [LINES, CSV, ARRAY])
@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 100000"])
def test_a_body_of_a_byte_at_a_time_is_408_by_its_own_limit(
    hurried_gunicorn: str, key: str, observer: Connection, content_type: str, framing: str
) -> None:
    """The server's limit for slow senders comes much later, and has another message."""
    head = f"POST {BASE}/batch/entities HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{framing}\r\n"
    byte = chunk(b"\n") if "chunked" in framing else b"\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(hurried_gunicorn)
        client.sendall(head.encode() + f"Content-Type: {content_type}\r\n\r\n".encode())
        while not select.select([client], [], [], 0.02)[0]:
            client.sendall(byte)
        status, _, answer = read_answer(client)
    assert (status, "longer than 1 seconds" in json.loads(answer)["error"]["message"]) == (408, True)
    until(observer, "SELECT count(*) FROM jobs", 0)


@pytest.mark.parametrize("coding", ENDLESS)
def test_a_repeat_that_goes_on_for_ever_is_408(
    hurried_gunicorn: str, key: str, observer: Connection, coding: str
) -> None:
    body = json.dumps(entity(1)).encode() + b"\n"
    head = [
        f"POST {BASE}/batch/entities HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        f"Content-Type: {LINES}",
        f"Content-Length: {len(body)}",
        "Idempotency-Key: k",
    ]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(hurried_gunicorn)
        client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        assert read_answer(client)[0] == 202
    status, message = sent_for_ever(hurried_gunicorn, key, LINES, coding, "Idempotency-Key: k")
    assert (status, "longer than 1 seconds" in message) == (408, True)
    assert observer.execute("SELECT total FROM jobs").fetchall() == [(1,)]
