"""`GET /workers`: counts of the processes that run jobs (docs/contracts/jobs.md section 1)."""

from dataclasses import replace

import redis
from flask import Flask

from ingest.db.connection.pool import WORKER, connect
from ingest.notify import heartbeats
from tests.api.conftest import Api, data


def test_workers_count_whether_they_have_work_or_not(api: Api, broker: redis.Redis) -> None:
    assert data(api.get("/workers"))["running"] == 0
    heartbeats.beat(broker, "a", 4)
    assert data(api.get("/workers"))["running"] == 4


def test_nobody_knows_how_many_run_while_redis_is_away(app: Flask, api: Api) -> None:
    services = app.extensions["sluice"]
    services.settings = replace(services.settings, redis_url="redis://127.0.0.1:1/0")
    assert data(api.get("/workers")) == {"running": None, "busy": 0}


def test_a_worker_counts_as_busy_within_a_transaction(api: Api, database_url: str) -> None:
    busy = data(api.get("/workers"))["busy"]
    with connect(database_url, WORKER) as worker:
        assert data(api.get("/workers"))["busy"] == busy
        with worker.transaction():
            worker.execute("SELECT 1")
            assert data(api.get("/workers"))["busy"] == busy + 1
