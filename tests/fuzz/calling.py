"""Calls that schemathesis makes to an API by its OpenAPI document, and the faults that its checks find."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Any

import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from werkzeug.serving import WSGIRequestHandler, make_server

from ingest.db.connection.pool import Pool
from ingest.notify.listener import Listener
from tests.fuzz import batches, mending
from tests.support.factories import make_executor

# Importing them has schemathesis call them.
__all__ = ["batches", "call", "jobs_running", "mending"]

_CONFIG = Path(__file__).with_name("schemathesis.toml")

# A schema can describe lines as text alone.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")


@dataclass
class Found:
    """The outcome of many calls.

    Attributes:
        faults: that checks found.
        statuses: how many calls had an answer of each.
        served: the operations that were answered with success.
        scenarios: how many there were in each phase, such as `stateful`: calls one after another.
    """

    faults: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    served: set[str] = field(default_factory=set)
    scenarios: Counter[str] = field(default_factory=Counter)


@contextmanager
def jobs_running(pool: Pool, redis_url: str) -> Iterator[None]:
    """Run jobs as they come, in a thread."""
    over, executor, listener = Event(), make_executor(pool, redis_url), Listener(redis_url)

    def serve() -> None:
        while not over.is_set():
            executor.serve(None, listener, seconds=5)

    worker = Thread(target=serve)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def call(app: Flask, document: str, key: str, *, examples: int, **options: Any) -> Found:
    """Call all of an API: by its examples, at the edges of its shapes, at random, and one call after another.

    Args:
        app: that is called.
        document: path of its OpenAPI document.
        key: that lets the calls in.
        examples: at random, for each call.
        options: beside those of `schemathesis.toml`: `seed`, and `max-time` in seconds.
    """
    values = tomllib.loads(_CONFIG.read_text(encoding="utf-8")) | options
    values["generation"] |= {"max-examples": examples}
    values["headers"] = {"Authorization": f"Bearer {key}"}
    found = Found()
    with _served(app) as address:
        values["base-url"] = address
        schema = schemathesis.openapi.from_url(address + document, config=SchemathesisConfig.from_dict(values))
        for event in from_schema(schema).execute():
            _take(event, found)
    return found


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    """Serve the app in threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open: calls cost less

    def log(self, *_: Any) -> None:
        """Log nothing: the app has a line for each request."""


def _take(event: events.EngineEvent, found: Found) -> None:
    if isinstance(event, events.FatalError):
        raise event.exception
    if isinstance(event, events.NonFatalError):
        found.faults.append(f"{event.label}: {event.value}")
    if isinstance(event, events.ScenarioFinished):
        found.scenarios[event.phase.name.lower()] += 1
        for case_id, made in event.recorder.interactions.items():
            if made.response:
                found.statuses[made.response.status_code] += 1
                if made.response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                    operation = event.recorder.cases[case_id].value.operation
                    found.served.add(operation.definition.raw["operationId"])
        found.faults += [
            f"{check.failure_info.failure.operation}: {check.name}: {check.failure_info.failure.message}\n"
            f"{check.failure_info.code_sample}"
            for checks in event.recorder.checks.values()
            for check in checks
            if check.failure_info
        ]
