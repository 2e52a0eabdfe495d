"""What the API reads to whom, held against what was sent."""

from typing import Any

import httpx2

from tests.chaos.lanes import Lane, PublicLane
from tests.chaos.site import Site


def check_reads(site: Site) -> None:
    """Each tenant reads its own, under ids that both have sent, and nothing of the other's jobs."""
    with httpx2.Client(base_url=site.api) as client:
        for lane in site.lanes:
            if any(batch.job_id for batch in lane.batches):
                _check_lane(site, client, lane)


def _check_lane(site: Site, client: httpx2.Client, lane: Lane) -> None:
    def read(path: str, key: str = lane.key) -> tuple[int, Any]:
        answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code, answer.json()

    public = isinstance(lane, PublicLane)
    (other,) = [customer for customer in site.customers if customer.tenant.id != lane.tenant.id]
    job_id = next(batch.job_id for batch in lane.batches if batch.job_id)
    job = f"{'/v1' if public else '/operator-data-api'}/batch/jobs/job_{job_id.hex}"
    assert read(job)[0] == 200
    assert read(job, other.public_key if public else other.operator_key)[0] == 404
    for path in lane.paths():
        status, told = read(path)
        assert status in {200, 404}, path
        assert _tenants(told) <= {lane.tenant.id}, path


def _tenants(told: Any) -> set[int]:
    """Every `tenant` that stands in an answer, however deep."""
    match told:
        case dict():
            found = {told["tenant"]} if "tenant" in told else set()
            return found.union(*map(_tenants, told.values()))
        case list():
            return set().union(*map(_tenants, told))
        case _:
            return set()
