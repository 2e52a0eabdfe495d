"""Two deliveries, two workers, and a job that is ended while it runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.executor import Executor
from ingest.items.templates import Template
from ingest.jobs import Effect, JobState
from tests.support.factories import changed, entity, make_executor
from tests.support.meanwhile import once
from tests.support.seen import deposits, effect_counts, finish, job_of, numbers


@pytest.mark.usefixtures("players")
def test_a_second_delivery_finds_nothing_to_do(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    executor.run(job_id, seconds=60)
    ended = job_of(observer, job_id)
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id) == ended
    assert numbers(observer) == list(range(10))


@pytest.mark.usefixtures("players")
def test_a_second_delivery_in_the_middle_of_a_block_leaves_at_once(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)

    def deliver_again() -> None:
        executor.run(job_id, seconds=60)
        assert numbers(observer) == []

    first = changed(executor, template_cache=once(deliver_again))
    first.run(job_id, seconds=60)
    assert numbers(observer) == list(range(10))
    assert (job_of(observer, job_id).attempts, effect_counts(observer, job_id)) == (1, {Effect.CREATED: 10})


@pytest.mark.usefixtures("players")
def test_a_worker_that_is_overtaken_before_its_lock_does_not_do_the_block_again(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)

    class Overtaken(TemplateCache):
        """The template is read after the block and before its lock: time for another worker to do that block."""

        def get(self, conn: Connection, template_id: int) -> Template:
            if not numbers(observer):
                executor.run(job_id, seconds=0)
            return super().get(conn, template_id)

    changed(executor, template_cache=Overtaken()).run(job_id, seconds=60)
    assert numbers(observer) == list(range(5))
    finish(executor, observer, job_id)
    assert numbers(observer) == list(range(10))
    assert effect_counts(observer, job_id) == {Effect.CREATED: 10}


@pytest.mark.usefixtures("players")
def test_two_workers_on_one_job_apply_every_event_once_and_in_order(
    pool: Pool, redis_url: str, submit: Callable[..., UUID], observer: Connection
) -> None:
    job_id = submit("events", deposits(100), block_items=5)

    def work() -> None:
        executor = make_executor(pool, redis_url)
        while True:
            executor.run(job_id, seconds=0)
            with transaction(pool) as conn:
                if job_of(conn, job_id).status.ended:
                    return

    with ThreadPoolExecutor(2) as threads:
        for worker in [threads.submit(work), threads.submit(work)]:
            worker.result()
    assert numbers(observer) == list(range(100))
    assert effect_counts(observer, job_id) == {Effect.CREATED: 100}


def test_jobs_over_the_same_keys_at_once_all_complete(
    pool: Pool, redis_url: str, submit: Callable[..., UUID], observer: Connection
) -> None:
    keys = range(100)
    made = [
        submit(
            "entities",
            [entity(key, data={"email": str(job)}) for key in (keys if job % 2 else reversed(keys))],
            ordered=False,
        )
        for job in range(10)
    ]
    with capture_logs() as lines, ThreadPoolExecutor(2) as threads:
        for job in made:
            threads.submit(make_executor(pool, redis_url).run, job, seconds=60)
    assert [line["event"] for line in lines] == ["job_ended"] * 10, "no deadlock, so nothing was tried again"
    assert {job_of(observer, job).status for job in made} == {JobState.COMPLETED}
    assert sum(job_of(observer, job).effects[Effect.CREATED] for job in made) == 100


def test_a_job_cancelled_while_a_block_is_under_way_keeps_nothing_of_that_block(
    pool: Pool, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(number) for number in range(10)], block_items=5)
    executor.run(job_id, seconds=0)

    def cancel() -> None:
        with transaction(pool) as conn:
            assert control.cancel(conn, job_id)

    changed(executor, pool=pool, template_cache=once(cancel)).run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.CANCELLED
    assert effect_counts(observer, job_id) == {Effect.CREATED: 5, Effect.UNPROCESSED: 5}
    assert observer.execute("SELECT FROM entities").rowcount == 5
    executor.run(job_id, seconds=60)
    assert observer.execute("SELECT FROM entities").rowcount == 5
