"""Bodies of lines at the real server: lengths that lie, trailers, equal keys at once. No 500, and nothing doubled."""

import gzip
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ingest.db.connection.pool import Connection
from tests.api.conftest import BASE
from tests.api.server.test_gunicorn import chunked, read_answer
from tests.api.server.test_large_bodies import chunk, until
from tests.support.factories import entity

Connect = Callable[[], socket.socket]
Answer = tuple[int, dict[str, str], Any]

LINES = "application/x-ndjson"
BOTH = pytest.mark.parametrize("content_type", [LINES, "application/json"])
ITEMS = [entity(number) for number in range(100)]


def spelled(items: list[Any], content_type: str) -> bytes:
    if content_type != LINES:
        return json.dumps(items).encode()
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def head(key: str, *headers: str, content_type: str = LINES, path: str = "/batch/entities") -> bytes:
    sent = [f"POST {BASE}{path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", f"Content-Type: {content_type}"]
    return "\r\n".join([*sent, *headers]).encode() + b"\r\n\r\n"


def post(connect: Connect, key: str, body: bytes, *headers: str, content_type: str = LINES) -> Answer:
    with connect() as client:
        sent = ("Connection: close", *headers)
        client.sendall(head(key, *sent, content_type=content_type) + body)
        return read_answer(client)


def counts(observer: Connection, *tables: str) -> list[int]:
    return [observer.execute(f"SELECT FROM {table}".encode()).rowcount for table in tables]


# Lengths and chunks.


@BOTH
def test_a_length_beyond_the_body_is_400_and_leaves_nothing(
    connect: Connect, key: str, observer: Connection, content_type: str
) -> None:
    body = spelled(ITEMS, content_type)
    with connect() as client:
        client.sendall(head(key, f"Content-Length: {len(body) + 1}", content_type=content_type) + body)
        client.shutdown(socket.SHUT_WR)
        status, _, answer = read_answer(client)
    assert (status, answer["error"]["code"]) == (400, "INVALID_INPUT")
    assert f"{len(body)} of the {len(body) + 1} bytes" in answer["error"]["message"]
    assert counts(observer, "jobs", "job_blocks") == [0, 0]


def test_a_length_short_of_an_array_is_400_and_leaves_nothing(connect: Connect, key: str, observer: Connection) -> None:
    body = spelled(ITEMS, "application/json")
    with connect() as client:
        client.sendall(head(key, f"Content-Length: {len(body) - 500}", content_type="application/json") + body)
        client.shutdown(socket.SHUT_WR)
        assert read_answer_of_any(client) == 400
    assert counts(observer, "jobs", "job_blocks") == [0, 0]


def test_a_length_short_of_lines_takes_what_it_counts_and_what_follows_is_no_request(
    connect: Connect, key: str, observer: Connection
) -> None:
    body = spelled(ITEMS, LINES)
    with connect() as client:
        client.sendall(head(key, f"Content-Length: {len(spelled(ITEMS[:40], LINES))}") + body)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"202", b"400"]
    assert observer.execute("SELECT total FROM jobs").fetchall() == [(40,)]


@BOTH
def test_a_length_beside_chunks_is_400_and_leaves_nothing(
    connect: Connect, key: str, observer: Connection, content_type: str
) -> None:
    body = chunked(spelled(ITEMS, content_type), 1_000)
    both = ("Content-Length: 10", "Transfer-Encoding: chunked")
    status, _, answer = post(connect, key, body, *both, content_type=content_type)
    assert (status, answer["error"]["code"]) == (400, "INVALID_INPUT")
    assert counts(observer, "jobs", "job_blocks") == [0, 0]


TRAILERS = [b"\r\n", b"X-Checksum: 1\r\n\r\n", b"Content-Encoding: gzip\r\nContent-Type: text/plain\r\n\r\n"]


