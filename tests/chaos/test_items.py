"""An item whose check ends its process becomes an error; its neighbours are written, and the worker lives."""

import resource
from uuid import UUID

import pytest

from tests.chaos.deliveries import assert_killed, deliver
from tests.chaos.invariants import check_invariants
from tests.chaos.ledger import NEEDLE
from tests.chaos.length import LONG, only_long
from tests.chaos.site import Site, family

_POISON = f"{NEEDLE}-poison"
_ADDRESS_SPACE = 2 * 1024**3


def store_with_poison(site: Site) -> UUID:
    """A job of three blocks, with one bad item in the second. In the ledger it lacks a field; no check gets so far."""
    lane = site.ready_lane()
    batch = lane.batch("entities", items=60)
    batch.items.insert(30, {"entityType": "player", "externalId": _POISON, "data": {}})
    return site.store(lane, batch, block_items=20)


@pytest.mark.parametrize("harm", ["kill", pytest.param("eat", marks=only_long), "hang"])
def test_a_poisonous_item_becomes_an_error_and_its_neighbours_are_written(site: Site, harm: str) -> None:
    fault = {"SLUICE_FAULT_ITEM": f"{harm}:{_POISON}"}
    worker = site.worker(**fault)
    for pid in family(worker.popen.pid):
        # A machine's memory is not the test's to eat.
        resource.prlimit(pid, resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.RLIM_INFINITY))
    site.sweep(**fault)
    job_id = store_with_poison(site)
    witness = site.witness()
    if harm == "hang" and not LONG:
        # Hanging in a block for three deliveries takes half a minute; tests/worker/test_watchdog.py shows its end.
        witness.rows("UPDATE job_blocks SET deliveries = 3 WHERE job_id = %s AND no = 1 RETURNING no", job_id)
    site.notifier.notify(job_id)
    check_invariants(site, within=110)

    said = "SELECT message FROM job_errors WHERE job_id = %s AND index = 30"
    assert witness.one(said, job_id) == "Checking this item ended the process three times"
    assert worker.popen.poll() is None
    lane = site.lane(1)
    witness_job = site.store(lane, lane.batch(), block_items=1_000)
    site.notifier.notify(witness_job)
    check_invariants(site)


def test_a_poisonous_item_that_ends_the_api_becomes_an_error_and_its_neighbours_are_written(site: Site) -> None:
    fault = {"SLUICE_FAULT_ITEM": f"kill:{_POISON}"}
    web = site.web(**fault)
    site.worker(**fault)
    site.sweep(**fault)
    lane = site.public_lane()
    batch = lane.batch("objects", items=60, later=False)
    batch.items.insert(30, {"type": _POISON})
    site.send(lane, batch)
    assert batch.answered is None
    web.until_line("Booting worker")

    other = site.public_lane()
    site.send(other, other.batch(later=False))
    assert other.batches[0].answered == 200
    check_invariants(site)
    assert batch.job_id is not None


def test_an_operators_kill_9_again_and_again_gets_no_item_blamed(site: Site) -> None:
    job_id = site.store_blocks(site.ready_lane(), 3)
    witness = site.witness()
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"
    for _ in range(4):
        assert_killed(deliver(site, job_id, "block.checked:1"))
        witness.until(lambda: witness.one(sessions, "sluice-worker%") == 0, "the dead one's session to end")
    assert witness.one("SELECT max(deliveries) FROM job_blocks WHERE job_id = %s", job_id) == 4
    worker = site.worker()
    site.notifier.notify(job_id)
    worker.until_line("block_in_quarantine")
    check_invariants(site)
