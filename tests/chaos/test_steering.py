"""kill -9 beside a pause, a resume or a cancellation loses nothing, doubles nothing, and undoes no answer."""

import os
import signal
from uuid import UUID

import pytest

from ingest.db.connection.pool import connect
from ingest.db.jobs import control
from tests.chaos.deliveries import assert_killed, assert_stopped, deliver
from tests.chaos.deployment import Deployment
from tests.chaos.invariants import check_invariants

BLOCKS = 3

_STEER = {"pause": control.pause, "resume": control.resume, "cancel": control.cancel}


def steer(deployment: Deployment, verb: str, job_id: UUID) -> bool:
    with connect(deployment.settings.database_url, "sluice-web") as conn:
        return bool(_STEER[verb](conn, job_id))


def end_well(deployment: Deployment) -> None:
    """Start what was not running, and hold everything against the model."""
    worker = deployment.worker(until_ready=False)
    deployment.sweep()
    worker.until_line("ready.")
    check_invariants(deployment)


@pytest.mark.parametrize("point", ["job.begun:1", "block.written:2", "block.closed:2", "block.committed:2"])
def test_kill_9_in_a_job_that_is_paused_loses_and_doubles_nothing(deployment: Deployment, point: str) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), BLOCKS)
    delivery = deliver(deployment, job_id, f"{point}:STOP")
    assert_stopped(delivery)
    closing = point.startswith("block.closed")
    if not closing:  # whose transaction holds the job
        assert steer(deployment, "pause", job_id)
    delivery.kill()
    delivery.wait()
    if closing:
        assert steer(deployment, "pause", job_id)
    done = deployment.witness().blocks_done(job_id)
    assert done == {"job.begun:1": 0, "block.written:2": 1, "block.closed:2": 1, "block.committed:2": 2}[point]
    assert steer(deployment, "resume", job_id)
    end_well(deployment)


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_kill_9_in_a_job_that_is_steered_in_a_block_keeps_the_answer(deployment: Deployment, verb: str) -> None:
    client = deployment.ready_client()
    job_id = deployment.store_blocks(client, BLOCKS)
    delivery = deliver(deployment, job_id, "block.written:2:STOP")
    assert_stopped(delivery)
    assert steer(deployment, verb, job_id)
    os.kill(delivery.pid, signal.SIGCONT)
    delivery.wait()
    witness = deployment.witness()
    # A pause lets the block under way commit, and a cancellation does not.
    assert witness.blocks_done(job_id) == (2 if verb == "pause" else 1)
    status = witness.one("SELECT status FROM jobs WHERE id = %s", job_id)
    assert status == {"pause": "paused", "cancel": "cancelled"}[verb]
    if verb == "pause":
        assert steer(deployment, "resume", job_id)
    else:
        client.batches[-1].cancelled = True
    end_well(deployment)


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_kill_9_of_the_api_while_it_steers_a_job_leaves_it_as_it_was(deployment: Deployment, verb: str) -> None:
    client = deployment.ready_client()
    job_id = deployment.store_blocks(client, BLOCKS)
    batch, witness = client.batches[-1], deployment.witness()
    if verb == "resume":
        assert steer(deployment, "pause", job_id)
    before = witness.one("SELECT status FROM jobs WHERE id = %s", job_id)
    web = deployment.web(SLUICE_FAULT="job.changed:1")
    assert deployment.steer(client, batch, verb) is None, "there was no answer"
    assert witness.one("SELECT status FROM jobs WHERE id = %s", job_id) == before
    web.until_line("Booting worker")
    # The next process of this API would be killed at the same point, so the next try goes past it.
    assert steer(deployment, verb, job_id)
    if verb == "pause":
        assert steer(deployment, "resume", job_id)
    batch.cancelled = verb == "cancel"
    end_well(deployment)


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_kill_9_of_the_api_right_after_it_has_steered_a_job_undoes_nothing(deployment: Deployment, verb: str) -> None:
    client = deployment.ready_client()
    job_id = deployment.store_blocks(client, BLOCKS)
    batch = client.batches[-1]
    if verb == "resume":
        assert steer(deployment, "pause", job_id)
    deployment.web(SLUICE_FAULT="job.steered:1")
    assert deployment.steer(client, batch, verb) is None, "there was no answer"
    status = deployment.witness().one("SELECT status FROM jobs WHERE id = %s", job_id)
    assert status == {"pause": "paused", "resume": "pending", "cancel": "cancelled"}[verb]
    if verb == "pause":
        assert steer(deployment, "resume", job_id)
    batch.cancelled = verb == "cancel"
    end_well(deployment)


def test_kill_9_in_a_group_of_which_one_is_paused_loses_and_doubles_nothing(deployment: Deployment) -> None:
    jobs = [deployment.store_blocks(deployment.ready_client(), 1) for _ in range(4)]
    # Its own job comes first, by itself; then the other three in one transaction.
    assert_killed(deliver(deployment, jobs[0], "block.written:2"))
    assert steer(deployment, "pause", jobs[2])
    worker = deployment.worker(until_ready=False)
    deployment.sweep()
    worker.until_line("ready.")
    deployment.witness().until_ended([jobs[0], jobs[1], jobs[3]])
    assert deployment.witness().blocks_done(jobs[2]) == 0
    assert steer(deployment, "resume", jobs[2])
    check_invariants(deployment)
