"""Two at the same block, and an end that comes while a block is under way."""

import signal

from ingest.db.connection.pool import connect
from ingest.db.jobs import control, outbox
from tests.chaos.deliveries import assert_stopped, deliver
from tests.chaos.deployment import Deployment
from tests.chaos.invariants import check_invariants, check_no_job_went_back

_TIMEOUT_SECONDS = 60


def test_a_second_delivery_leaves_a_block_alone_that_is_held(deployment: Deployment) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 3)
    first = deliver(deployment, job_id, "block.written:1:STOP")
    assert_stopped(first)

    second = deliver(deployment, job_id, "block.committed:1")
    assert second.wait(_TIMEOUT_SECONDS) == 0, "it committed a block that another one held"
    first.send_signal(signal.SIGCONT)
    first.wait(_TIMEOUT_SECONDS)
    deployment.run_here(job_id)  # where the machine was so slow that the first one's session was ended
    check_invariants(deployment)


def test_a_job_cancelled_in_its_last_block_stays_cancelled(deployment: Deployment) -> None:
    job_id = deployment.store_blocks(deployment.ready_client(), 3)
    delivery = deliver(deployment, job_id, "block.written:3:STOP")
    assert_stopped(delivery)
    with connect(deployment.settings.database_url, "sluice-cli") as conn:
        assert control.cancel(conn, job_id)
        assert outbox.take(conn, [job_id])  # announced, so that no second end of it meets the first one

    delivery.send_signal(signal.SIGCONT)
    delivery.wait(_TIMEOUT_SECONDS)
    witness = deployment.witness()
    row = witness.rows("SELECT status, created + failed, unprocessed FROM jobs WHERE id = %s", job_id)
    assert row == [("cancelled", 100, 50)]
    created = witness.one("SELECT created FROM jobs WHERE id = %s", job_id)
    assert witness.one("SELECT count(*) FROM events") == created, "the block under way left nothing behind"
    check_no_job_went_back(witness)
