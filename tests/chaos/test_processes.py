"""Processes are killed, stopped and replaced while they work."""

import os
import select
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.chaos import recoveries
from tests.chaos.check_reads import check_reads
from tests.chaos.deliveries import assert_stopped, deliver
from tests.chaos.deployment import Deployment, children_of
from tests.chaos.duration import only_long
from tests.chaos.invariants import check_invariants
from tests.chaos.processes import Processes
from tests.chaos.traffic import Traffic
from tests.support.processes import Process

_STOPS_WITHIN_SECONDS = 30
_PROCESSING = "SELECT count(*) FROM jobs WHERE status = 'processing'"


_LOSSES = (Processes.lose_a_pool_child, Processes.lose_the_worker, Processes.lose_the_api_master, Processes.lose_all)
_MORE_LOSSES = (Processes.lose_sweep, Processes.lose_the_api, Processes.lose_the_worker_master)


@pytest.mark.parametrize(
    "losses", [_LOSSES, pytest.param(_MORE_LOSSES, marks=only_long)], ids=["most", "those_that_others_contain"]
)
def test_kill_9_under_traffic_loses_and_doubles_nothing(
    deployment: Deployment, losses: tuple[Callable[[Processes], None], ...]
) -> None:
    processes, witness = Processes(deployment), deployment.witness()

    def until_ten_more_ended() -> None:
        ended = "SELECT count(*) FROM jobs WHERE ended_at IS NOT NULL"
        enough = witness.one(ended) + 10
        witness.until(lambda: witness.one(ended) >= enough, "traffic to flow")

    with Traffic(deployment):
        until_ten_more_ended()
        for lose in [loss for loss in losses for _ in range(2)]:
            killed = recoveries.now(witness)
            lose(processes)
            for measure, fault in _MEASURED.get(lose.__name__, ()):
                measure(f"{fault} killed and started again", witness, since=killed)
            until_ten_more_ended()
    check_invariants(deployment)


_MEASURED = {
    "lose_the_api": [(recoveries.measure_accepting, "the API")],
    "lose_the_api_master": [(recoveries.measure_accepting, "the API's master")],
    "lose_all": [(recoveries.measure_accepting, "everything"), (recoveries.measure_work, "everything")],
}


def test_a_killed_master_of_the_api_leaves_its_port_and_its_requests_are_answered(deployment: Deployment) -> None:
    witness, first, client = deployment.witness(), deployment.web(), deployment.client()
    request = client.request(client.batch())
    request |= {
        "url": deployment.api + request["url"],
        "headers": request["headers"] | {"Prefer": "wait=30"},
        "timeout": 60,
    }
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx2.post, **request)
        witness.until(lambda: witness.one("SELECT count(*) FROM jobs") == 1, "the request to wait for its job")
        killed = recoveries.now(witness)
        first.kill_alone()
        deployment.web()
        other = deployment.client()
        deployment.send(other, other.batch())
        recoveries.measure_accepting("the API's master killed and started again", witness, since=killed, goal=5)
        deployment.worker()
        answer = asked.result()
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "completed")


def die_with(parent: Process) -> Callable[[], bool]:
    """Kill a process; whether all of its children are gone."""
    children = [os.pidfd_open(child) for child in children_of(parent.forked.pid)]
    assert children
    parent.kill_alone()
    return lambda: all(select.select([child], [], [], 0)[0] for child in children)


def test_the_children_of_a_killed_worker_die_with_it(deployment: Deployment) -> None:
    worker, witness = deployment.worker(SLUICE_FAULT="block.written:1:STOP"), deployment.witness()
    job_id = deployment.store_blocks(deployment.ready_client(), 2)
    deployment.notifier.notify(job_id)
    witness.until(lambda: witness.one(_PROCESSING) == 1, "a child to be at its block")
    witness.until(die_with(worker), "the children to be gone")


