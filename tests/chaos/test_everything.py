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

from ingest.settings import Settings
from tests.chaos import recoveries
from tests.chaos.check_reads import check_reads
from tests.chaos.cluster import Cluster
from tests.chaos.deployment import Deployment, resources
from tests.chaos.duration import LONG, SECONDS
from tests.chaos.invariants import ENDED_WITHIN_SECONDS, check_invariants
from tests.chaos.processes import Processes
from tests.chaos.traffic import Traffic
from tests.support.broker import Broker

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

    def __init__(
        self, deployment: Deployment, processes: Processes, cluster: Cluster, broker: list[Broker], dice: random.Random
    ) -> None:
        self._deployment, self._processes, self._cluster, self._broker, self._dice = (
            deployment,
            processes,
            cluster,
            broker,
            dice,
        )
        self.all: list[Callable[[], None]] = [
            processes.lose_a_pool_child,
            processes.lose_the_worker,
            processes.lose_sweep,
            processes.lose_the_api,
            processes.lose_the_api_master,
            processes.lose_the_worker_master,
            processes.lose_all,
            processes.replace_the_worker,
            processes.replace_the_api,
            lambda: processes.freeze_the_worker(dice.uniform(0.1, 7)),
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
        with psycopg.connect(self._deployment.settings.database_url) as other:
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
        known = [
            batch.job_id for client in list(self._deployment.clients) for batch in list(client.batches) if batch.job_id
        ]
        self._deployment.message(*self._dice.sample(known, min(20, len(known))) * 2)

    def _pause(self, longest: float) -> None:
        threading.Event().wait(self._dice.uniform(0, longest))


@pytest.mark.timeout(SECONDS + _AFTERWARDS_SECONDS)
def test_everything_at_once_loses_and_doubles_nothing(
    deployment: Deployment, cluster: Cluster, broker: list[Broker]
) -> None:
    dice = random.Random(deployment.seed)
    fates = Fates(deployment, Processes(deployment), cluster, broker, dice)
    until = time.monotonic() + SECONDS
    with Traffic(deployment) as traffic:
        traffic.until_accepted(5)
        while time.monotonic() < until:
            dice.choice(fates.all)()
            threading.Event().wait(dice.uniform(0, _LONGEST_PAUSE_SECONDS))
        witness = deployment.witness()
        over = recoveries.now(witness)
        traffic.until_accepted(10)
    print(Counter((batch.kind, batch.answered) for client in deployment.clients for batch in client.batches))  # noqa: T201
    witness.until_ended(within=ENDED_WITHIN_SECONDS)
    ended = witness.one("SELECT max(ended_at) FROM jobs WHERE created_at < %s", over)
    recoveries.measure("everything at once is over: the last job ends", goal=60, since=over, then=max(over, ended))
    check_invariants(deployment)
    check_reads(deployment)


_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^sluice-'"
_MOST_SESSIONS = 2 * 16 + 2 + 1 + 2  # web threads, which may run too, a worker's children, sweep, its rescue workers
_MOST_CLIENTS = _MOST_SESSIONS  # of Redis: fewer, but for a handful that Celery and flower hold without a session
# Connections of clients too, and those that Redis has cut and nobody has wanted since: a pool may hold as many of these
# as of others. Processes that each lost one a round would come to more.
_MOST_SOCKETS = 3 * _MOST_SESSIONS
_COME_AND_GO = 15  # other files that are opened or closed between two counts
_ROUNDS = 20 if LONG else 5


def _clients(broker: Broker) -> int:
    with redis.Redis.from_url(broker.url) as client:
        return int(client.info("clients")["connected_clients"])


def test_nothing_grows_while_connections_come_and_go(
    deployment: Deployment, cluster: Cluster, broker: list[Broker]
) -> None:
    processes = Processes(deployment)
    files, kilobytes = [], []
    with Traffic(deployment) as traffic:
        for _ in range(_ROUNDS):
            cluster.cut_all()
            with redis.Redis.from_url(broker[-1].url) as client:
                client.flushall()
                client.client_kill_filter(skipme=True, _type="normal")
            traffic.until_accepted(20)
            held = [resources(process) for process in processes.all]
            sessions, clients = deployment.witness().one(_SESSIONS), _clients(broker[-1])
            assert sessions <= _MOST_SESSIONS
            assert clients <= _MOST_CLIENTS
            # The pools may grow to those bounds in as many rounds as they like; the files beside them may not.
            assert sum(process.sockets for process in held) <= _MOST_SOCKETS
            files.append(sum(process.files for process in held))
            kilobytes.append([process.kilobytes for process in held])
    check_invariants(deployment)
    # After two rounds, a process has opened all that it ever needs.
    assert files[-1] <= files[1] + _COME_AND_GO
    for early, late in zip(kilobytes[1], kilobytes[-1], strict=True):
        assert late <= early * 1.25
