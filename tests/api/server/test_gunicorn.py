"""The real server: raw paths, chunked bodies, unread bodies, and what it logs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys
from ingest.settings import Settings
from tests.api.conftest import BASE, ROOT
from tests.support.factories import entity, make_tenant

Send = Callable[..., tuple[int, dict[str, str], Any]]


@pytest.fixture
def send(gunicorn: str, key: str) -> Send:
    """Send bytes as they are, over a connection of their own."""

    def send(line: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], Any]:
        head = [f"{line} HTTP/1.1", "Host: sluice", f"Authorization: Bearer {key}", "Connection: close", *headers]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(gunicorn)
            connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            return read_answer(connection)

    return send


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """All that comes until the server closes: status, headers and JSON."""
    answer = b""
    while part := connection.recv(65536):
        answer += part
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), content and json.loads(content)


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def post(send: Send, item: Any, path: str = "/entities") -> tuple[int, dict[str, str], Any]:
    body = json.dumps(item).encode()
    return send(f"POST {BASE}{path}", f"Content-Length: {len(body)}", "Content-Type: application/json", body=body)


@pytest.mark.parametrize(
    ("external_id", "path"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("😀" * 500, "%F0%9F%98%80" * 500),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("%2F", "%252F"),
        ("http://x/y?z#w", "http%3A%2F%2Fx%2Fy%3Fz%23w"),
    ],
)
def test_section_3_ids_are_taken_apart_before_decoding(send: Send, external_id: str, path: str) -> None:
    assert post(send, entity(externalId=external_id))[0] == 201
    status, _, answer = send(f"GET {BASE}/entities/{path}")
    assert (status, answer["data"]["externalId"]) == (200, external_id)


def test_the_longest_names_can_be_written_and_read_again(send: Send) -> None:
    external_id, name = "😀" * 500, "😀" * 166
    schema = {"entity_types": {"player": {}}, "event_types": {name: {}}, "state_keys": [name]}
    for path, form in {
        "/templates/tpl_own": {"name": "Own", "schema": schema},
        "/settings": {"templateId": "tpl_own"},
    }.items():
        body = json.dumps(form).encode()
        assert send(f"PUT {BASE}{path}", f"Content-Length: {len(body)}", body=body)[0] == 200
    assert post(send, entity(externalId=external_id))[0] == 201
    path = f"/functions/v1{BASE}/entities/{quote(external_id)}"
    assert send(f"PUT {path}/state/{quote(name)}", "Content-Length: 1", body=b"1")[0] == 200
    assert send(f"GET {path}/state/{quote(name)}")[0] == 200
    body = json.dumps({"eventType": name, "data": {}}).encode()
    for _ in range(3):
        assert send(f"POST {path}/events", f"Content-Length: {len(body)}", body=body)[0] == 201
    status, headers, _ = send(f"GET {path}/events?eventType={quote(name)}&limit=1")
    assert status == 200
    status, _, answer = send(f"GET {headers['Link'].partition('<')[2].partition('>')[0]}")
    assert (status, len(answer["data"])) == (200, 1)


def test_a_path_in_absolute_form_is_the_same_path(send: Send) -> None:
    assert send(f"GET http://sluice{BASE}/entities/none/events?limit=1")[0] == 404


@pytest.mark.parametrize("path", ["%00", "%FF", "%C3%28", "%2E%2E", "%F0%9F%98%80" * 501, "a" * 7000])
def test_an_id_that_cannot_be_is_400(send: Send, path: str) -> None:
    assert send(f"GET {BASE}/entities/{path}")[0] == 400


def test_a_chunked_batch_is_accepted(send: Send) -> None:
    body = chunked(json.dumps([entity(n) for n in range(50)]).encode(), 97)
    status, headers, answer = send(f"POST {BASE}/batch/entities", "Transfer-Encoding: chunked", body=body)
    assert (status, answer["data"]["status"]) == (202, "pending")
    assert send(f"GET {headers['Location']}")[2]["data"]["total"] == 50


@pytest.mark.parametrize(
    "body", [chunked(b" " * 100_001, 10_000), chunked(b" " * 170_000, 10_000)[:-5]], ids=["whole", "open"]
)
def test_a_chunked_body_over_the_limit_is_413_without_being_read_to_its_end(send: Send, body: bytes) -> None:
    status, _, answer = send(f"POST {BASE}/batch/entities", "Transfer-Encoding: chunked", body=body)
    assert (status, answer["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_a_stated_length_over_the_limit_is_413_before_anything_is_sent(send: Send) -> None:
    status, _, answer = send(f"POST {BASE}/batch/entities", "Content-Length: 100001")
    assert (status, answer["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("body", [b"zz\r\n[]\r\n0\r\n\r\n", b"5\r\n[", b"2\r\n[]X\r\n0\r\n\r\n", b"-1\r\n[]\r\n"])
def test_malformed_chunks_are_4xx(gunicorn: str, key: str, body: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(gunicorn)
        head = f"POST {BASE}/batch/entities HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_request_without_a_key_is_answered_before_its_body_comes(gunicorn: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(gunicorn)
        connection.sendall(f"POST {BASE}/batch/entities HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_asterisk_and_other_targets_that_are_no_paths_are_4xx(gunicorn: str) -> None:
    for line in ("OPTIONS *", "GET *", "GET x", "CONNECT sluice:80", "GET /\xff", "GET /" + "a" * 9000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(gunicorn)
            connection.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
            assert connection.recv(65536)[:10] == b"HTTP/1.1 4", line


def test_the_document_and_the_health_are_served(send: Send) -> None:
    assert send("GET /healthz")[2] == {"status": "ok"}
    assert send("GET /readyz")[0] == 200
    assert send("GET /openapi.json")[2]["openapi"] == "3.1.0"


def test_wrong_settings_are_all_named_and_exit_78() -> None:
    environment = {**os.environ, "REDIS_URL": "http://x", "SLUICE_WEB_THREADS": "none"}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.py", "app:create_app()"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert all(name in ended.stderr for name in ("DATABASE_URL", "REDIS_URL", "SLUICE_WEB_THREADS"))


def test_a_malformed_request_leaves_no_key_in_the_log(gunicorn: str) -> None:
    """The fixture looks through the lines."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(gunicorn)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization Bearer oh_live_secret\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400")


