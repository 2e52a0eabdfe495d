"""Calls that take an idempotency key, and how the tests make them."""

import socket
from typing import Any, NamedTuple

import psycopg
import pytest
from werkzeug.test import TestResponse

from tests.api.conftest import BASE, Api
from tests.api.server.test_gunicorn import read_answer
from tests.support.factories import entity, event, state

KEY = "5f6c1f5e-8d0c-4a53-9a0a-8f6f2c1d3b7e"
UPLOAD = {"kind": "entities", "contentType": "application/x-ndjson"}
SESSION = {"eventType": "session", "data": {}}


class Call(NamedTuple):
    """A call that takes a key, about player_000001, and what its first and its later answers are."""

    operation: str
    method: str
    path: str
    item: Any
    status: int
    status_again: int


CALLS = [
    Call("upsertEntity", "POST", "/entities", entity(), 201, 201),
    Call("appendEvent", "POST", "/entities/player_000001/events", SESSION, 201, 200),
    Call("setState", "PUT", "/entities/player_000001/state/balance", 145.5, 200, 200),
    Call("deleteEntity", "DELETE", "/entities/player_000001", None, 200, 200),
    Call("writeEntities", "POST", "/batch/entities", [entity()], 202, 202),
    Call("writeEvents", "POST", "/batch/events", [event()], 202, 202),
    Call("createUpload", "POST", "/batch/uploads", UPLOAD, 201, 201),
    Call("writeStates", "POST", "/batch/states", [state()], 202, 202),
]
each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.operation)


def send(api: Api, call: Call, key: str | None = KEY, **headers: str) -> TestResponse:
    sent = headers if key is None else {"Idempotency_Key": key, **headers}
    return api.call(call.method, call.path, call.item, **sent)


def rows(observer: psycopg.Connection[tuple[Any, ...]], table: str) -> int:
    return observer.execute(f"SELECT FROM {table}".encode()).rowcount


def replayed(answer: TestResponse) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


def post_to(socket_path: str, key: str, path: str, content: bytes, *headers: str) -> tuple[int, dict[str, str], Any]:
    """Send a request to a real server, over a connection of its own; return status, headers and JSON."""
    head = [f"POST {BASE}{path} HTTP/1.1", "Host: sluice", f"Authorization: Bearer {key}", "Connection: close"]
    head += [*headers, f"Content-Length: {len(content)}"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(socket_path)
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + content)
        return read_answer(connection)
