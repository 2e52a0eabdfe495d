"""Everything at once, random but seeded: CHAOS_SEED repeats a run, CHAOS_SECONDS makes it long."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
import redis

from ingest.config import Settings
from tests.broker import Broker
from tests.chaos import recoveries
from tests.chaos.cluster import Cluster
from tests.chaos.house import House
from tests.chaos.invariants import ENDED_WITHIN_SECONDS, check_invariants
from tests.chaos.length import LONG, SECONDS
from tests.chaos.reading import check_reads
from tests.chaos.site import Site, resources
from tests.chaos.traffic import Traffic

_LONGEST_PAUSE_SECONDS = 1.5
_AFTERWARDS_SECONDS = 180  # a guard against hanging


@pytest.fixture
def settings(settings: Settings, broker: list[Broker]) -> Settings:
    return replace(settings, redis_url=broker[0].url)


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as url:
        yield url


class Fates:
    """Every fault that there is, each over when its method returns."""

    def __init__(self, site: Site, house: House, cluster: Cluster, broker: list[Broker], dice: random.Random) -> None:
        self._site, self._house, self._cluster, self._broker, self._dice = site, house, cluster, broker, dice
        self.all: list[Callable[[], None]] = [
            house.lose_a_pool_child,
            house.lose_the_worker,
            house.lose_sweep,
            house.lose_the_api,
            house.lose_the_api_master,
            house.lose_the_worker_master,
            house.lose_all,
            house.replace_the_worker,
            house.replace_the_api,
            lambda: house.freeze_the_worker(dice.uniform(0.1, 7)),
            cluster.cut_all,
            self.crash_postgres,
            self.lock_a_table,
            self.forget_all_messages,
            self.kill_the_broker,
            self.pause_the_broker,
            self.ring_for_many_twice,
        ]

    def crash_postgres(self) -> None:
        self._cluster.stop()
        self._pause(3)
        self._cluster.start()

    def lock_a_table(self) -> None:
        with psycopg.connect(self._site.settings.database_url) as other:
            other.execute(self._dice.choice([b"LOCK TABLE entities", b"LOCK TABLE states", b"LOCK TABLE events"]))
            self._pause(4)

    def forget_all_messages(self) -> None:
        with redis.Redis.from_url(self._broker[-1].url) as client:
            client.flushall()

    def kill_the_broker(self) -> None:
        self._broker[-1].kill()
        self._pause(3)
        self._broker.append(self._broker[-1].again())

    def pause_the_broker(self) -> None:
        self._broker[-1].pause()
        self._pause(3)
        self._broker[-1].go_on()

    def ring_for_many_twice(self) -> None:
        known = [batch.job_id for lane in list(self._site.lanes) for batch in list(lane.batches) if batch.job_id]
        self._site.message(*self._dice.sample(known, min(20, len(known))) * 2)

    def _pause(self, longest: float) -> None:
        threading.Event().wait(self._dice.uniform(0, longest))


@pytest.mark.timeout(SECONDS + _AFTERWARDS_SECONDS)
def test_everything_at_once_loses_and_doubles_nothing(site: Site, cluster: Cluster, broker: list[Broker]) -> None:
    dice = random.Random(site.seed)
    fates = Fates(site, House(site), cluster, broker, dice)
    until = time.monotonic() + SECONDS
    with Traffic(site) as traffic:
        traffic.until_accepted(5)
        while time.monotonic() < until:
            dice.choice(fates.all)()
            threading.Event().wait(dice.uniform(0, _LONGEST_PAUSE_SECONDS))
        witness = site.witness()
        over = recoveries.now(witness)
        traffic.until_accepted(10)
    print(Counter((batch.kind, batch.answered) for lane in site.lanes for batch in lane.batches))  # noqa: T201
    witness.until_ended(within=ENDED_WITHIN_SECONDS)
    ended = witness.one("SELECT max(ended_at) FROM jobs WHERE created_at < %s", over)
    recoveries.measure("everything at once is over: the last job ends", goal=60, since=over, then=max(over, ended))
    check_invariants(site)
    check_reads(site)


_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^sluice-'"
_MOST_SESSIONS = 2 * 16 + 2 + 1 + 2  # web threads, which may run too, a worker's children, sweep, its rescue workers
_MOST_CLIENTS = _MOST_SESSIONS  # of Redis: fewer, but for a handful that Celery and flower hold without a session
# Files: connections of clients, and whatever is opened or closed between two counts.
_COME_AND_GO = 15
_ROUNDS = 20 if LONG else 5


def _clients(broker: Broker) -> int:
    with redis.Redis.from_url(broker.url) as client:
        return int(client.info("clients")["connected_clients"])


def test_nothing_grows_while_connections_come_and_go(site: Site, cluster: Cluster, broker: list[Broker]) -> None:
    house = House(site)
    beside_connections, kilobytes = [], []
    with Traffic(site) as traffic:
        for _ in range(_ROUNDS):
            cluster.cut_all()
            with redis.Redis.from_url(broker[-1].url) as client:
                client.flushall()
                client.client_kill_filter(skipme=True, _type="normal")
            traffic.until_accepted(20)
            held = [resources(process) for process in house.processes]
            sessions, clients = site.witness().one(_SESSIONS), _clients(broker[-1])
            assert sessions <= _MOST_SESSIONS
            assert clients <= _MOST_CLIENTS
            # The pools may grow to those bounds in as many rounds as they like; the files beside them may not.
            beside_connections.append(sum(each.files for each in held) - sessions - clients)
            kilobytes.append([each.kilobytes for each in held])
    check_invariants(site)
    # What a process needs at most it has opened after two rounds.
    assert beside_connections[-1] <= beside_connections[1] + _COME_AND_GO
    for early, late in zip(kilobytes[1], kilobytes[-1], strict=True):
        assert late <= early * 1.25
