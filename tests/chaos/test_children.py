"""A retry or a commit makes one child with all of its items, or none, wherever the API's process is killed."""

from contextlib import closing
from typing import Literal, get_args
from uuid import UUID

import httpx2
import pytest

from ingest.db import verify
from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import connect
from ingest.db.jobs import control
from ingest.ids import JOB, parse, spell
from ingest.jobs import JobOptions
from tests.chaos.deployment import Deployment
from tests.chaos.invariants import check_no_job_went_back
from tests.support.factories import accept, entity

ITEMS = 3

Call = Literal["retry failed", "retry unprocessed", "commit"]


def ended_job(deployment: Deployment, call: Call) -> UUID:
    """A job that the call can be about: all of its items have failed, or none was processed, or all were validated."""
    items = [entity(number, data={}) for number in range(ITEMS)]
    with connect(deployment.settings.database_url, "sluice-web") as conn:
        tenant, options = deployment.customers[0].tenant, JobOptions(validate_only=call == "commit")
        conn.entry = of_tenant(tenant.id)
        job_id = accept(conn, tenant, "entities", items, options=options)
        if call == "retry unprocessed":
            assert control.cancel(conn, job_id)
    if call != "retry unprocessed":
        deployment.run_here(job_id)
    return job_id


def send(deployment: Deployment, job_id: UUID, call: Call) -> UUID | None:
    """Retry or commit a job. Return the child; None where no answer came."""
    verb, _, select = call.partition(" ")
    url = f"{deployment.api}/operator-data-api/batch/jobs/{spell(JOB, job_id)}/{verb}"
    headers = {"Authorization": f"Bearer {deployment.customers[0].operator_key}"}
    try:
        answer = httpx2.post(url, headers=headers, json={"select": select} if select else None, timeout=30)
    except httpx2.TransportError:
        return None
    assert answer.status_code == 202, answer.text
    return parse(JOB, answer.json()["data"]["id"])


@pytest.mark.parametrize("call", get_args(Call))
@pytest.mark.parametrize(("point", "children"), [("child.made", 0), ("accept.committed", 1)])
def test_kill_9_in_a_retry_or_a_commit_makes_one_child_or_none(
    deployment: Deployment, call: Call, point: str, children: int
) -> None:
    witness = deployment.witness()
    first, second = (ended_job(deployment, call) for _ in range(2))
    web = deployment.web(SLUICE_FAULT=f"{point}:2")
    earlier = send(deployment, first, call)
    assert earlier is not None
    assert send(deployment, second, call) is None
    web.until_line("Booting worker")
    count = "SELECT count(*) FROM jobs WHERE parent_job_id = %s"
    marked = """
SELECT (SELECT count(*) FROM job_errors WHERE retried_in IS NOT NULL AND job_id = j.id)
     + (SELECT coalesce(sum(items), 0) FROM job_blocks WHERE retried_in IS NOT NULL AND job_id = j.id)
FROM jobs j WHERE id = %s
"""
    assert witness.one(count, second) == children
    assert witness.one(marked, second) == (0 if call == "commit" else ITEMS * children)
    child = send(deployment, second, call)
    assert child is not None
    assert witness.one(count, second) == 1
    for made in (earlier, child):
        deployment.run_here(made)
    assert witness.rows("SELECT total, failed FROM jobs WHERE id = %s", child) == [(ITEMS, ITEMS)]
    check_no_job_went_back(witness)
    with closing(connect(deployment.settings.database_url, "sluice-cli")) as conn:
        results = verify.verify(conn, deadline_seconds=3_600, stuck_after_seconds=300, check_seconds=30)
        assert [result for result in results if result.found != 0] == []
