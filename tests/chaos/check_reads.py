"""Check that each tenant reads its own data through the API, and no other tenant's."""

from typing import Any

import httpx2

from tests.chaos.deployment import Deployment
from tests.chaos.workload import Client, PublicClient


def check_reads(deployment: Deployment) -> None:
    """Check that each tenant reads its own data, under ids that both have sent, and no job of the other."""
    with httpx2.Client(base_url=deployment.api) as http:
        for client in deployment.clients:
            if any(batch.job_id for batch in client.batches):
                _check_client(deployment, http, client)


def _check_client(deployment: Deployment, http: httpx2.Client, client: Client) -> None:
    def read(path: str, key: str = client.key) -> tuple[int, Any]:
        answer = http.get(path, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code, answer.json()

    public = isinstance(client, PublicClient)
    (other,) = [customer for customer in deployment.customers if customer.tenant.id != client.tenant.id]
    job_id = next(batch.job_id for batch in client.batches if batch.job_id)
    job = f"{'/v1' if public else '/operator-data-api'}/batch/jobs/job_{job_id.hex}"
    assert read(job)[0] == 200
    assert read(job, other.public_key if public else other.operator_key)[0] == 404
    for path in client.paths():
        status, told = read(path)
        assert status in {200, 404}, path
        assert _tenants(told) <= {client.tenant.id}, path


def _tenants(told: Any) -> set[int]:
    """Return every value of `tenant` in an answer, however deep."""
    match told:
        case dict():
            found = {told["tenant"]} if "tenant" in told else set()
            return found.union(*map(_tenants, told.values()))
        case list():
            return set().union(*map(_tenants, told))
        case _:
            return set()
