"""The real app, and a real server, on a database of these tests' own; each test writes to a dataset of its own."""

import asyncio
import json
import os
import queue
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import flowmyna
import msgspec
import pytest
from flask import Flask
from psycopg import sql
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app import create_app, public
from ingest.db.connection.pool import WORKER, Pool, open_pool, transaction
from ingest.db.tenants import keys
from ingest.db.tenants.tenants import Tenant
from ingest.settings import Settings
from tests.api.conftest import document
from tests.support.factories import make_settings, make_tenant
from tests.support.postgres import TestServers, admin_of, url_of

ROOT = Path(__file__).parents[3]
BASE = "/api/public/v1"
TIMEOUT_SECONDS = 30
SDK_CALLS = ("sync", "async")


@dataclass(frozen=True)
class Dataset:
    """A tenant, and a key of the public API that opens it."""

    tenant: Tenant
    key: str


class PublicApi:
    """Calls the public API as one dataset; every answer is held against the OpenAPI document."""

    def __init__(self, app: Flask, dataset: Dataset) -> None:
        self.app, self.dataset = app, dataset
        self.document = document(app)

    def call(
        self, method: str, path: str, value: Any = None, *, body: bytes | None = None, base: str = BASE, **headers: str
    ) -> TestResponse:
        """Call; `value` is sent as JSON, `body` as it is."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        sent.setdefault("Authorization", f"Bearer {self.dataset.key}")
        data = body if body is not None else None if value is None else json.dumps(value).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        answer = self.app.test_client().open(base + path, method=method, data=data, headers=sent)
        self._stands_in_the_document(method, (base + path).partition("?")[0], answer)
        return answer

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, value: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, value, **options)

    def object(self, type_: str, id_: str) -> Any:
        """The properties of an object; None where there is none."""
        answer = self.get(f"/object/{type_}/{id_}")
        return answer.get_json()["properties"] if answer.status_code == 200 else None

    def _stands_in_the_document(self, method: str, path: str, answer: TestResponse) -> None:
        if method in {"HEAD", "OPTIONS"} or answer.status_code in {404, 405}:
            return
        try:
            rule, _ = self.app.url_map.bind("").match(path, method, return_rule=True)
        except HTTPException:  # a path that no route takes is no part of the document
            return
        base = next(prefix for prefix in public.BASES if rule.rule.startswith(prefix))
        spelled = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", BASE + rule.rule.removeprefix(base))
        operation = self.document["paths"][spelled][method.lower()]
        assert str(answer.status_code) in operation["responses"], (rule.rule, answer.status_code)


class Sdk:
    """The vendor's SDK as its users call it, by its synchronous or its asynchronous client."""

    def __init__(self, how: str, base_url: str, key: str) -> None:
        self.how, self.base_url, self.key = how, base_url, key

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A call of the client by its name; one attempt, so that a failure shows itself."""
        return lambda *args, **kwargs: self.call(name, *args, **kwargs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self.how == "sync":
            with flowmyna.FlowMyna(self.key, base_url=self.base_url, max_retries=1) as client:
                return getattr(client, name)(*args, **kwargs)

        async def call() -> Any:
            async with flowmyna.AsyncFlowMyna(self.key, base_url=self.base_url, max_retries=1) as client:
                return await getattr(client, name)(*args, **kwargs)

        run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run
        return run(call())


@pytest.fixture(scope="session")
def public_settings(servers: TestServers, template_database: str) -> Iterator[Settings]:
    name = f"{template_database}_public"
    with admin_of(servers) as admin:
        clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        admin.execute(clone.format(sql.Identifier(name), sql.Identifier(template_database)))
    yield make_settings(url_of(servers, name), servers.redis_url)
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def public_pool(public_settings: Settings) -> Iterator[Pool]:
    with open_pool(public_settings.database_url, WORKER, size=4) as pool:
        yield pool


@pytest.fixture(scope="session")
def public_app(public_settings: Settings) -> Iterator[Flask]:
    app = create_app(public_settings)
    yield app
    app.extensions["sluice"].close()


@pytest.fixture
def new_dataset(public_pool: Pool) -> Callable[[], Dataset]:
    def make() -> Dataset:
        with transaction(public_pool) as conn:
            tenant, _ = make_tenant(conn, name=f"Orders {secrets.token_hex(4)}", template=None)
            _, secret = keys.create(conn, tenant.id, "fm_live", "Till 1")
        return Dataset(tenant, secret)

    return make


@pytest.fixture
def dataset(new_dataset: Callable[[], Dataset]) -> Dataset:
    return new_dataset()


@pytest.fixture
def api(public_app: Flask, dataset: Dataset) -> PublicApi:
    return PublicApi(public_app, dataset)


@pytest.fixture
def limited(public_settings: Settings, dataset: Dataset) -> Iterator[Callable[..., PublicApi]]:
    """Make an API with rates of its own."""
    made: list[Flask] = []

    def make(**rates: str) -> PublicApi:
        made.append(create_app(replace(public_settings, **rates)))
        return PublicApi(made[-1], dataset)

    yield make
    for app in made:
        app.extensions["sluice"].close()


@pytest.fixture(scope="session")
def serve(public_settings: Settings) -> Iterator[Callable[..., str]]:
    """Start a real server and return its address; it has said nothing of errors when all tests are over."""
    running: list[tuple[subprocess.Popen[bytes], queue.Queue[bytes], threading.Thread]] = []

    def start(**settings: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            bind = f"127.0.0.1:{probe.getsockname()[1]}"
        environment = {
            "PATH": os.defpath,
            "DATABASE_URL": public_settings.database_url,
            "REDIS_URL": public_settings.redis_url,
            **settings,
        }
        command = [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.py", "app:create_app()"]
        process = subprocess.Popen([*command, "--bind", bind], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        lines: queue.Queue[bytes] = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(process, lines))
        reader.start()
        running.append((process, lines, reader))
        seen: list[bytes] = []
        while not seen or b"Booting worker" not in seen[-1]:
            seen.append(lines.get(timeout=TIMEOUT_SECONDS))
            assert seen[-1], b"".join(seen)
        return f"http://{bind}"

    yield start
    for process, lines, reader in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=TIMEOUT_SECONDS) == 0
        reader.join()
        while line := lines.get_nowait():
            assert msgspec.json.decode(line)["level"] != "error", line


def _read_lines(process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
    assert process.stderr is not None
    with process.stderr as stderr:
        for line in stderr:
            lines.put(line)
    lines.put(b"")


@pytest.fixture(scope="session")
def server(serve: Callable[..., str]) -> str:
    return serve()


@pytest.fixture(params=SDK_CALLS)
def sdk(request: pytest.FixtureRequest, server: str, dataset: Dataset) -> Sdk:
    return Sdk(request.param, f"{server}{BASE}", dataset.key)


def rows(pool: Pool, query: str, *values: object) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    with transaction(pool) as conn:
        return conn.execute(query, values).fetchall()


@pytest.fixture
def events_of(public_pool: Pool, dataset: Dataset) -> Callable[[], list[tuple[object, ...]]]:
    """The dataset's events, in the order stored: type, time, properties, and the objects of each with qualifiers."""
    query = """
        SELECT v.type, v.occurred_at, v.properties,
               array_agg(ARRAY[e.type, e.external_id, l.qualifier] ORDER BY e.type, e.external_id, l.qualifier)
        FROM events v JOIN event_entities l ON l.event_id = v.id JOIN entities e ON e.id = l.entity_id
        WHERE v.tenant_id = %s GROUP BY v.tenant_id, v.id ORDER BY v.id
    """
    return lambda: rows(public_pool, query, dataset.tenant.id)
