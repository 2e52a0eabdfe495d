"""A COMMIT whose answer was lost: a 2xx means that the work stands, and a 5xx that it does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from ingest.db.connection.pool import Pool, transaction
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity, make_tenant
from tests.support.relay import Relay, relay

CALLS: list[tuple[bytes, str, str, Any, str]] = [
    (b"INSERT INTO entities", "POST", "/entities", entity(), "entities"),
    (b"COPY events", "POST", "/entities/known/events", {"eventType": "session", "data": {}}, "events"),
    (b"INSERT INTO states", "PUT", "/entities/known/state/balance", 1, "states"),
    (b"INSERT INTO api_keys", "POST", "/api-keys", {"label": "x"}, "api_keys"),
]


def call(settings: Settings, pool: Pool, through: Relay, method: str, path: str, item: Any) -> Any:
    app = create_app(replace(settings, database_url=through.database_url))
    with transaction(pool) as conn:
        api = Api(app, *make_tenant(conn))
    direct = Api(create_app(settings), api.tenant, api.key)
    direct.post("/entities", entity(externalId="known"))
    try:
        return api.call(method, path, item, base="" if path == "/api-keys" else "/operator-data-api")
    finally:
        app.extensions["sluice"].close()
        direct.app.extensions["sluice"].close()


def rows(pool: Pool, table: str) -> int:
    with transaction(pool) as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return int(str(row[0]))


@pytest.mark.parametrize(("marked", "method", "path", "item", "table"), CALLS)
def test_section_1_never_a_5xx_after_the_work_was_committed(
    settings: Settings, pool: Pool, tmp_path: Path, marked: bytes, method: str, path: str, item: Any, table: str
) -> None:
    with relay(settings.database_url, tmp_path, marked=marked, lands=True) as through:
        answer = call(settings, pool, through, method, path, item)
        assert through.cuts == 1
    assert data(answer)
    assert answer.status_code in {200, 201, 202}
    assert rows(pool, table) == (2 if table in {"entities", "api_keys"} else 1)


@pytest.mark.parametrize(("marked", "method", "path", "item", "table"), CALLS)
def test_section_1_never_a_2xx_for_work_that_was_not_committed(
    settings: Settings, pool: Pool, tmp_path: Path, marked: bytes, method: str, path: str, item: Any, table: str
) -> None:
    with relay(settings.database_url, tmp_path, marked=marked, lands=False) as through:
        answer = call(settings, pool, through, method, path, item)
        assert through.cuts == 1
    refused(answer, 503, "UNAVAILABLE")
    assert rows(pool, table) == (1 if table in {"entities", "api_keys"} else 0)


@pytest.mark.parametrize("lands", [True, False])
def test_section_1_a_batch_whose_answer_was_lost_on_the_way_from_the_database_is_stored_once(
    settings: Settings, pool: Pool, tmp_path: Path, *, lands: bool
) -> None:
    marked = b"INSERT INTO jobs"
    with relay(settings.database_url, tmp_path, marked=marked, lands=lands, at=marked) as through:
        answer = call(settings, pool, through, "POST", "/batch/entities", [entity()])
        assert through.cuts == 1
    assert answer.status_code == 202
    assert (rows(pool, "jobs"), rows(pool, "job_blocks")) == (1, 1)
