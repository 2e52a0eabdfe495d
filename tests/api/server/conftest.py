"""Connections to the real server."""

import socket
from collections.abc import Callable

import pytest


@pytest.fixture
def connect(gunicorn: str) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(gunicorn)
        return client

    return connect
