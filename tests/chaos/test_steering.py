"""kill -9 beside a pause, a resume or a cancellation loses nothing, doubles nothing, and undoes no answer."""

import os
import signal
from uuid import UUID

from ingest.db.connection.pool import connect
from ingest.db.jobs import control
from tests.chaos.deliveries import assert_killed, assert_stopped, deliver
from tests.chaos.deployment import Deployment
from tests.chaos.invariants import check_invariants
from tests.chaos.workload import Client

BLOCKS = 3

_STEER = {"pause": control.pause, "resume": control.resume, "cancel": control.cancel}


def steer(deployment: Deployment, verb: str, job_id: UUID) -> bool:
    with connect(deployment.settings.database_url, "sluice-cli") as conn:
        return bool(_STEER[verb](conn, job_id))


def end_well(deployment: Deployment) -> None:
    """Start what was not running, and hold everything against the model."""
    worker = deployment.worker(until_ready=False)
    deployment.sweep()
    worker.until_line("ready.")
    check_invariants(deployment)


def test_kill_9_in_a_job_that_is_paused_loses_and_doubles_nothing(deployment: Deployment) -> None:
    blocks_done = {"job.begun:1": 0, "block.written:2": 1, "block.closed:2": 1, "block.committed:2": 2}
    jobs = []
    for point, done in blocks_done.items():
        jobs.append(deployment.store_blocks(deployment.ready_client(), BLOCKS))
        delivery = deliver(deployment, jobs[-1], f"{point}:STOP")
        assert_stopped(delivery)
        closing = point.startswith("block.closed")
        if not closing:  # whose transaction holds the job
            assert steer(deployment, "pause", jobs[-1]), point
        delivery.kill()
        delivery.wait()
        if closing:
            assert steer(deployment, "pause", jobs[-1])
        assert deployment.witness().blocks_done(jobs[-1]) == done, point
    for job_id in jobs:
        assert steer(deployment, "resume", job_id)
    end_well(deployment)


def test_kill_9_in_a_job_that_is_steered_in_a_block_keeps_the_answer(deployment: Deployment) -> None:
    jobs, witness = {}, deployment.witness()
    for verb in ("pause", "cancel"):
        client = deployment.ready_client()
        jobs[verb] = deployment.store_blocks(client, BLOCKS)
        delivery = deliver(deployment, jobs[verb], "block.written:2:STOP")
        assert_stopped(delivery)
        assert steer(deployment, verb, jobs[verb])
        os.kill(delivery.pid, signal.SIGCONT)
        delivery.wait()
        # A pause lets the block under way commit, and a cancellation does not.
        assert witness.blocks_done(jobs[verb]) == (2 if verb == "pause" else 1)
        assert status_of(deployment, jobs[verb]) == {"pause": "paused", "cancel": "cancelled"}[verb]
        client.batches[-1].cancelled = verb == "cancel"
    assert steer(deployment, "resume", jobs["pause"])
    end_well(deployment)


def test_kill_9_of_the_api_while_it_steers_a_job_leaves_it_as_it_was(deployment: Deployment) -> None:
    # The process that comes in the place of a killed one has the fault, too.
    web = deployment.web(SLUICE_FAULT="job.changed:1")
    for verb in ("pause", "resume", "cancel"):
        client, job_id = to_steer(deployment, verb)
        before = status_of(deployment, job_id)
        assert deployment.steer(client, client.batches[-1], verb) is None, "there was no answer"
        assert status_of(deployment, job_id) == before, verb
        web.until_line("Booting worker")
        # The next process of this API would be killed at the same point, so the next try goes past it.
        assert steer(deployment, verb, job_id)
        go_on(deployment, client, job_id, verb)
    end_well(deployment)


def test_kill_9_of_the_api_right_after_it_has_steered_a_job_undoes_nothing(deployment: Deployment) -> None:
    web = deployment.web(SLUICE_FAULT="job.steered:1")
    for verb in ("pause", "resume", "cancel"):
        client, job_id = to_steer(deployment, verb)
        assert deployment.steer(client, client.batches[-1], verb) is None, "there was no answer"
        assert status_of(deployment, job_id) == {"pause": "paused", "resume": "pending", "cancel": "cancelled"}[verb]
        web.until_line("Booting worker")
        go_on(deployment, client, job_id, verb)
    end_well(deployment)


def to_steer(deployment: Deployment, verb: str) -> tuple[Client, UUID]:
    """Return a client with a job, which is paused if it is to be resumed."""
    client = deployment.ready_client()
    job_id = deployment.store_blocks(client, BLOCKS)
    if verb == "resume":
        assert steer(deployment, "pause", job_id)
    return client, job_id


def go_on(deployment: Deployment, client: Client, job_id: UUID, verb: str) -> None:
    """Let a job end that was steered so."""
    if verb == "pause":
        assert steer(deployment, "resume", job_id)
    client.batches[-1].cancelled = verb == "cancel"


def status_of(deployment: Deployment, job_id: UUID) -> str:
    status: str = deployment.witness().one("SELECT status FROM jobs WHERE id = %s", job_id)
    return status


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
