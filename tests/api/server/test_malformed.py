"""Malformed, slow and early rejected requests get an answer in the envelope, and their client can read it."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import BASE, ORIGIN
from tests.support.answers import hold_headers

_KEY = b"oh_live_0123"  # the log may not hold it: the fixture looks
_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + _KEY
_POST = b"POST /healthz HTTP/1.1\r\nHost: x\r\n"

MALFORMED: dict[str, tuple[bytes, int]] = {
    "two Content-Type": (_HEAD + b"\r\nContent-Type: application/json\r\nContent-Type: text/csv\r\n\r\n", 400),
    "two Host": (_HEAD + b"\r\nHost: y\r\n\r\n", 400),
    "no Host": (b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer " + _KEY + b"\r\n\r\n", 400),
    "a Host that is none": (b"GET /healthz HTTP/1.1\r\nHost: a b/c\r\n\r\n", 400),
    "a long request line": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "an endless request line": (b"GET /" + b"a" * 80_000, 414),
    "a long header": (_HEAD + b"\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", 431),
    "many headers": (_HEAD + b"\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
    "endless headers": (_HEAD + b"\r\n" + b"X: 1\r\n" * 20_000, 431),
    "gzip, chunked": (_POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "gzip and chunked": (_POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    "identity, chunked": (_POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    "an unknown coding": (_POST + b"Transfer-Encoding: x-y\r\n\r\n0\r\n\r\n", 501),
    "gzip alone": (_POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "chunked twice": (_POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "two Content-Length": (_POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "two equal Content-Length": (_POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "Content-Length as a list": (_POST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
    "Content-Length and chunked": (_POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a signed Content-Length": (_POST + b"Content-Length: +2\r\n\r\n{}", 400),
    "a Content-Length of many digits": (_POST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n{}", 400),
    "chunked in HTTP/1.0": (b"POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "NUL in a header": (_HEAD + b"\r\nX: a\0b\r\n\r\n", 400),
    "a control character in a header": (_HEAD + b"\r\nX: a\x1bb\r\n\r\n", 400),
    "a header without a colon": (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization Bearer " + _KEY + b"\r\n\r\n",
        400,
    ),
    "a header with a space in its name": (_HEAD + b"\r\nX Y: 1\r\n\r\n", 400),
    "a folded header": (_HEAD + b"\r\nX: 1\r\n 2\r\n\r\n", 400),
    "line feeds alone": (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400),
    "no request line": (b"\r\n\r\n", 400),
    "no version": (b"GET /healthz\r\nHost: x\r\n\r\n", 400),
    "another version": (b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "a method in lower case": (b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a method that is none": (b"G(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a method that nobody knows": (b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "a target with a space": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target of Latin-1": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target that is no path": (b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an asterisk": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a URL that is none": (b"GET http://[x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two slashes": (b"GET /healthz//x HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "two slashes and a bracket": (b"GET //[healthz HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "no percent-encoding": (f"GET {BASE}/entities/%zz HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 401),
    "an expectation": (_HEAD + b"\r\nExpect: 200-ok\r\n\r\n", 417),
    "a key of Latin-1": (
        f"GET {BASE}/settings HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\r\n\r\n".encode("latin-1"),
        401,
    ),
}


def answers_of(gunicorn: str, *sent: bytes) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Yield the answer to each text, over a connection of its own; the client sends nothing else and closes last."""
    for request in sent:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(gunicorn)
            client.sendall(request)
            yield read_answer(client)


def read_answer(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer: status, headers by their lower-case names, and as much of a body as was announced."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (part := client.recv(65536))
        assert part, received
    head, _, content = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(content) < int(headers["content-length"]):
        content += client.recv(65536)
    return int(status.split()[1]), headers, content


def test_what_is_no_request_is_answered_in_the_envelope(gunicorn: str) -> None:
    found = answers_of(gunicorn, *(request for request, _ in MALFORMED.values()))
    for (name, (_, expected)), (status, headers, content) in zip(MALFORMED.items(), found, strict=True):
        assert (name, status) == (name, expected)
        assert headers["content-type"] == "application/json", name
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
        hold_headers(headers.items())
        answer: dict[str, Any] = json.loads(content)
        assert set(answer) == {"success", "error"}, name
        assert set(answer["error"]) == {"code", "message", "docs"}
        assert _KEY.decode() not in answer["error"]["message"]


def test_a_page_can_read_what_gunicorn_s_worker_answers(gunicorn: str) -> None:
    malformed = "GET /healthz HTTP/1.1\r\nX Y: 1\r\nORIGIN:{}\r\nHost: x\r\n\r\n"
    sent = [malformed.format(origin).encode() for origin in (ORIGIN, f" {ORIGIN} ", f"{ORIGIN}.thief.example")]
    allowed = [headers.get("access-control-allow-origin") for _, headers, _ in answers_of(gunicorn, *sent)]
    assert allowed == [ORIGIN, ORIGIN, None]
    assert all(headers["vary"] == "Origin" for _, headers, _ in answers_of(gunicorn, *sent))


@pytest.mark.parametrize("target", ["/v1/event", "/api/public/v1/health?x=1", "http://sluice/v1/event"])
def test_what_is_no_request_of_the_public_api_is_answered_in_its_envelope(gunicorn: str, target: str) -> None:
    malformed = f"GET {target} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"
    for status, _, content in answers_of(gunicorn, malformed.encode()):
        assert (status, list(json.loads(content))) == (400, ["detail"])


def test_the_answer_to_a_malformed_head_request_has_no_body(gunicorn: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(gunicorn)
        client.sendall(b"HEAD /healthz HTTP/1.1\r\n\r\n")
        received = b""
        while part := client.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "header", ["SCRIPT_NAME: /x", "PATH_INFO: /x", "X-Forwarded-Ssl: on\r\nX-Forwarded-Proto: http"]
)
def test_headers_that_a_server_takes_for_its_own_change_nothing(gunicorn: str, header: str) -> None:
    """The socket is one of this machine, whose headers gunicorn believes."""
    request = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"
    assert [status for status, _, _ in answers_of(gunicorn, request.encode())] == [200]
