"""HTTP clients that cost little: one thread, raw sockets, requests that are built before the clock starts.

Each connection sends its next request once it has the answer to the last one.
"""

import csv
import io
import json
import selectors
import socket
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

_TIMEOUT_SECONDS = 60.0
_CHUNK = 1 << 18


def get(api: str, path: str, headers: Mapping[str, str]) -> bytes:
    """A whole request, without a body."""
    head = {"Host": urlsplit(api).netloc, **headers}
    lines = "".join(f"{name}: {content}\r\n" for name, content in head.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def post(api: str, path: str, value: Any, headers: Mapping[str, str]) -> bytes:
    """A whole request.

    Args:
        api: as in `http://127.0.0.1:8000`.
        path: below it.
        value: to send as JSON.
        headers: besides those that say what is sent.
    """
    return _post(api, path, msgspec.json.encode(value), {"Content-Type": "application/json", **headers})


def post_lines(api: str, path: str, values: Iterable[Any], headers: Mapping[str, str]) -> bytes:
    """A whole request likewise, each value on a line of its own."""
    body = b"".join(msgspec.json.encode(value) + b"\n" for value in values)
    return _post(api, path, body, {"Content-Type": "application/x-ndjson", **headers})


def post_csv(
    api: str, path: str, header: Sequence[str], rows: Iterable[Sequence[Any]], headers: Mapping[str, str]
) -> bytes:
    """A whole request likewise, of CSV."""
    body = io.StringIO(newline="")
    writer = csv.writer(body)
    writer.writerow(header)
    writer.writerows(rows)
    return _post(api, path, body.getvalue().encode(), {"Content-Type": "text/csv", **headers})


def _post(api: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    head = {"Host": urlsplit(api).netloc, "Content-Length": len(body), **headers}
    lines = "".join(f"{name}: {content}\r\n" for name, content in head.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


@dataclass
class Answers:
    """The answers to a run's requests.

    Attributes:
        seconds: from sending each request to having its answer.
        bodies: in no particular order.
        elapsed: seconds from the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.elapsed

    def percentile_ms(self, which: int) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[which - 1] * 1000

    def values(self) -> Iterator[Any]:
        return map(json.loads, self.bodies)


class _Connection:
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._received = b""

    def send(self, request: bytes) -> None:
        self._received = b""
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self, status: int) -> bytes | None:
        """The answer's body; None while it is not there as a whole."""
        chunk = self.socket.recv(_CHUNK)
        self._received += chunk
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not chunk:
            raise RuntimeError(f"the server hung up after {self._received!r}")
        if not found:
            return None
        lower = head.lower()
        at = lower.index(b"content-length:") + len(b"content-length:")
        if len(body) < int(lower[at:].split(b"\r\n", 1)[0]):
            return None
        if not head.startswith(b"HTTP/1.1 %d " % status):
            raise RuntimeError(f"{head!r} {body[:500]!r}")
        return body


def drive(api: str, requests: Iterable[bytes], *, connections: int, status: int, seconds: float = 600.0) -> Answers:
    """Send requests until all are answered or the time is up; any other status than `status` is an error."""
    parts = urlsplit(api)
    answers, waiting = Answers(), iter(requests)
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            opened = _Connection((parts.hostname or "", parts.port or 80))
            selector.register(opened.socket, selectors.EVENT_READ, opened)
        began = time.perf_counter()
        for key in list(selector.get_map().values()):
            _next(selector, key.data, waiting)
        while selector.get_map():
            for key, _ in selector.select(_TIMEOUT_SECONDS):
                body = key.data.receive(status)
                if body is None:
                    continue
                now = time.perf_counter()
                answers.seconds.append(now - key.data.began)
                answers.bodies.append(body)
                _next(selector, key.data, waiting if now - began < seconds else iter(()))
        answers.elapsed = time.perf_counter() - began
    return answers


def _next(selector: selectors.BaseSelector, connection: _Connection, waiting: Iterator[bytes]) -> None:
    request = next(waiting, None)
    if request is None:
        selector.unregister(connection.socket)
        connection.socket.close()
    else:
        connection.send(request)
