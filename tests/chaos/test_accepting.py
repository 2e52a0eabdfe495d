"""A 202 is one job, and no answer is one at most, wherever the API's process is killed."""

import pytest

from tests.chaos.invariants import check_invariants
from tests.chaos.ledger import Batch
from tests.chaos.site import Site


def send_first_batches(site: Site, lanes: int) -> list[Batch]:
    batches = []
    for _ in range(lanes):
        lane = site.lane()
        batches.append(lane.batch())
        site.send(lane, batches[-1])
    return batches


@pytest.mark.parametrize(
    ("point", "jobs_of_the_lost_one"),
    [("accept.begun", 0), ("accept.stored", 0), ("accept.committed", 1), ("accept.rung", 1)],
)
def test_kill_9_before_the_202_stores_the_batch_once_or_not_at_all(
    site: Site, point: str, jobs_of_the_lost_one: int
) -> None:
    worker = site.worker(until_ready=False)
    web = site.web(SLUICE_FAULT=f"{point}:2")
    site.sweep()
    worker.until_line("ready.")

    batches = send_first_batches(site, 2)
    web.until_line("Booting worker")
    batches += send_first_batches(site, 1)

    assert [batch.answered for batch in batches] == [202, None, 202]
    check_invariants(site)
    assert [int(batch.job_id is not None) for batch in batches] == [1, jobs_of_the_lost_one, 1]


@pytest.mark.parametrize("point", ["ring.begun", "ring.published"])
def test_kill_9_while_the_api_rings_costs_no_job(site: Site, point: str) -> None:
    worker = site.worker(until_ready=False)
    web = site.web(SLUICE_FAULT=f"{point}:1")
    site.sweep()
    worker.until_line("ready.")

    (batch,) = send_first_batches(site, 1)
    web.until_line("Booting worker")

    check_invariants(site)
    assert batch.job_id is not None, "stored before anybody rang, whether its 202 was in time or not"
