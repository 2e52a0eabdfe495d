"""kill -9 in a check of stored rows (docs/contracts/templates.md) judges each row once."""

import pytest

from ingest.db import verify
from ingest.db.connection.pool import connect
from tests.chaos.deliveries import assert_killed, deliver
from tests.chaos.deployment import Deployment
from tests.chaos.duration import only_long
from tests.engine.test_trial import begin, many

ROWS = 5_000  # three pages


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("block.locked", marks=only_long),
        pytest.param("block.checked", marks=only_long),
        "block.written",
        "block.closed",
        "block.committed",
    ],
)
def test_kill_9_in_a_check_of_stored_rows_judges_each_row_once(deployment: Deployment, point: str) -> None:
    tenant = deployment.customers[0].tenant
    with connect(deployment.settings.database_url, "sluice-cli") as conn:
        many(conn, tenant, ROWS, vip_level=4)
        job_id = begin(conn, tenant, rows=ROWS)
    assert_killed(deliver(deployment, job_id, f"{point}:2"))
    witness = deployment.witness()
    judged = witness.one("SELECT failed FROM jobs WHERE id = %s", job_id)
    assert judged == (4_000 if point == "block.committed" else 2_000)
    deployment.sweep()
    deployment.worker()
    witness.until_ended(within=60)
    found = witness.rows("SELECT index, external_id FROM job_errors WHERE job_id = %s ORDER BY index", job_id)
    assert found == [(index, f"p{index + 1:06}") for index in range(ROWS)]
    with connect(deployment.settings.database_url, "sluice-cli") as conn:
        results = list(verify.verify(conn, deadline_seconds=60, stuck_after_seconds=60, check_seconds=30))
    assert [result.check.name for result in results if result.found] == []
