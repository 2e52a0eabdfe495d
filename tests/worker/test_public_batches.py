"""A batch of the public API runs in its request; if that fails, its job is left for a worker."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import flowmyna
import psycopg

from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import lookup
from ingest.db.tenants import keys
from ingest.jobs import JobState
from ingest.settings import Settings
from tests.support.factories import make_tenant
from tests.support.processes import Start, Watch

EVENTS = [
    {"event": f"Step {number}", "objects": [{"type": "Order", "id": "1", "properties": {"n": number}}]}
    for number in range(20)
]
# Somebody else creates the object that the batch names: the process that runs it waits for that one's end.
IN_THE_WAY = """
    INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
    VALUES (gen_random_uuid(), %s, 'Order', '1', 'Order', '{}')
"""
SOMEONE_WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name LIKE 'sluice-worker%'
"""


@contextmanager
def in_the_way(database_url: str, tenant_id: int) -> Iterator[Callable[[], None]]:
    """Hold the batch up until this block is left; what it yields returns once somebody is held up."""
    with psycopg.connect(database_url) as conn, psycopg.connect(database_url, autocommit=True) as looking:
        conn.execute(IN_THE_WAY, (tenant_id,))

        def until_held_up() -> None:
            while looking.execute(SOMEONE_WAITS).fetchone() == (0,):
                looking.execute("SELECT pg_sleep(0.01)")

        yield until_held_up
        conn.rollback()


def post(api: str, key: str) -> flowmyna.EventBatchResponse:
    with flowmyna.FlowMyna(key, base_url=f"{api}/v1", max_retries=1) as client:
        return client.record_event_batch(EVENTS)


def the_job(pool: Pool) -> UUID:
    with transaction(pool) as conn:
        ((job_id,),) = conn.execute("SELECT id FROM jobs").fetchall()
    assert isinstance(job_id, UUID)
    return job_id


def new_key(pool: Pool) -> tuple[int, str]:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn, template=None)
        return tenant.id, keys.create(conn, tenant.id, "fm_live", "test")[1]


def assert_every_event_once(pool: Pool) -> None:
    with transaction(pool) as conn:
        assert [row[0] for row in conn.execute("SELECT type FROM events ORDER BY id")] == [
            event["event"] for event in EVENTS
        ]
        assert conn.execute("SELECT properties FROM entities").fetchall() == [({"n": 19},)]


def test_kill_9_of_the_web_while_it_carries_out_a_batch_leaves_a_job_that_sweep_finishes(
    settings: Settings, pool: Pool, start: Start, watch: Watch
) -> None:
    api = start.web()
    tenant_id, key = new_key(pool)

    def send() -> None:
        with suppress(flowmyna.NetworkError):
            post(api, key)

    request = threading.Thread(target=send)
    with in_the_way(settings.database_url, tenant_id) as until_held_up:
        request.start()
        until_held_up()
        (web,) = start.processes
        os.killpg(web.forked.pid, signal.SIGKILL)
        request.join()
    job_id = the_job(pool)
    start.sweep()
    watch.until_ended([job_id])

    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    assert job.status is JobState.COMPLETED
    assert_every_event_once(pool)


def test_a_batch_that_another_process_finishes_is_answered_by_its_request(
    settings: Settings, pool: Pool, start: Start
) -> None:
    api = start.web()
    tenant_id, key = new_key(pool)
    answers: list[flowmyna.EventBatchResponse] = []
    request = threading.Thread(target=lambda: answers.append(post(api, key)))
    with in_the_way(settings.database_url, tenant_id):
        request.start()
        # The request gives up after two waits for the lock; from then on the job is sweep's.
        for _ in range(2):
            start.processes[0].until_line("block_retried")
        start.sweep()
    request.join()

    (answer,) = answers
    assert (answer.success, answer.processed, len(answer.event_ids)) == (True, 20, 20)
    assert_every_event_once(pool)


def test_a_batch_needs_no_worker_and_no_sweep(pool: Pool, start: Start) -> None:
    api = start.web()
    _, key = new_key(pool)
    assert post(api, key).processed == 20
    assert_every_event_once(pool)
