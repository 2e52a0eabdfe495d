"""The real app on a database and a Redis of the test's own; every answer is held against the OpenAPI document."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.http.services import Services, attach
from app.openapi import docs
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.settings import Settings
from tests.support.answers import hold_headers
from tests.support.factories import MASTER_KEYS, make_settings, make_tenant, run_pending
from tests.support.postgres import TestServers

ROOT = Path(__file__).parents[2]
BASE = "/operator-data-api"
TIMEOUT_SECONDS = 30
STREAMS = 8  # that a server of `running` serves at once, with 4 threads

# Its pages may read what the real servers answer.
ORIGIN = "https://app.example"

# A time as it goes out: milliseconds, UTC.
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


# End the sessions that a test left open, because they could hold up the next test.
_CLEAR = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
UPDATE tenants SET template_id = NULL;
DELETE FROM idempotency_keys;
DELETE FROM uploads;
DELETE FROM jobs;
DELETE FROM gone_ids;
DELETE FROM job_ends;
DELETE FROM webhooks;
DELETE FROM templates WHERE tenant_id IS NOT NULL;
DELETE FROM console_sessions;
DELETE FROM api_keys;
DELETE FROM tenants;
SET LOCAL sluice.audit_log = 'purging';
DELETE FROM audit_log;
DELETE FROM entities;
DELETE FROM events;
DELETE FROM event_entities;
DELETE FROM states;
"""


_documents: dict[str, dict[str, Any]] = {}


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document. All apps have the same routes, so the document of the first one serves them all."""
    app.extensions.setdefault("openapi", _documents)
    return docs.document(app)


class Api:
    """A client of the operator API that calls as one tenant."""

    def __init__(self, app: Flask, tenant: Tenant, key: str) -> None:
        self.app, self.tenant, self.key = app, tenant, key
        self.document = document(app)

    def call(
        self,
        method: str,
        path: str,
        items: Any = None,
        *,
        body: bytes | None = None,
        base: str = BASE,
        key: str | None = "",
        **headers: str,
    ) -> TestResponse:
        """Call; `items` is sent as JSON, `body` as it is; `key=None` sends no key."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {key or self.key}")
        data = body if body is not None else None if items is None else json.dumps(items).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        response = self.app.test_client().open(base + path, method=method, data=data, headers=sent)
        hold_headers(response.headers)
        self._stands_in_the_document(response)
        return response

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, items: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, items, **options)

    def put(self, path: str, items: Any = None, **options: Any) -> TestResponse:
        return self.call("PUT", path, items, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)

    def job(self, accepted: TestResponse) -> dict[str, Any]:
        """The job that a batch call made."""
        return data(self.get(f"/batch/jobs/{data(accepted)['jobId']}"))

    def _stands_in_the_document(self, response: TestResponse) -> None:
        rule = self.app.url_map.bind("").match
        method = response.request.method
        if method in {"HEAD", "OPTIONS"} or response.status_code in {404, 405}:
            return
        path = response.request.environ["PATH_INFO"]
        try:
            matched, _ = rule(path, method, return_rule=True)
        except Exception:  # noqa: BLE001 # a path that no route takes is no part of the document
            return
        spelled = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", matched.rule).removeprefix("/functions/v1")
        operation = self.document["paths"][spelled][method.lower()]
        status = response.status_code
        assert str(status) in operation["responses"], (
            f"{method} {spelled} answers {status}, of which its `describe` tells nothing"
        )
        if status >= HTTPStatus.BAD_REQUEST:
            code = response.get_json()["error"]["code"]
            told = operation["responses"][str(status)]["content"]["application/json"]["examples"]
            assert code in told, (
                f"{method} {spelled} answers {status} {code}: name its class in `faults` of its `describe`"
            )


def data(response: TestResponse) -> Any:
    """Return the data of a successful answer."""
    answer = response.get_json()
    assert answer["success"] is True, answer
    assert set(answer) == {"success", "data"}
    return answer["data"]


def refused(response: TestResponse, status: int, code: str, *texts: str) -> str:
    """The message of a refusal, which is of the contract's shape, and names what the test expects."""
    answer = response.get_json()
    assert response.status_code == status, answer
    assert answer["success"] is False
    assert answer["error"]["code"] == code
    message: str = answer["error"]["message"]
    for text in texts:
        assert text in message
    return message


def walk(api: Api, path: str) -> list[Any]:
    """All pages from the first on, by their Link headers."""
    answer = api.get(path, base="")
    pages = [data(answer)]
    while link := answer.headers.get("Link"):
        match = re.fullmatch(r'<(/[^>]+)>; rel="next"', link)
        assert match
        answer = api.get(match[1], base="")
        pages.append(data(answer))
    return pages


@pytest.fixture
def database_url(shared_database_url: str) -> Iterator[str]:
    """A migrated database with nothing in it, cleared after the test: 20 times faster than one of the test's own."""
    yield shared_database_url
    with psycopg.connect(shared_database_url) as conn:
        conn.execute(_CLEAR)


