"""Postgres goes away in every way that it can, and comes back; what was promised stands."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from tests.chaos import recoveries
from tests.chaos.cluster import Cluster
from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG
from tests.chaos.invariants import check_invariants
from tests.chaos.processes import Processes
from tests.chaos.traffic import Traffic
from tests.support.relay import relay

_STOPS = 10 if LONG else 3
_AWAY_SECONDS = 20.0 if LONG else 4.0
_CUTTING_ROUNDS = 100 if LONG else 20
_CUTTING_INTERVAL_SECONDS = 0.2


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as url:
        yield url


@pytest.fixture
def busy_deployment(deployment: Deployment) -> Deployment:
    """API, worker and sweep are ready."""
    Processes(deployment)
    return deployment


def test_every_session_ended_every_200_ms_loses_and_doubles_nothing(
    busy_deployment: Deployment, cluster: Cluster
) -> None:
    with Traffic(busy_deployment) as traffic:
        traffic.until_accepted(10)
        interval = threading.Event()
        for _ in range(_CUTTING_ROUNDS):
            cluster.cut_all()
            interval.wait(_CUTTING_INTERVAL_SECONDS)
        traffic.until_accepted(10)
    check_invariants(busy_deployment)


def test_postgres_crashing_again_and_again_loses_and_doubles_nothing(
    busy_deployment: Deployment, cluster: Cluster
) -> None:
    with Traffic(busy_deployment) as traffic:
        for _ in range(_STOPS):
            traffic.until_accepted(10)
            cluster.stop()
            cluster.start()
        traffic.until_accepted(10)
    check_invariants(busy_deployment)


def test_work_goes_on_when_postgres_is_back_after_a_while(busy_deployment: Deployment, cluster: Cluster) -> None:
    with Traffic(busy_deployment) as traffic:
        traffic.until_accepted(10)
        cluster.stop()
        threading.Event().wait(_AWAY_SECONDS)
        cluster.start()
        witness = busy_deployment.witness()
        back, fault = recoveries.now(witness), f"Postgres back after {_AWAY_SECONDS:.0f} s"
        recoveries.measure_work(fault, witness, since=back)
        recoveries.measure_accepting(fault, witness, since=back)
        traffic.until_accepted(10)
    check_invariants(busy_deployment)


def test_no_connection_to_be_had_for_a_while_costs_nothing(busy_deployment: Deployment, cluster: Cluster) -> None:
    with Traffic(busy_deployment) as traffic, ExitStack() as held:
        traffic.until_accepted(10)
        cluster.cut_all()  # those that stand would go on as if nothing were
        with suppress(psycopg.OperationalError):  # the first that is refused
            while True:
                held.enter_context(cluster.admin())
        threading.Event().wait(_AWAY_SECONDS)
        held.close()
        traffic.until_accepted(10)
    check_invariants(busy_deployment)


_LOCK_ENTITIES = "LOCK TABLE entities IN EXCLUSIVE MODE"


def test_a_table_that_somebody_else_locks_for_long_only_puts_the_work_off(deployment: Deployment) -> None:
    client = deployment.ready_client()
    job_id = deployment.store(client, client.batch("entities"), block_items=10)
    worker = deployment.worker(children=1)
    deployment.sweep()
    with psycopg.connect(deployment.settings.database_url) as other:
        other.execute(_LOCK_ENTITIES)
        deployment.notifier.notify(job_id)
        worker.until_line("block_retried")
    check_invariants(deployment)


_LOCK_ONE = "SELECT FROM entities WHERE external_id = %s FOR UPDATE"
_SOMEONE_WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name ~ '^sluice-worker'
"""


def test_somebody_elses_deadlock_only_puts_the_work_off(deployment: Deployment) -> None:
    client = deployment.ready_client()
    batch = client.batch("entities", items=60)
    job_id = deployment.store(client, batch, block_items=60)
    names = sorted(item["externalId"] for item in batch.items if "email" in item["data"])
    worker = deployment.worker(children=1)
    deployment.sweep()
    witness = deployment.witness()
    with psycopg.connect(deployment.settings.database_url) as other:
        other.execute("SET deadlock_timeout = '1min'")  # so that it is the worker that is told
        other.execute(_LOCK_ONE, (names[-1],))
        deployment.notifier.notify(job_id)
        while not witness.one(_SOMEONE_WAITS):  # the worker, which has locked all the others
            witness.one("SELECT pg_sleep(0.01)")
        other.execute(_LOCK_ONE, (names[0],))
        worker.until_line("40P01")
    check_invariants(deployment)


_LANDS = pytest.mark.parametrize("lands", [True, False], ids=["it_landed", "it_did_not_land"])


@_LANDS
def test_a_public_batch_whose_blocks_commit_is_never_answered_is_done_once(
    deployment: Deployment, tmp_path: Path, *, lands: bool
) -> None:
    with relay(deployment.settings.database_url, tmp_path, marked=b"SET open = false", lands=lands) as through:
        web = deployment.web(DATABASE_URL=through.database_url)
        client = deployment.public_client()
        for _ in range(2):
            deployment.send(client, client.batch(later=False))
        assert [batch.answered for batch in client.batches] == [200, 200]
        check_invariants(deployment)
        assert through.cuts == 1
        web.kill()


@_LANDS
def test_a_block_whose_commit_is_never_answered_stands_once(
    deployment: Deployment, tmp_path: Path, *, lands: bool
) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 4)
    deployment.sweep()  # a session that lost its client may hold the block a moment longer than the worker looks for it
    with relay(deployment.settings.database_url, tmp_path, marked=b"SET open = false", lands=lands) as through:
        worker = deployment.worker(children=1, DATABASE_URL=through.database_url)
        deployment.notifier.notify(job_id)
        worker.until_line("block_retried")
        check_invariants(deployment)
        assert through.cuts == 1
        worker.kill()
