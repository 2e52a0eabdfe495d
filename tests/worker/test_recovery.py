"""Each accepted job runs exactly once, whatever happens to the processes and the broker."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
import redis

from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import lookup
from ingest.jobs import JobState
from ingest.notify.broker import RUN_JOB, celery_app
from ingest.settings import Settings
from tests.support.factories import STRAYS, accept, entity, event, make_tenant, run_pending
from tests.support.processes import TIMEOUT_SECONDS, Start, Watch

BLOCKS = 20


def status_of(pool: Pool, job_id: UUID) -> JobState:
    with transaction(pool) as conn:
        job = lookup.get(conn, job_id)
    assert job is not None
    return job.status


def make_job_of_twenty_blocks(pool: Pool, redis_url: str) -> UUID:
    """Events in order, so that both a loss and a double would be seen."""
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        accept(conn, tenant, "entities", [entity(1)])
    run_pending(pool, redis_url)
    items = [event(1, data={"type": "bet", "amount": number, "currency": "EUR"}) for number in range(5_000)]
    with transaction(pool) as conn:
        return accept(conn, tenant, "events", items, block_items=5_000 // BLOCKS)


def assert_every_event_once(pool: Pool) -> None:
    with transaction(pool) as conn:
        amounts = [row[0] for row in conn.execute("SELECT (properties ->> 'amount')::int FROM events ORDER BY id")]
    assert amounts == list(range(5_000))


def send_messages(settings: Settings, *job_ids: UUID) -> None:
    """Send a message for each job; a notifier would leave most of them out."""
    with celery_app(settings.redis_url) as app:
        for job_id in job_ids:
            app.send_task(RUN_JOB, args=[str(job_id)], queue="sluice.jobs", retry=False)


@pytest.mark.parametrize("blocks_done", [1, 10, 19])
def test_kill_9_of_a_worker_in_a_job_of_20_blocks_loses_and_doubles_nothing(
    settings: Settings, pool: Pool, start: Start, watch: Watch, blocks_done: int
) -> None:
    worker = start.worker()
    job_id = make_job_of_twenty_blocks(pool, settings.redis_url)
    send_messages(settings, job_id)
    watch.until_begun(job_id, blocks_done=blocks_done)

    worker.kill()
    start.sweep()
    start.worker()
    watch.until_ended([job_id])

    assert status_of(pool, job_id) is JobState.COMPLETED
    assert_every_event_once(pool)


def test_kill_9_of_a_pool_child_alone_loses_and_doubles_nothing(
    settings: Settings, pool: Pool, start: Start, watch: Watch
) -> None:
    worker = start.worker(children=1)
    start.sweep()
    job_id = make_job_of_twenty_blocks(pool, settings.redis_url)
    send_messages(settings, job_id)
    watch.until_begun(job_id, blocks_done=3)

    for child in children_of(worker.forked.pid):
        os.kill(child, signal.SIGKILL)
    watch.until_ended([job_id])

    assert status_of(pool, job_id) is JobState.COMPLETED
    assert_every_event_once(pool)


def children_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in children.split()]


def test_flushall_with_jobs_waiting_loses_none(settings: Settings, pool: Pool, start: Start, watch: Watch) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        job_ids = [accept(conn, tenant, "entities", [entity(number)]) for number in range(20)]
    send_messages(settings, *job_ids)
    with redis.Redis.from_url(settings.redis_url) as broker:
        broker.flushall()

    start.worker()
    start.sweep()
    watch.until_ended(job_ids)

    assert {status_of(pool, job_id) for job_id in job_ids} == {JobState.COMPLETED}


def test_jobs_end_with_no_worker_at_all(pool: Pool, start: Start, watch: Watch) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        job_ids = [accept(conn, tenant, "entities", [entity(number)]) for number in range(20)]

    start.sweep()
    watch.until_ended(job_ids)

    assert {status_of(pool, job_id) for job_id in job_ids} == {JobState.COMPLETED}
    watch.until(lambda: watch.count("swept", job_ids) == len(job_ids), "the sweeper to note that it did them")


@pytest.fixture
def start_anew(settings: Settings) -> Iterator[Start]:
    starter = Start(settings, anew=True)
    yield starter
    for process in starter.processes:
        process.kill()


def test_web_and_worker_meet_on_our_broker_whatever_variables_libraries_are_set(pool: Pool, start_anew: Start) -> None:
    with transaction(pool) as conn:
        _, key = make_tenant(conn)
    api = start_anew.web(**STRAYS)
    start_anew.worker(**STRAYS)
    headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=20"}
    with httpx2.Client(headers=headers, timeout=TIMEOUT_SECONDS) as client:
        answer = client.post(f"{api}/operator-data-api/batch/entities", json=[entity()])
    assert answer.status_code == 200, "no sweeper runs: the worker was notified of it"


def test_two_workers_and_20_unordered_jobs_over_the_same_500_keys_do_not_deadlock(
    settings: Settings, pool: Pool, start: Start, watch: Watch
) -> None:
    first, second = start.worker(until_ready=False), start.worker(until_ready=False)
    first.until_line("ready.")
    second.until_line("ready.")
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        job_ids = []
        for job in range(20):
            # Every job has the keys in another order, twice, with values of its own.
            numbers = [(number * 7 + job * 13) % 500 for number in range(500)]
            items = [entity(number, data={"email": "a@b.c", "vip_level": job}) for number in numbers + numbers[::-1]]
            # Unordered, or the two workers would not run them at once.
            job_ids.append(accept(conn, tenant, "entities", items, ordered=False, block_items=250))
    send_messages(settings, *job_ids)
    watch.until_ended(job_ids)

    assert {status_of(pool, job_id) for job_id in job_ids} == {JobState.COMPLETED}
    lines = first.lines + second.lines
    assert not [line for line in lines if "40P01" in line or "block_retried" in line]
    with transaction(pool) as conn:
        assert conn.execute("SELECT count(*) FROM entities").fetchall() == [(500,)]


def test_garbage_messages_harm_nothing(settings: Settings, pool: Pool, start: Start, watch: Watch) -> None:
    worker = start.worker()
    app = celery_app(settings.redis_url)
    for argument in ("no uuid", 7, None, {"a": 1}, "01a2012f-93d2-77bb-8ac5-ec593f9ead62"):
        app.send_task("sluice.run_job", args=[argument], queue="sluice.jobs", retry=False)
    app.send_task("sluice.no_such_task", args=[], queue="sluice.jobs", retry=False)
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        job_id = accept(conn, tenant, "entities", [entity(1)])
    send_messages(settings, job_id)
    watch.until_ended([job_id])

    assert status_of(pool, job_id) is JobState.COMPLETED
    assert worker.forked.poll() is None


def test_term_puts_the_work_down_and_another_worker_goes_on(
    settings: Settings, pool: Pool, start: Start, watch: Watch
) -> None:
    worker = start.worker(children=1)
    start.sweep()
    job_id = make_job_of_twenty_blocks(pool, settings.redis_url)
    send_messages(settings, job_id)
    watch.until_begun(job_id)

    assert worker.terminate() == 0
    start.worker()
    watch.until_ended([job_id])

    assert status_of(pool, job_id) is JobState.COMPLETED
    assert_every_event_once(pool)
