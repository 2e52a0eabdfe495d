"""The sweeper may die at any step: the next one checks again."""

import signal

import pytest

from tests.chaos import recoveries
from tests.chaos.invariants import check_invariants
from tests.chaos.site import Site


@pytest.mark.parametrize("point", ["sweep.checked", "sweep.notified"])
def test_kill_9_of_sweep_before_or_after_it_notifies_only_puts_that_off(site: Site, point: str) -> None:
    lane = site.ready_lane()
    site.store_blocks(lane, 3)
    first = site.sweep(SLUICE_FAULT=f"{point}:1")
    assert first.popen.wait(60) == -signal.SIGKILL

    worker = site.worker(until_ready=False)
    site.sweep()
    worker.until_line("ready.")
    check_invariants(site)


def test_a_job_that_lost_its_message_while_sweep_was_down_begins_once_it_is_back(site: Site) -> None:
    site.worker()
    site.sweep().kill()
    lane = site.lane()
    job_id = site.store(lane, lane.batch(), block_items=1_000)
    witness = site.witness()
    back = recoveries.now(witness)
    site.sweep()
    witness.until_ended([job_id])
    began = witness.one("SELECT started_at FROM jobs WHERE id = %s", job_id)
    recoveries.measure("sweep killed, and a message lost: the job begins", goal=5, since=back, then=began)
    check_invariants(site)


def test_kill_9_of_a_rescue_worker_leaves_sweep_alive_and_the_job_to_others(site: Site) -> None:
    job_id = site.store_blocks(site.ready_lane(), 3)
    first = site.sweep(SLUICE_FAULT="rescue.begun:1")
    witness = site.witness()
    witness.until(
        lambda: witness.one("SELECT notify_attempts FROM jobs WHERE id = %s", job_id) == 3, "a rescue to be needed"
    )
    first.until_line('"rescued": 1')

    site.worker()
    check_invariants(site)
    assert first.popen.poll() is None