def test_the_children_of_a_killed_sweep_die_with_it(deployment: Deployment) -> None:
    deployment.store_blocks(deployment.ready_client(), 2)
    witness = deployment.witness()
    witness.conn.execute(
        "UPDATE jobs SET notify_attempts = 2, check_at = now(), progressed_at = created_at - interval '1 h'"
        " WHERE ended_at IS NULL"
    )
    sweep = deployment.sweep(SLUICE_FAULT="rescue.begun:1:STOP")
    sweep.until_line('"rescued": 1')
    witness.until(die_with(sweep), "the child to be gone")


def kill_a_child_of(worker: Process) -> None:
    os.kill(children_of(worker.forked.pid)[0], signal.SIGKILL)


@pytest.mark.parametrize(
    ("kill", "fault"), [(Process.kill, "a worker"), (kill_a_child_of, "a pool child")], ids=["worker", "pool_child"]
)
def test_a_job_whose_worker_was_killed_runs_on_with_another(
    deployment: Deployment, kill: Callable[[Process], None], fault: str
) -> None:
    first = deployment.worker(children=1, SLUICE_FAULT="block.written:3:STOP")
    witness = deployment.witness()
    job_id = deployment.store_blocks(deployment.ready_client(), 4)
    deployment.notifier.notify(job_id)
    witness.until_blocks_done(job_id, 2)
    deployment.sweep()
    deployment.worker()

    died = recoveries.now(witness)
    kill(first)
    witness.until_blocks_done(job_id, 3)
    went_on = witness.one("SELECT min(at) FROM history WHERE job_id = %s AND processed > 100", job_id)
    recoveries.measure(f"{fault} killed in a block: the job runs on", goal=5, since=died, then=went_on)
    check_invariants(deployment)


def test_a_worker_stopped_past_its_sessions_timeout_can_not_commit_late(deployment: Deployment) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 4)
    late = deliver(deployment, job_id, "block.closed:2:STOP")
    assert_stopped(late)
    witness = deployment.witness()
    stopped = recoveries.now(witness)
    deployment.sweep()
    deployment.worker()
    witness.until_ended([job_id])
    went_on = witness.one("SELECT min(at) FROM history WHERE job_id = %s AND processed > 50", job_id)
    recoveries.measure("a worker stopped in a block: the job runs on", goal=10, since=stopped, then=went_on)

    late.send_signal(signal.SIGCONT)
    # It is told that its session is gone, and leaves; or so much time has passed that the kernel ended it.
    assert late.wait(_STOPS_WITHIN_SECONDS) in {0, -signal.SIGALRM}
    check_invariants(deployment)


def test_a_rolling_restart_under_a_full_queue_fails_no_job(deployment: Deployment) -> None:
    deployment.sweep()
    worker, witness = deployment.worker(children=2), deployment.witness()
    clients = [deployment.ready_client() for _ in range(6)]
    for _ in range(3):
        for client in clients:
            deployment.notifier.notify(deployment.store_blocks(client, 20))
        successor = deployment.worker(children=2, until_ready=False)
        witness.until(lambda: witness.one(_PROCESSING) > 0, "the worker to be in the middle of its work")
        _stop(worker)
        successor.until_line("ready.")
        worker = successor
    check_invariants(deployment)


def test_a_rolling_restart_of_the_api_under_load_answers_whatever_it_was_asked(deployment: Deployment) -> None:
    processes = Processes(deployment)
    with Traffic(deployment) as traffic:
        for _ in range(2):
            traffic.until_accepted(20)
            processes.replace_the_api()
        traffic.until_accepted(20)
    check_invariants(deployment)
    check_reads(deployment)
    unanswered = [batch for client in deployment.clients for batch in client.batches if batch.answered is None]
    assert [batch.request_id for batch in unanswered if batch.job_id] == [], "stored, and the client does not know"


def _stop(worker: Process) -> None:
    worker.forked.terminate()
    assert worker.forked.wait(_STOPS_WITHIN_SECONDS) == 0
