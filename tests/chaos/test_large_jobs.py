"""Jobs of many blocks, and bodies that arrive for long, while workers, web and Postgres are killed."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.deployment import Deployment, children_of
from tests.chaos.invariants import check_invariants
from tests.chaos.model import Batch
from tests.chaos.workload import Client
from tests.support.processes import Process

_BLOCKS = 100
_LINES = 25_000  # two blocks of 10,000 while they arrive, and one when all have

in_either_order = pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as url:
        yield url


@in_either_order
def test_kill_9_of_workers_in_a_job_of_100_blocks_does_each_item_once(deployment: Deployment, *, ordered: bool) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), _BLOCKS, ordered=ordered)
    deployment.sweep()
    # Each child is killed in its 20th block, before that commits; so is each that comes in the place of a killed one.
    worker, witness = deployment.worker(SLUICE_FAULT="block.closed:20"), deployment.witness()
    deployment.notifier.notify(job_id)
    witness.until_blocks_done(job_id, 30)
    worker.kill()
    assert witness.blocks_done(job_id) < _BLOCKS
    deployment.worker()
    check_invariants(deployment)
    assert witness.one("SELECT attempts FROM jobs WHERE id = %s", job_id) > 1


@in_either_order
def test_postgres_crashing_in_a_job_of_100_blocks_loses_and_doubles_nothing(
    deployment: Deployment, cluster: Cluster, *, ordered: bool
) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), _BLOCKS, ordered=ordered)
    workers = [deployment.worker(children=1, SLUICE_FAULT="block.closed:20:STOP") for _ in range(2)]
    deployment.notifier.notify(job_id)
    # One worker alone is in an ordered job, and both are in the other, each in a block that is about to commit.
    wanted = 1 if ordered else 2
    deployment.witness().until(lambda: sum(map(is_stopped, workers)) == wanted, "the workers to be in a block")
    crash(cluster)
    deployment.sweep()
    for worker in workers:
        go_on(worker)
    check_invariants(deployment)


def test_postgres_crashing_while_a_body_arrives_stores_all_of_it_or_nothing(
    deployment: Deployment, cluster: Cluster
) -> None:
    start(deployment)
    client, batch = sender(deployment)

    def crash_in_the_middle() -> None:
        witness = deployment.witness()
        witness.until(lambda: witness.rows(_RECEIVED) == [(1,)], "a block to be stored")
        crash(cluster)

    deployment.send(client, batch, content=arriving(client, batch, crash_in_the_middle))
    check_the_retry(deployment, client, batch)


def test_postgres_crashing_behind_the_last_block_stores_all_of_the_body_or_nothing(
    deployment: Deployment, cluster: Cluster
) -> None:
    """Blocks wait for no disk: the crash loses the last two of three, which the server has confirmed."""
    web = start(deployment, SLUICE_FAULT="receive.appended:3:STOP")
    client, batch = sender(deployment)
    witness = deployment.witness()
    cluster.write_late()

    def write_the_first_block() -> None:
        witness.until(lambda: witness.rows(_RECEIVED) == [(1,)], "a block to be stored")
        witness.conn.execute("INSERT INTO history (status) VALUES ('on disk')")

    with ThreadPoolExecutor() as threads:
        content = arriving(client, batch, write_the_first_block)
        sent = threads.submit(deployment.send, client, batch, content=content)
        deployment.witness().until(lambda: is_stopped(web), "the last block to be stored")
        crash(cluster)
        go_on(web)
        sent.result()
    check_the_retry(deployment, client, batch)


def test_a_retry_after_kill_9_of_web_in_a_body_doubles_nothing(deployment: Deployment) -> None:
    deployment.worker()
    deployment.sweep()
    for point in ("receive.begun", "receive.appended", "accept.committed"):
        web = deployment.web(SLUICE_FAULT=f"{point}:1")
        client, batch = sender(deployment)
        deployment.send(client, batch)
        assert batch.answered is None, point
        web.kill()
        web = deployment.web()
        deployment.witness().conn.execute(_ABANDON)
        check_the_retry(deployment, client, batch)
        web.kill()


_RECEIVED = "SELECT blocks_open FROM jobs WHERE status = 'receiving'"
_ABANDON = "UPDATE jobs SET progressed_at = progressed_at - interval '1 hour' WHERE status = 'receiving'"


def start(deployment: Deployment, **env: str) -> Process:
    """Start all processes; return the web process, which alone has that environment."""
    worker = deployment.worker(until_ready=False)
    web = deployment.web(**env)
    deployment.sweep()
    worker.until_line("ready.")
    return web


def sender(deployment: Deployment) -> tuple[Client, Batch]:
    """Return a client, and a batch of many lines with a key of its own that it is to send."""
    client = deployment.ready_client()
    batch = client.batch("events", items=_LINES)
    batch.lines, batch.key = True, batch.request_id
    return client, batch


def arriving(client: Client, batch: Batch, halfway: Callable[[], None]) -> Iterator[bytes]:
    """Yield the body of a batch in two halves, and do something between them."""
    lines = client.request(batch)["content"].encode().splitlines(keepends=True)
    yield b"".join(lines[: len(lines) // 2])
    halfway()
    yield b"".join(lines[len(lines) // 2 :])


def check_the_retry(deployment: Deployment, client: Client, batch: Batch) -> None:
    """Send a batch again under its key, whatever became of it: it is stored once, whole, and nothing else is left."""
    assert batch.answered in {None, 202, 503}
    witness = deployment.witness()
    witness.until(lambda: witness.rows(_RECEIVED) == [], "what was left of the body to be removed")
    deployment.send(client, batch)
    assert batch.answered in {200, 202}
    check_invariants(deployment)
    assert witness.rows("SELECT total FROM jobs WHERE request_id = %s", batch.request_id) == [(_LINES,)]
    assert witness.one("SELECT count(*) FROM job_blocks b WHERE NOT EXISTS (SELECT FROM jobs WHERE id = b.job_id)") == 0


def crash(cluster: Cluster) -> None:
    cluster.stop()
    cluster.start()


def is_stopped(process: Process) -> bool:
    """True if a child of the process is stopped."""
    statuses = [Path(f"/proc/{child}/status").read_text(encoding="ascii") for child in children_of(process.forked.pid)]
    return any("State:\tT" in status for status in statuses)


def go_on(process: Process) -> None:
    for child in children_of(process.forked.pid):
        os.kill(child, signal.SIGCONT)