@pytest.fixture(scope="session")
def _app(shared_database_url: str, servers: TestServers) -> Flask:
    """An app whose services are closed; its routes and its document cost more than a usual test."""
    made = create_app(make_settings(shared_database_url, servers.redis_url))
    services: Services = made.extensions["sluice"]
    services.close()
    return made


@pytest.fixture
def app(_app: Flask, settings: Settings) -> Iterator[Flask]:
    """The app with services of the test's own: they are all the state that it has."""
    attach(_app, settings)
    yield _app
    services: Services = _app.extensions["sluice"]
    services.close()


@pytest.fixture
def new_api(app: Flask, pool: Pool) -> Callable[..., Api]:
    """Make another tenant, and a client that calls as it."""

    def make(**options: Any) -> Api:
        with transaction(pool) as conn:
            tenant, key = make_tenant(conn, **options)
        return Api(app, tenant, key)

    return make


@pytest.fixture
def api(new_api: Callable[..., Api]) -> Api:
    return new_api()


@pytest.fixture
def run_jobs(pool: Pool, redis_url: str) -> Callable[[], int]:
    """Run every job that waits, in this process."""
    return lambda: run_pending(pool, redis_url)


@pytest.fixture
def stand_in_worker(redis_url: str, run_jobs: Callable[[], int]) -> Iterator[Callable[[], None]]:
    """Start a stand-in for a worker: at the first message it runs the queued jobs.

    A message for a job of the test before may be late, and finds nothing.
    """
    threads: list[threading.Thread] = []

    def listen() -> None:
        with redis.Redis.from_url(redis_url) as broker:
            while broker.blpop(["sluice.jobs"], timeout=TIMEOUT_SECONDS) and not run_jobs():
                pass

    def start() -> None:
        threads.append(threading.Thread(target=listen))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


@pytest.fixture
def key(pool: Pool) -> str:
    with transaction(pool) as conn:
        return make_tenant(conn)[1]


@dataclass(frozen=True)
class _Server:
    """A running gunicorn: the path of its socket, and the lines that it has logged."""

    socket_path: str
    lines: queue.Queue[bytes]

    def check_lines(self) -> None:
        """Look at the lines since the last look."""
        with suppress(queue.Empty):
            while line := self.lines.get_nowait():
                assert msgspec.json.decode(line)["level"] != "error", line
                assert b"oh_live" not in line, "no line may hold a key"


@contextmanager
def running(database_url: str, servers: TestServers, socket_path: str, **settings: str) -> Iterator[_Server]:
    """Run gunicorn; at the end it is asked to end, and must do so well within the time that requests under way have."""
    environment = {
        "PATH": os.defpath,
        "DATABASE_URL": database_url,
        "REDIS_URL": servers.redis_url,
        "SLUICE_MASTER_KEYS": MASTER_KEYS,
        "SLUICE_BIND": f"unix:{socket_path}",
        "SLUICE_WEB_WORKERS": "1",
        "SLUICE_WEB_THREADS": "4",
        "SLUICE_WEB_STREAMS": str(STREAMS),
        "SLUICE_MAX_BODY_BYTES": "100000",
        "SLUICE_CORS_ORIGINS": ORIGIN,
        **settings,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.py", "app:create_app()"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        lines: queue.Queue[bytes] = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(process, lines))
        reader.start()
        seen: list[bytes] = []
        while not seen or b"Booting worker" not in seen[-1]:
            seen.append(lines.get(timeout=TIMEOUT_SECONDS))
            assert seen[-1], b"".join(seen)
        yield (server := _Server(socket_path, lines))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=TIMEOUT_SECONDS) == 0
        reader.join()
    server.check_lines()


@pytest.fixture(scope="session")
def _server(
    shared_database_url: str, servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Server]:
    with running(shared_database_url, servers, str(tmp_path_factory.mktemp("g") / "s")) as server:
        yield server


@pytest.fixture(scope="session")
def _hurried_server(
    shared_database_url: str, servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Server]:
    path = str(tmp_path_factory.mktemp("h") / "s")
    with running(shared_database_url, servers, path, SLUICE_BODY_SECONDS="1") as server:
        yield server


@pytest.fixture
def hurried_gunicorn(_hurried_server: _Server, settings: Settings) -> Iterator[str]:  # noqa: ARG001 # as below
    """A real server whose clients have a second for a body. The path of its socket."""
    yield _hurried_server.socket_path
    _hurried_server.check_lines()


@pytest.fixture
def gunicorn(_server: _Server, settings: Settings) -> Iterator[str]:  # noqa: ARG001 # cleared before and after
    """A real server, which the tests share: its start costs more than most of them. The path of its socket."""
    yield _server.socket_path
    _server.check_lines()


def _read_lines(process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        lines.put(line)
    lines.put(b"")