@BOTH
@pytest.mark.parametrize("trailers", TRAILERS, ids=["none", "one", "another coding"])
def test_trailers_of_a_chunked_body_change_nothing_of_its_request(
    connect: Connect, key: str, observer: Connection, content_type: str, trailers: bytes
) -> None:
    body = chunked(spelled(ITEMS, content_type), 1_000).removesuffix(b"\r\n") + trailers
    with connect() as client:
        for jobs in (1, 2):
            client.sendall(head(key, "Transfer-Encoding: chunked", content_type=content_type) + body)
            answer = b""
            while not answer.endswith(b"}}\n") and (data := client.recv(65536)):
                answer += data
            assert answer.startswith(b"HTTP/1.1 202 "), "the connection is kept, and in step"
            assert counts(observer, "jobs") == [jobs]
    assert observer.execute("SELECT DISTINCT total FROM jobs").fetchall() == [(100,)]


@BOTH
@pytest.mark.parametrize("trailer", ["Content-Length: 3", "Transfer-Encoding: chunked", "Authorization: Bearer x"])
def test_a_trailer_that_says_what_a_header_must_is_400_and_leaves_nothing(
    connect: Connect, key: str, observer: Connection, content_type: str, trailer: str
) -> None:
    body = chunked(spelled(ITEMS, content_type), 1_000).removesuffix(b"\r\n") + f"{trailer}\r\n\r\n".encode()
    status, _, answer = post(connect, key, body, "Transfer-Encoding: chunked", content_type=content_type)
    assert (status, answer["error"]["code"]) == (400, "INVALID_INPUT")
    assert counts(observer, "jobs", "job_blocks") == [0, 0]


@BOTH
@pytest.mark.parametrize("trailers", [b"no colon\r\n\r\n", b"X: 1\r\n", b"X: \0\r\n\r\n", b"X: 1\r\n" * 20_000])
def test_malformed_trailers_are_an_answer_of_4xx_or_no_part_of_the_body(
    connect: Connect, key: str, observer: Connection, content_type: str, trailers: bytes
) -> None:
    body = chunked(spelled(ITEMS, content_type), 1_000).removesuffix(b"\r\n") + trailers
    with connect() as client:
        client.sendall(head(key, "Transfer-Encoding: chunked", content_type=content_type) + body)
        client.shutdown(socket.SHUT_WR)
        status = read_answer_of_any(client)
    assert status == 202 or 400 <= status < 500
    until(observer, "SELECT count(*) FROM jobs WHERE status = 'receiving'", 0)
    assert counts(observer, "jobs") == [int(status == 202)]


def read_answer_of_any(client: socket.socket) -> int:
    received = b"".join(iter(lambda: client.recv(65536), b""))
    return int(received.split()[1])


@pytest.mark.parametrize("times", [2, 3])
def test_a_gzip_in_a_gzip_is_undone_once(
    connect: Connect, key: str, observer: Connection, run_jobs: Callable[[], int], times: int
) -> None:
    coded = spelled(ITEMS, LINES)
    for _ in range(times):
        coded = gzip.compress(coded)
    length = f"Content-Length: {len(coded)}"
    status, _, answer = post(connect, key, coded, length, "Content-Encoding: gzip", content_type="application/json")
    assert (status, answer["error"]["code"]) == (400, "INVALID_INPUT")
    for named in ("gzip, gzip", "gzip,gzip"):
        status, headers, _ = post(connect, key, coded, length, f"Content-Encoding: {named}")
        assert (status, headers["Accept-Encoding"]) == (415, "gzip, zstd")
    assert counts(observer, "jobs") == [0]
    assert post(connect, key, coded, length, "Content-Encoding: gzip")[0] == 202
    [(total,)] = observer.execute("SELECT total FROM jobs").fetchall()
    assert total > 0, "lines, none of them JSON"
    assert run_jobs() == 1
    assert observer.execute("SELECT status, failed FROM jobs").fetchall() == [("completed", total)]
    assert observer.execute("SELECT DISTINCT code FROM job_errors").fetchall() == [("INVALID_JSON",)]


# Equal keys at once.