WRITES = [
    ("PUT", f"{BASE}/entities/known/state/balance", b"14", b"5.50"),
    ("POST", f"{BASE}/entities", b'{"entityType": "game", "externalId": "known", "data": {}}', b" "),
    ("POST", f"{BASE}/entities/known/events", b'{"eventType": "session", "data": {}}', b"\n"),
    ("PUT", f"{BASE}/settings", b'{"batchWaitSeconds": 1}', b" "),
    ("POST", f"{BASE}/batch/entities", b'[{"entityType": "game", "externalId": "known", "data": {}}]', b" "),
    ("POST", f"{BASE}/batch/states", b'[{"externalId": "known", "stateKey": "balance", "value": 14}]', b" "),
    ("POST", "/v1/event", b'{"event": "e", "objects": [{"type": "t", "id": "known"}]}', b" "),
    ("POST", "/v1/object/upsert", b'{"type": "t", "id": "known"}', b" "),
    ("POST", "/v1/event/batch", b'{"events": [{"event": "e", "objects": [{"type": "t", "id": "known"}]}]}', b" "),
    ("POST", "/v1/object/batch", b'{"objects": [{"type": "t", "id": "known"}]}', b" "),
]


@pytest.mark.parametrize("framing", ["Content-Length", "chunks"])
def test_a_body_that_ends_early_is_400_and_changes_nothing(gunicorn: str, pool: Pool, framing: str) -> None:
    with transaction(pool) as conn:
        tenant, operator_key = make_tenant(conn)
        _, public_key = keys.create(conn, tenant.id, "fm_live", "test")
    for method, path, part, rest in WRITES:
        sized, body = f"Content-Length: {len(part + rest)}", part
        if framing == "chunks":  # whole, but for the last of them
            sized, body = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(part), part)
        key = public_key if path.startswith("/v1/") else operator_key
        head = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "Connection: close", sized]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(gunicorn)
            client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            client.shutdown(socket.SHUT_WR)
            status, _, answer = read_answer(client)
        assert status == 400, (path, answer)
        assert "ended" in (answer["error"]["message"] if "error" in answer else answer["detail"])
    with transaction(pool) as conn:
        for table in ("jobs", "entities", "events", "states"):
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_an_idle_connection_is_kept_as_long_as_the_setting_says(settings: Settings) -> None:
    """Read by gunicorn itself; a server that listens for other machines says so."""
    environment = {**os.environ, "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    environment |= {"SLUICE_KEEPALIVE_SECONDS": "61", "SLUICE_BIND": "0.0.0.0:0"}
    program = "from app import gunicorn; gunicorn.on_starting(None); print(gunicorn.keepalive)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout == b"61\n"
    assert json.loads(done.stderr)["event"] == "open_without_proxy"
