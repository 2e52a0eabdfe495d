"""A 202 is one job, and no answer is one at most, wherever the API's process is killed."""

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG
from tests.chaos.invariants import check_invariants
from tests.chaos.model import Batch


def send_first_batches(deployment: Deployment, clients: int) -> list[Batch]:
    batches = []
    for _ in range(clients):
        client = deployment.client()
        batches.append(client.batch())
        deployment.send(client, batches[-1])
    return batches


_JOBS_OF_THE_LOST_BATCH = {"accept.begun": 0, "accept.committed": 1, "accept.notified": 1}


def test_kill_9_before_the_202_stores_the_batch_once_or_not_at_all(deployment: Deployment) -> None:
    deployment.worker()
    deployment.sweep()
    sent: dict[str, list[Batch]] = {}
    for point in _JOBS_OF_THE_LOST_BATCH:
        web = deployment.web(SLUICE_FAULT=f"{point}:2")
        sent[point] = send_first_batches(deployment, 2)
        web.until_line("Booting worker")
        sent[point] += send_first_batches(deployment, 1)
        assert [batch.answered for batch in sent[point]] == [202, None, 202], point
        web.kill()

    check_invariants(deployment)
    for point, jobs in _JOBS_OF_THE_LOST_BATCH.items():
        assert [int(batch.job_id is not None) for batch in sent[point]] == [1, jobs, 1], point


@pytest.mark.parametrize("point", ["receive.begun", "receive.appended"])
def test_kill_9_while_a_body_arrives_leaves_nothing(deployment: Deployment, point: str) -> None:
    worker = deployment.worker(until_ready=False)
    web = deployment.web(SLUICE_FAULT=f"{point}:1")
    worker.until_line("ready.")

    (first,) = send_first_batches(deployment, 1)
    [client] = deployment.clients
    lost = client.batch("events")
    lost.lines = True
    deployment.send(client, lost)
    web.until_line("Booting worker")

    witness = deployment.witness()
    assert witness.one("SELECT count(*) FROM jobs WHERE status = 'receiving'") == 1
    witness.conn.execute("UPDATE jobs SET progressed_at = progressed_at - interval '1 hour' WHERE status = 'receiving'")
    deployment.sweep()
    witness.until(lambda: witness.one("SELECT count(*) FROM jobs") == 1, "the job to be removed")
    assert witness.one("SELECT count(*) FROM job_blocks") == 1
    check_invariants(deployment)
    assert [first.answered, lost.answered] == [202, None]


def test_kill_9_while_the_api_notifies_costs_no_job(deployment: Deployment) -> None:
    deployment.worker()
    deployment.sweep()
    batches = []
    for point in ("notify.begun", "notify.published"):
        web = deployment.web(SLUICE_FAULT=f"{point}:1")
        batches += send_first_batches(deployment, 1)
        web.until_line("Booting worker")
        web.kill()

    check_invariants(deployment)
    assert None not in [batch.job_id for batch in batches], "stored before any notification, its 202 in time or not"


# At the first one nothing is stored yet.
_OF_A_PUBLIC_BATCH = (
    "accept.begun",
    *("accept.committed", "job.begun", "block.read", "block.locked", "block.checked"),
    *("block.written", "block.closed", "block.committed", "job.ended"),
)


def test_kill_9_at_each_step_of_a_public_batch_stores_and_does_it_once_or_not_at_all(deployment: Deployment) -> None:
    points = _OF_A_PUBLIC_BATCH if LONG else _OF_A_PUBLIC_BATCH[::2]
    deployment.worker(until_ready=False)
    deployment.sweep()
    sent: list[tuple[str, Batch]] = []
    for point in points:
        # A process that comes in the place of a killed one has the fault, too.
        web = deployment.web(SLUICE_FAULT=f"{point}:1")
        for kind in ("objects", "object_events"):
            sent.append((point, _killed(deployment, kind)))
            web.until_line("Booting worker")
        web.kill()

    assert {batch.answered for _, batch in sent} == {None}
    check_invariants(deployment)
    assert [point for point, batch in sent if batch.job_id is None] == ["accept.begun"] * 2


def _killed(deployment: Deployment, kind: str) -> Batch:
    """A batch whose request was killed: one that a listening worker ran is answered.

    Its tenant is new: behind the job of a killed request all others of that tenant wait for the sweeper.
    """
    tenant = deployment.new_tenant()
    while True:
        client = deployment.public_client(tenant)
        batch = client.batch(kind, items=60, later=False)
        deployment.send(client, batch)
        if batch.answered is None:
            return batch


def test_kill_9_while_a_public_batch_is_handed_to_the_workers_costs_no_job(deployment: Deployment) -> None:
    worker = deployment.worker(until_ready=False)
    web = deployment.web(SLUICE_FAULT="notify.begun:1")
    deployment.sweep()
    worker.until_line("ready.")

    client = deployment.public_client()
    batch = client.batch(later=True)
    deployment.send(client, batch)
    web.until_line("Booting worker")

    check_invariants(deployment)
    assert batch.job_id is not None, "stored before any notification, its 202 in time or not"


def test_a_public_batch_that_was_answered_is_done_once_whatever_dies_then(deployment: Deployment) -> None:
    web = deployment.web()
    client = deployment.public_client()
    for _ in range(3):
        deployment.send(client, client.batch(later=False))
    web.kill()
    assert [batch.answered for batch in client.batches] == [200] * 3
    check_invariants(deployment)
