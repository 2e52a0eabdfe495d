"""A body is slow if the server waits for it, not if it is there and the machine was too busy to look."""

import math
import socket
from collections.abc import Callable, Iterator

import pytest

from app.server import parsing
from app.server.sockets import PatientSocket

BODY = b'{"entities": []}'

Pair = tuple[PatientSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The two ends of a connection, the server's first."""
    ours, theirs = socket.socketpair()
    with PatientSocket(ours) as server, theirs:
        yield server, theirs


def read(server: PatientSocket, on_wait: Callable[[], None]) -> bytes:
    """The next bytes of a body whose time to come at once is as good as over."""
    unreader = parsing._Unreader(server)
    unreader.until, unreader.prompt_seconds, server.on_wait = math.inf, 1e-9, on_wait
    data: bytes = unreader.chunk()
    return data


def test_a_body_that_is_there_is_not_slow_however_late_it_is_read(pair: Pair) -> None:
    server, client = pair
    client.sendall(BODY)
    assert read(server, on_wait=lambda: pytest.fail("the app was told")) == BODY


def test_the_app_is_told_of_a_body_that_the_server_waits_for(pair: Pair) -> None:
    server, client = pair
    assert read(server, on_wait=lambda: client.sendall(BODY)) == BODY
