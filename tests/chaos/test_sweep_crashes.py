"""The sweeper may die at any step: the next one checks again."""

import signal

import pytest

from tests.chaos import recoveries
from tests.chaos.deployment import Deployment
from tests.chaos.invariants import check_invariants


@pytest.mark.parametrize("point", ["sweep.checked", "sweep.notified"])
def test_kill_9_of_sweep_before_or_after_it_notifies_only_puts_that_off(deployment: Deployment, point: str) -> None:
    client = deployment.ready_client()
    deployment.store_blocks(client, 3)
    first = deployment.sweep(SLUICE_FAULT=f"{point}:1")
    assert first.forked.wait(60) == -signal.SIGKILL

    worker = deployment.worker(until_ready=False)
    deployment.sweep()
    worker.until_line("ready.")
    check_invariants(deployment)


def test_a_job_that_lost_its_message_while_sweep_was_down_begins_once_it_is_back(deployment: Deployment) -> None:
    deployment.worker()
    deployment.sweep().kill()
    client = deployment.client()
    job_id = deployment.store(client, client.batch(), block_items=1_000)
    witness = deployment.witness()
    back = recoveries.now(witness)
    deployment.sweep()
    witness.until_ended([job_id])
    began = witness.one("SELECT started_at FROM jobs WHERE id = %s", job_id)
    recoveries.measure("sweep killed, and a message lost: the job begins", goal=5, since=back, then=began)
    check_invariants(deployment)


def test_kill_9_of_a_rescue_worker_leaves_sweep_alive_and_the_job_to_others(deployment: Deployment) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 3)
    first = deployment.sweep(SLUICE_FAULT="rescue.begun:1")
    witness = deployment.witness()
    witness.until(
        lambda: witness.one("SELECT notify_attempts FROM jobs WHERE id = %s", job_id) == 3, "a rescue to be needed"
    )
    first.until_line('"rescued": 1')

    deployment.worker()
    check_invariants(deployment)
    assert first.forked.poll() is None
