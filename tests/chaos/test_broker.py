"""The broker forgets, dies, comes back empty, and says what nobody said. tests/worker has it away, and garbage."""

import json
import random
from dataclasses import replace

import pytest
import redis

from ingest.config import Settings
from ingest.ids import uuid7
from tests.broker import Broker
from tests.chaos import recoveries
from tests.chaos.house import House
from tests.chaos.invariants import check_invariants
from tests.chaos.length import LONG
from tests.chaos.site import Site
from tests.chaos.traffic import Traffic


@pytest.fixture
def settings(settings: Settings, broker: list[Broker]) -> Settings:
    return replace(settings, redis_url=broker[0].url)


def test_a_broker_that_dies_and_comes_back_empty_twice_loses_no_job(site: Site, broker: list[Broker]) -> None:
    house = House(site)
    with Traffic(site) as traffic:
        for _ in range(2):
            traffic.until_accepted(20)
            broker[-1].kill()
            traffic.until_accepted(20)
            broker.append(broker[-1].again())
            house.worker.until_line("Connected to")
    check_invariants(site)


def test_a_broker_that_is_paused_and_goes_on_loses_no_job(site: Site, broker: list[Broker]) -> None:
    House(site)
    with Traffic(site) as traffic:
        traffic.until_accepted(20)
        broker[-1].pause()
        traffic.until_accepted(10)
        broker[-1].go_on()
    check_invariants(site)


def test_messages_doubled_reordered_unknown_and_forgotten_change_nothing(site: Site) -> None:
    lanes = [site.ready_lane() for _ in range(4)]
    jobs = [site.store_blocks(lane, 5, block_items=20) for lane in lanes for _ in range(3)]
    messages = [*jobs * 6, *(uuid7() for _ in range(10))]
    random.Random(site.seed).shuffle(messages)
    site.message(*messages)
    with redis.Redis.from_url(site.settings.redis_url) as client:
        assert client.llen("sluice.jobs") == len(messages)
    site.worker(children=4)
    site.sweep()
    check_invariants(site)


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


def test_plain_garbage_in_the_queue_ends_no_worker_and_keeps_no_place_in_it(site: Site, broker: list[Broker]) -> None:
    worker = site.worker()
    lanes = [site.lane() for _ in range(10)]
    with redis.Redis.from_url(broker[-1].url) as client:
        site.witness().until(lambda: client.pubsub_numpat() == 1, "the worker to listen to what is said to all")
        for garbage in _GARBAGE:
            client.lpush("sluice.jobs", garbage)
            assert client.publish("/0.celery.pidbox", garbage) == 1
    # With no sweep: every message behind the garbage arrives. The notifier would send none while garbage waits.
    site.message(*[site.store(lane, lane.batch(), block_items=1_000) for lane in lanes])
    check_invariants(site)
    assert worker.popen.poll() is None


def test_a_job_without_a_message_because_of_garbage_begins_by_sweep(site: Site, broker: list[Broker]) -> None:
    lane = site.lane()
    with redis.Redis.from_url(broker[-1].url) as client:
        client.lpush("sluice.jobs", b"garbage")
        site.web()
        site.send(lane, lane.batch())
        assert lane.batches[0].answered == 202
        site.worker()
        site.sweep()
        check_invariants(site)
        assert client.llen("sluice.jobs") == 0


def test_jobs_notified_only_to_hung_listeners_are_rescued(site: Site, broker: list[Broker]) -> None:
    House(site)
    with redis.Redis.from_url(broker[-1].url) as client, client.pubsub() as stranger:
        stranger.psubscribe("*")  # counts as a listening worker, as one that hangs does
        site.witness().until(lambda: client.pubsub_numpat() >= 2, "the stranger to listen")
        lanes = [site.lane(tenant) for tenant in (0, 1, 0, 1)]
        for _ in range(3):
            for lane in lanes:
                site.send(lane, lane.batch())
        assert {batch.answered for lane in lanes for batch in lane.batches} == {202}
        witness = site.witness()
        witness.until_ended()
        waited = "SELECT created_at, started_at FROM jobs WHERE after_job_id IS NULL"
        for created, started in witness.rows(waited):
            recoveries.measure("only hung listeners notified: a job begins", goal=5, since=created, then=started)
    said = [line for process in site.start.processes if process.name == "sweep" for line in process.lines]
    assert not [line for line in said if '"rescued"' in line], "workers are there: no rescue is needed"
    check_invariants(site)


def test_a_job_that_lost_its_message_begins_by_sweep(site: Site) -> None:
    site.worker()
    site.sweep()
    witness = site.witness()
    for _ in range(5 if LONG else 1):
        lane = site.lane()
        job_id = site.store(lane, lane.batch(), block_items=1_000)
        witness.until_ended([job_id])
        created, started = witness.rows("SELECT created_at, started_at FROM jobs WHERE id = %s", job_id)[0]
        recoveries.measure("a message lost: the job begins", goal=5, since=created, then=started)
    check_invariants(site)


def test_jobs_end_with_the_broker_gone_for_good(site: Site, broker: list[Broker]) -> None:
    broker[-1].kill()
    site.web()
    site.worker(until_ready=False)
    site.sweep()
    lanes = [site.lane(tenant) for tenant in (0, 1, 0, 1)]
    for lane in lanes:
        site.send(lane, lane.batch())
    assert {batch.answered for lane in lanes for batch in lane.batches} == {202}
    witness = site.witness()
    witness.until_ended()
    for created, ended in witness.rows("SELECT created_at, ended_at FROM jobs"):
        recoveries.measure(
            "the broker gone for good: a job ends by a rescue worker", goal=15, since=created, then=ended
        )
    broker.append(broker[-1].again())  # the invariants look into Redis
    with redis.Redis.from_url(broker[-1].url) as client:
        client.flushall()
    check_invariants(site)
