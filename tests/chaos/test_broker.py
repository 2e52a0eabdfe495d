"""The broker forgets, dies, comes back empty, and says what nobody said. tests/worker has it away, and garbage."""

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
    for job_id in messages:
        site.bell.ring(job_id)
    site.worker(children=4)
    site.sweep()
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
        recoveries.measure("message lost: the job begins", goal=5, since=created, then=started)
    check_invariants(site)


def test_jobs_end_with_the_broker_gone_for_good(site: Site, broker: list[Broker]) -> None:
    site.web()
    site.worker()
    site.sweep()
    broker[-1].kill()
    lanes = [site.lane(tenant) for tenant in (0, 1, 0, 1)]
    for lane in lanes:
        site.send(lane, lane.batch())
    assert {batch.answered for lane in lanes for batch in lane.batches} == {202}
    witness = site.witness()
    witness.until_ended()
    for created, ended in witness.rows("SELECT created_at, ended_at FROM jobs"):
        recoveries.measure("broker gone: a job ends by sweep's own hands", goal=15, since=created, then=ended)
    broker.append(broker[-1].again())  # the invariants look into Redis
    with redis.Redis.from_url(broker[-1].url) as client:
        client.flushall()
    check_invariants(site)
