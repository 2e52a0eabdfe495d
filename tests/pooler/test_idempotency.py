"""Idempotency keys need no session of their own: a lock and a row of one transaction each."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app import create_app
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.settings import Settings
from tests.api.conftest import Api, data
from tests.support.factories import entity, event, make_tenant


@pytest.mark.parametrize(
    ("path", "item", "status"),
    [
        ("/entities", entity(), 201),
        ("/entities/player_000000/events", {"eventType": "session", "data": {}}, 201),
        ("/batch/events", [event()], 202),
    ],
)
def test_equal_requests_at_once_are_one(
    settings: Settings, pool: Pool, observer: Connection, path: str, item: Any, status: int
) -> None:
    app = create_app(settings)
    with transaction(pool) as conn:
        api = Api(app, *make_tenant(conn))
    api.post("/entities", entity(0))
    with ThreadPoolExecutor(8) as clients:
        for key in ("a", "b", "c"):
            answers = list(clients.map(lambda _, key=key: api.post(path, item, Idempotency_Key=key), range(16)))
            assert {answer.status_code for answer in answers} <= {status, 200, 409}
            done = [answer for answer in answers if answer.status_code != 409]
            assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
            assert len({data(answer).get("jobId") or data(answer)["id"] for answer in done}) == 1
    app.extensions["sluice"].close()
    assert observer.execute("SELECT FROM idempotency_keys").rowcount == 3
    table = {"/batch/events": "jobs", "/entities": "entities"}.get(path, "events")
    assert observer.execute(f"SELECT FROM {table}".encode()).rowcount == {"entities": 2}.get(table, 3)
    assert observer.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").rowcount == 0