def test_two_equal_keys_with_streams_of_different_bodies_at_once_are_one_job(
    connect: Connect, key: str, observer: Connection
) -> None:
    bodies = [spelled([entity(10_000 * side + number) for number in range(11_000)], LINES) for side in (0, 2)]
    headers = ("Transfer-Encoding: chunked", "Idempotency-Key: k", "Connection: close")
    with connect() as one, connect() as other:
        for client, body in zip((one, other), bodies, strict=True):
            client.sendall(head(key, *headers) + chunk(body))
        until(observer, "SELECT count(*) FROM jobs WHERE status = 'receiving' AND blocks_open = 1", 2)
        one.sendall(b"0\r\n\r\n")
        status, _, accepted = read_answer(one)
        assert status == 202
        other.sendall(b"0\r\n\r\n")
        status, answered, refused = read_answer(other)
        assert (status, refused["error"]["code"]) == (409, "IDEMPOTENCY_IN_PROGRESS")
        assert answered["Retry-After"] == "1"
    until(observer, "SELECT count(*) FROM jobs", 1)
    assert counts(observer, "job_blocks", "idempotency_keys") == [2, 1]
    sized = (f"Content-Length: {len(bodies[0])}", "Idempotency-Key: k")
    status, answered, repeated = post(connect, key, bodies[0], *sized)
    assert (status, answered["Idempotent-Replayed"]) == (202, "true")
    assert repeated["data"]["jobId"] == accepted["data"]["jobId"]
    status, _, reused = post(connect, key, bodies[1], f"Content-Length: {len(bodies[1])}", "Idempotency-Key: k")
    assert (status, reused["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert counts(observer, "jobs", "job_blocks", "idempotency_keys") == [1, 2, 1]


def test_20_equal_requests_at_once_with_one_key_are_one_job_of_one_set_of_rows(
    connect: Connect, key: str, observer: Connection, run_jobs: Callable[[], int]
) -> None:
    body = spelled([entity(number) for number in range(11_000)], LINES)
    headers = (f"Content-Length: {len(body)}", "Idempotency-Key: k")
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: post(connect, key, body, *headers), range(20)))
    # A process reads half as many such bodies at once as it has threads.
    assert {status for status, _, _ in answers} <= {202, 409, 503}
    done = [(headers, answer["data"]["jobId"]) for status, headers, answer in answers if status == 202]
    assert sum("Idempotent-Replayed" not in headers for headers, _ in done) == 1
    assert len({job_id for _, job_id in done}) == 1
    until(observer, "SELECT count(*) FROM jobs", 1)
    assert counts(observer, "job_blocks", "idempotency_keys") == [2, 1]
    assert run_jobs() == 1
    assert counts(observer, "entities") == [11_000]
    status, answered, ended = post(connect, key, body, *headers)
    assert (status, answered["Idempotent-Replayed"], ended["data"]["succeeded"]) == (200, "true", 11_000)


@pytest.mark.parametrize("sent", ["half of it", "all of it"])
def test_a_retry_after_the_client_lost_its_connection_doubles_nothing(
    connect: Connect, key: str, observer: Connection, run_jobs: Callable[[], int], sent: str
) -> None:
    body = spelled([entity(number) for number in range(11_000)], LINES)
    with connect() as client:
        client.sendall(head(key, "Transfer-Encoding: chunked", "Idempotency-Key: k") + chunk(body))
        until(observer, "SELECT count(*) FROM job_blocks", 1)
        if sent == "all of it":
            client.sendall(b"0\r\n\r\n")
            until(observer, "SELECT count(*) FROM idempotency_keys", 1)
    until(observer, "SELECT count(*) FROM jobs WHERE status = 'receiving'", 0)
    status, answered, _ = post(connect, key, body, f"Content-Length: {len(body)}", "Idempotency-Key: k")
    assert (status, "Idempotent-Replayed" in answered) == (202, sent == "all of it")
    assert run_jobs() == 1
    assert counts(observer, "jobs", "job_blocks", "entities") == [1, 2, 11_000]
