"""Redis is a convenience: without it the API accepts as ever, and jobs run all the same, only later."""

from collections.abc import Iterator
from dataclasses import replace

import httpx2
import pytest

from ingest.db.connection.pool import Pool, transaction
from ingest.ids import JOB, parse
from ingest.settings import Settings
from tests.support.broker import Broker
from tests.support.factories import entity, make_tenant
from tests.support.processes import Start, Watch


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    own = Broker(tmp_path_factory.mktemp("b") / "v.sock")
    yield own
    own.kill()


@pytest.fixture
def settings(settings: Settings, broker: Broker) -> Settings:
    return replace(settings, redis_url=broker.url)


@pytest.mark.parametrize("fault", [Broker.kill, Broker.pause], ids=["killed", "paused"])
@pytest.mark.parametrize("prefer", ["respond-async", "wait=1"])
def test_with_redis_gone_a_post_is_still_202_and_its_job_ends(
    pool: Pool, start: Start, watch: Watch, broker: Broker, fault: object, prefer: str
) -> None:
    with transaction(pool) as conn:
        _, key = make_tenant(conn)
    api = start.web()
    start.worker()
    start.sweep()
    headers = {"Authorization": f"Bearer {key}", "Prefer": prefer}

    assert callable(fault)
    fault(broker)
    # The client's timeout bounds what a request may take when its broker hangs: no more than the wait it asked for,
    # and the moment in which the rate limiter learns that Redis is away.
    with httpx2.Client(headers=headers, timeout=5) as client:
        answers = [client.post(f"{api}/operator-data-api/batch/entities", json=[entity(number)]) for number in range(5)]

    assert {answer.status_code for answer in answers} <= {200, 202}, "200: the sweeper was quick"
    watch.until_ended([parse(JOB, answer.json()["data"]["jobId"]) for answer in answers])


def test_a_worker_comes_back_to_a_broker_that_was_away(pool: Pool, start: Start, broker: Broker) -> None:
    with transaction(pool) as conn:
        _, key = make_tenant(conn)
    api = start.web()
    worker = start.worker()
    broker.kill()
    worker.until_line("Connection to broker lost")
    again = broker.again()
    try:
        headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=30"}
        with httpx2.Client(headers=headers, timeout=40) as client:
            answer = client.post(f"{api}/operator-data-api/batch/entities", json=[entity(1)])
        assert answer.status_code == 200, "no sweep runs: only the worker can have done it"
    finally:
        again.kill()
