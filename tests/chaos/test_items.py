"""An item whose check ends its process becomes an error; its neighbours are written, and the worker lives."""

import resource
from uuid import UUID

import pytest

from tests.chaos.deliveries import assert_killed, deliver
from tests.chaos.deployment import Deployment, family
from tests.chaos.duration import LONG, only_long
from tests.chaos.invariants import check_invariants
from tests.chaos.model import NEEDLE

_POISON = f"{NEEDLE}-poison"
_ADDRESS_SPACE = 2 * 1024**3


def store_with_poison(deployment: Deployment) -> UUID:
    """A job of three blocks, with one bad item in the second. In the model it lacks a field; no check gets so far."""
    client = deployment.ready_client()
    batch = client.batch("entities", items=60)
    batch.items.insert(30, {"entityType": "player", "externalId": _POISON, "data": {}})
    return deployment.store(client, batch, block_items=20)


@pytest.mark.parametrize("harm", ["kill", pytest.param("eat", marks=only_long), "hang"])
def test_a_poisonous_item_becomes_an_error_and_its_neighbours_are_written(deployment: Deployment, harm: str) -> None:
    fault = {"SLUICE_FAULT_ITEM": f"{harm}:{_POISON}"}
    worker = deployment.worker(**fault)
    for pid in family(worker.forked.pid):
        # A machine's memory is not the test's to eat.
        resource.prlimit(pid, resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.RLIM_INFINITY))
    deployment.sweep(**fault)
    job_id = store_with_poison(deployment)
    witness = deployment.witness()
    if harm == "hang" and not LONG:
        # Hanging in a block for three deliveries takes half a minute; tests/worker/test_watchdog.py shows its end.
        witness.rows("UPDATE job_blocks SET deliveries = 3 WHERE job_id = %s AND no = 1 RETURNING no", job_id)
    deployment.notifier.notify(job_id)
    check_invariants(deployment, within=110)

    said = "SELECT message FROM job_errors WHERE job_id = %s AND index = 30"
    assert witness.one(said, job_id) == "Checking this item ended the process three times"
    assert worker.forked.poll() is None
    client = deployment.client(1)
    witness_job = deployment.store(client, client.batch(), block_items=1_000)
    deployment.notifier.notify(witness_job)
    check_invariants(deployment)


def test_a_poisonous_item_that_ends_the_api_becomes_an_error_and_its_neighbours_are_written(
    deployment: Deployment,
) -> None:
    fault = {"SLUICE_FAULT_ITEM": f"kill:{_POISON}"}
    web = deployment.web(**fault)
    deployment.worker(**fault)
    deployment.sweep(**fault)
    client = deployment.public_client()
    batch = client.batch("objects", items=60, later=False)
    batch.items.insert(30, {"type": _POISON})
    deployment.send(client, batch)
    assert batch.answered is None
    web.until_line("Booting worker")

    other = deployment.public_client()
    deployment.send(other, other.batch(later=False))
    assert other.batches[0].answered == 200
    check_invariants(deployment)
    assert batch.job_id is not None


def test_an_operators_kill_9_again_and_again_gets_no_item_blamed(deployment: Deployment) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 3)
    witness = deployment.witness()
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"
    for _ in range(4):
        assert_killed(deliver(deployment, job_id, "block.checked:1"))
        witness.until(lambda: witness.one(sessions, "sluice-worker%") == 0, "the dead one's session to end")
    assert witness.one("SELECT max(deliveries) FROM job_blocks WHERE job_id = %s", job_id) == 4
    worker = deployment.worker()
    deployment.notifier.notify(job_id)
    worker.until_line("block_in_quarantine")
    check_invariants(deployment)
