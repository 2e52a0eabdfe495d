"""HUP has a worker end its work and begin anew in the same process, as it was started."""

import signal

from ingest.db.connection.pool import Pool, transaction
from ingest.jobs import JobState
from ingest.settings import Settings
from tests.support.factories import accept, entity, make_tenant
from tests.support.processes import Start, Watch
from tests.worker.test_recovery import assert_every_event_once, make_job_of_twenty_blocks, send_messages, status_of


def test_a_worker_that_is_sent_hup_begins_anew_and_loses_and_doubles_nothing(
    settings: Settings, pool: Pool, start: Start, watch: Watch
) -> None:
    worker = start.worker(children=1)
    job_id = make_job_of_twenty_blocks(pool, settings.redis_url)
    send_messages(settings, job_id)
    watch.until_begun(job_id)

    worker.forked.send_signal(signal.SIGHUP)
    worker.until_line("ready.")
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        later = accept(conn, tenant, "entities", [entity(1)])
    send_messages(settings, job_id, later)
    watch.until_ended([job_id, later])

    assert {status_of(pool, job_id), status_of(pool, later)} == {JobState.COMPLETED}
    assert_every_event_once(pool)
    assert worker.terminate() == 0
