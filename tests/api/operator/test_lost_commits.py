"""A COMMIT whose answer was lost: a 2xx means that the work stands, and a 5xx that it does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from ingest.db.connection.pool import Pool, transaction
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity, make_tenant
from tests.support.relay import Relay, relay

CALLS: list[tuple[bytes, str, str, Any, str]] = [
    (b"INSERT INTO entities", "POST", "/entities", entity(), "entities"),
    (b"INSERT INTO events", "POST", "/entities/known/events", {"eventType": "session", "data": {}}, "events"),
    (b"INSERT INTO states", "PUT", "/entities/known/state/balance", 1, "states"),
    (b"INSERT INTO api_keys", "POST", "/api-keys", {"label": "x"}, "api_keys"),
]


def call(
    app: Flask, settings: Settings, pool: Pool, through: Relay, method: str, path: str, item: Any, **sent: Any
) -> tuple[Any, Api]:
    """Call through a relay; return the answer, and a client of the same tenant that calls without one."""
    behind = create_app(replace(settings, database_url=through.database_url))
    with transaction(pool) as conn:
        api = Api(behind, *make_tenant(conn))
    direct = Api(app, api.tenant, api.key)
    direct.post("/entities", entity(externalId="known"))
    try:
        base = "" if path == "/api-keys" else "/operator-data-api"
        return api.call(method, path, item, base=base, **sent), direct
    finally:
        behind.extensions["sluice"].close()


def rows(pool: Pool, table: str) -> int:
    with transaction(pool) as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return int(str(row[0]))


@pytest.mark.parametrize(("marked", "method", "path", "item", "table"), CALLS)
def test_section_1_never_a_5xx_after_the_work_was_committed(
    app: Flask,
    settings: Settings,
    pool: Pool,
    tmp_path: Path,
    marked: bytes,
    method: str,
    path: str,
    item: Any,
    table: str,
) -> None:
    with relay(settings.database_url, tmp_path, marked=marked, lands=True) as through:
        answer, _ = call(app, settings, pool, through, method, path, item)
        assert through.cuts == 1
    assert data(answer)
    assert answer.status_code in {200, 201, 202}
    assert rows(pool, table) == (2 if table in {"entities", "api_keys"} else 1)


@pytest.mark.parametrize(("marked", "method", "path", "item", "table"), CALLS)
def test_section_1_never_a_2xx_for_work_that_was_not_committed(
    app: Flask,
    settings: Settings,
    pool: Pool,
    tmp_path: Path,
    marked: bytes,
    method: str,
    path: str,
    item: Any,
    table: str,
) -> None:
    with relay(settings.database_url, tmp_path, marked=marked, lands=False) as through:
        answer, _ = call(app, settings, pool, through, method, path, item)
        assert through.cuts == 1
    refused(answer, 503, "UNAVAILABLE")
    assert rows(pool, table) == (1 if table in {"entities", "api_keys"} else 0)


@pytest.mark.parametrize("lands", [True, False])
def test_section_1_a_batch_whose_answer_was_lost_on_the_way_from_the_database_is_stored_once(
    app: Flask, settings: Settings, pool: Pool, tmp_path: Path, *, lands: bool
) -> None:
    marked = b"INSERT INTO jobs"
    with relay(settings.database_url, tmp_path, marked=marked, lands=lands, at=marked) as through:
        answer, _ = call(app, settings, pool, through, "POST", "/batch/entities", [entity()])
        assert through.cuts == 1
    assert answer.status_code == 202
    assert (rows(pool, "jobs"), rows(pool, "job_blocks")) == (1, 1)


STEPS = {"begin": b"INSERT INTO jobs", "append": b"INSERT INTO job_blocks", "accept": b"seq = nextval"}
LINES = b"".join(json.dumps(entity(number)).encode() + b"\n" for number in range(11_000))


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "a"}], ids=["without", "with a key"])
def test_a_body_of_lines_of_which_a_step_was_answered_by_nobody_is_stored_once(
    app: Flask,
    settings: Settings,
    pool: Pool,
    run_jobs: Callable[[], int],
    tmp_path: Path,
    step: str,
    key: dict[str, str],
    *,
    lands: bool,
) -> None:
    sent = {"Content_Type": "application/x-ndjson", **key}
    with relay(settings.database_url, tmp_path, marked=STEPS[step], lands=lands, at=STEPS[step]) as through:
        answer, api = call(app, settings, pool, through, "POST", "/batch/entities", None, body=LINES, **sent)
        assert through.cuts == 1
    assert answer.status_code == 202
    assert (rows(pool, "jobs"), rows(pool, "job_blocks")) == (1, 2)
    if key:
        again = api.call("POST", "/batch/entities", body=LINES, **sent)
        assert (again.headers["Idempotent-Replayed"], data(again)["jobId"]) == ("true", data(answer)["jobId"])
    assert run_jobs() == 1
    assert api.job(answer)["effects"]["created"] == 11_000
    assert (rows(pool, "jobs"), rows(pool, "entities")) == (1, 11_001)


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize(("marked", "method", "path", "item", "table"), CALLS[:3])
def test_a_retry_under_its_key_after_a_lost_commit_doubles_nothing(
    app: Flask,
    settings: Settings,
    pool: Pool,
    tmp_path: Path,
    marked: bytes,
    method: str,
    path: str,
    item: Any,
    table: str,
    *,
    lands: bool,
) -> None:
    with relay(settings.database_url, tmp_path, marked=marked, lands=lands) as through:
        first, api = call(app, settings, pool, through, method, path, item, Idempotency_Key="a")
        assert through.cuts == 1
    assert first.status_code < 300 if lands else first.status_code == 503
    retried = api.call(method, path, item, Idempotency_Key="a")
    assert retried.status_code < 300
    assert ("Idempotent-Replayed" in retried.headers) == lands
    assert rows(pool, table) == (2 if table == "entities" else 1)
    if lands:
        assert data(retried).get("id") == data(first).get("id")
