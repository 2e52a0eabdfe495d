"""The broker forgets, dies, comes back empty, and says what nobody said. tests/worker has it away, and garbage."""

import json
import random
from dataclasses import replace

import pytest
import redis

from ingest.ids import uuid7
from ingest.settings import Settings
from tests.chaos import recoveries
from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG
from tests.chaos.invariants import check_invariants
from tests.chaos.processes import Processes
from tests.chaos.traffic import Traffic
from tests.support.broker import Broker


@pytest.fixture
def settings(settings: Settings, broker: list[Broker]) -> Settings:
    return replace(settings, redis_url=broker[0].url)


def test_a_broker_that_dies_and_comes_back_empty_twice_loses_no_job(
    deployment: Deployment, broker: list[Broker]
) -> None:
    processes = Processes(deployment)
    with Traffic(deployment) as traffic:
        for _ in range(2):
            traffic.until_accepted(20)
            broker[-1].kill()
            traffic.until_accepted(20)
            broker.append(broker[-1].again())
            processes.worker.until_line("Connected to")
    check_invariants(deployment)


def test_a_broker_that_is_paused_and_goes_on_loses_no_job(deployment: Deployment, broker: list[Broker]) -> None:
    Processes(deployment)
    with Traffic(deployment) as traffic:
        traffic.until_accepted(20)
        broker[-1].pause()
        traffic.until_accepted(10)
        broker[-1].go_on()
    check_invariants(deployment)


def test_messages_doubled_reordered_unknown_and_forgotten_change_nothing(deployment: Deployment) -> None:
    clients = [deployment.ready_client() for _ in range(4)]
    jobs = [deployment.store_blocks(client, 5, block_items=20) for client in clients for _ in range(3)]
    messages = [*jobs * 6, *(uuid7() for _ in range(10))]
    random.Random(deployment.seed).shuffle(messages)
    deployment.message(*messages)
    with redis.Redis.from_url(deployment.settings.redis_url) as valkey:
        assert valkey.llen("sluice.jobs") == len(messages)
    deployment.worker(children=4)
    deployment.sweep()
    check_invariants(deployment)


def _message(headers: object, content_type: str = "application/json") -> bytes:
    properties = {"body_encoding": "base64", "delivery_tag": str(uuid7()), "delivery_info": _WAY}
    message = {"body": "W10=", "content-encoding": "utf-8", "content-type": content_type}
    return json.dumps({**message, "headers": headers, "properties": properties}).encode()


_WAY = {"exchange": "", "routing_key": "sluice.jobs"}

# From what is not even JSON to what breaks late in Celery.
_GARBAGE = [
    b"garbage",
    b"",
    b"\xff\xfe\x00",
    b"[]",
    b"7",
    b"null",
    b"{}",
    b"[" * 100_000,
    b'{"body": "%", "headers": null, "properties": {"body_encoding": "base64", "delivery_tag": "1"}}',
    _message(None),
    _message([]),
    _message({}),
    _message({"task": "sluice.run_job"}),
    _message({"task": "sluice.run_job", "id": None}),
    _message({"task": ["sluice.run_job"], "id": "1"}),
    _message({"task": "sluice.run_job", "id": "1"}, "application/x-python-serialize"),
]


def test_plain_garbage_in_the_queue_ends_no_worker_and_keeps_no_place_in_it(
    deployment: Deployment, broker: list[Broker]
) -> None:
    worker = deployment.worker()
    clients = [deployment.client() for _ in range(10)]
    with redis.Redis.from_url(broker[-1].url) as valkey:
        deployment.witness().until(lambda: valkey.pubsub_numpat() == 1, "the worker to listen to what is said to all")
        for garbage in _GARBAGE:
            valkey.lpush("sluice.jobs", garbage)
            assert valkey.publish("/0.celery.pidbox", garbage) == 1
    # With no sweep: every message behind the garbage arrives. The notifier would send none while garbage waits.
    deployment.message(*[deployment.store(client, client.batch(), block_items=1_000) for client in clients])
    check_invariants(deployment)
    assert worker.forked.poll() is None


def test_a_job_without_a_message_because_of_garbage_begins_by_sweep(
    deployment: Deployment, broker: list[Broker]
) -> None:
    client = deployment.client()
    with redis.Redis.from_url(broker[-1].url) as valkey:
        valkey.lpush("sluice.jobs", b"garbage")
        deployment.web()
        deployment.send(client, client.batch())
        assert client.batches[0].answered == 202
        deployment.worker()
        deployment.sweep()
        check_invariants(deployment)
        assert valkey.llen("sluice.jobs") == 0


def test_jobs_notified_only_to_hung_listeners_are_rescued(deployment: Deployment, broker: list[Broker]) -> None:
    Processes(deployment)
    with redis.Redis.from_url(broker[-1].url) as valkey, valkey.pubsub() as stranger:
        stranger.psubscribe("*")  # counts as a listening worker, as one that hangs does
        deployment.witness().until(lambda: valkey.pubsub_numpat() >= 2, "the stranger to listen")
        clients = [deployment.client(tenant) for tenant in (0, 1, 0, 1)]
        for _ in range(3):
            for client in clients:
                deployment.send(client, client.batch())
        assert {batch.answered for client in clients for batch in client.batches} == {202}
        witness = deployment.witness()
        witness.until_ended()
        waited = "SELECT created_at, started_at FROM jobs WHERE after_job_id IS NULL"
        for created, started in witness.rows(waited):
            recoveries.measure("only hung listeners notified: a job begins", goal=5, since=created, then=started)
    said = [line for process in deployment.start.processes if process.name == "sweep" for line in process.lines]
    assert not [line for line in said if '"rescued"' in line], "workers are there: no rescue is needed"
    check_invariants(deployment)


def test_a_job_that_lost_its_message_begins_by_sweep(deployment: Deployment) -> None:
    deployment.worker()
    deployment.sweep()
    witness = deployment.witness()
    for _ in range(5 if LONG else 1):
        client = deployment.client()
        job_id = deployment.store(client, client.batch(), block_items=1_000)
        witness.until_ended([job_id])
        created, started = witness.rows("SELECT created_at, started_at FROM jobs WHERE id = %s", job_id)[0]
        recoveries.measure("a message lost: the job begins", goal=5, since=created, then=started)
    check_invariants(deployment)


def test_jobs_end_with_the_broker_gone_for_good(deployment: Deployment, broker: list[Broker]) -> None:
    broker[-1].kill()
    deployment.web()
    deployment.worker(until_ready=False)
    deployment.sweep()
    clients = [deployment.client(tenant) for tenant in (0, 1, 0, 1)]
    for client in clients:
        deployment.send(client, client.batch())
    assert {batch.answered for client in clients for batch in client.batches} == {202}
    witness = deployment.witness()
    witness.until_ended()
    for created, ended in witness.rows("SELECT created_at, ended_at FROM jobs"):
        recoveries.measure(
            "the broker gone for good: a job ends by a rescue worker", goal=15, since=created, then=ended
        )
    broker.append(broker[-1].again())  # the invariants look into Redis
    with redis.Redis.from_url(broker[-1].url) as valkey:
        valkey.flushall()
    check_invariants(deployment)
