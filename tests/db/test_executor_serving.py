"""A worker that is awake takes along whatever waits, and rings that it hears are not sent as messages."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
import redis

from ingest.db import claims
from ingest.db.pool import Connection, Pool, open_pool, transaction
from ingest.executor import Executor
from ingest.ids import uuid7
from ingest.jobs import JobState
from ingest.queue import Bell, celery_app
from ingest.wakeups import Ear, rings
from tests.db.seen import deposits, job_of
from tests.factories import accept, entity, event, make_tenant, state

_QUEUE = "sluice.jobs"
_OBJECTS = [{"type": "Order", "id": "1"}]


def heads(conn: Connection, *, limit: int) -> list[UUID]:
    return [head.job_id for head in claims.heads(conn)][:limit]


class Rung(Bell):
    """A bell that keeps what it was rung for."""

    def __init__(self) -> None:
        super().__init__(celery_app("unix:///no/such/socket"), "unix:///no/such/socket")
        self.jobs: list[UUID] = []

    def ring(self, job_id: UUID, *, by_message: bool = False) -> None:  # noqa: ARG002 # as its parent's
        self.jobs.append(job_id)


@pytest.mark.usefixtures("players")
def test_whatever_waits_is_taken_along_in_the_order_it_came(
    submit: Callable[..., UUID], executor: Executor, ear: Ear, observer: Connection
) -> None:
    waiting = [submit("events", [event(number)]) for number in range(5)]
    executor.serve(waiting[3], ear, seconds=60)
    ended = [job_of(observer, job_id) for job_id in waiting]
    assert {job.status for job in ended} == {JobState.COMPLETED}
    first, *others = sorted(ended, key=lambda job: job.started_at or job.created_at)
    assert [first.id, *(job.id for job in others)] == [waiting[3], *waiting[:3], waiting[4]]


@pytest.mark.parametrize("job_id", [None, uuid7()])
def test_a_message_that_names_no_job_brings_the_others_on(
    job_id: UUID | None, submit: Callable[..., UUID], executor: Executor, ear: Ear, observer: Connection
) -> None:
    waiting = submit("entities", [entity(1)])
    executor.serve(job_id, ear, seconds=60)
    assert job_of(observer, waiting).status is JobState.COMPLETED


def test_a_job_that_waits_for_another_is_not_taken_along_before_it(
    submit: Callable[..., UUID], executor: Executor, ear: Ear, observer: Connection
) -> None:
    first = submit("entities", [entity(1)])
    second = submit("entities", [entity(1)], after_job_id=first)
    with transaction(executor.pool) as conn:
        conn.execute("UPDATE jobs SET queued_at = now() + interval '1 day' WHERE id = %s", (first,))
        assert heads(conn, limit=2) == [first]
    executor.serve(None, ear, seconds=60)
    ended = [job_of(observer, job_id).ended_at for job_id in (first, second)]
    assert None not in ended
    assert ended == sorted(ended)  # type: ignore[type-var] # not None


@pytest.mark.usefixtures("players")
def test_a_long_job_goes_to_the_end_of_those_that_wait(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    long = submit("events", deposits(10), block_items=5)
    short = submit("entities", [entity(1)])
    bell = Rung()
    replace(executor, bell=bell).run(long, seconds=0)
    assert bell.jobs == [long]
    with transaction(executor.pool) as conn:
        assert heads(conn, limit=3) == [short]
        taken = [*claims.claim_next(conn), *claims.claim_next(conn)]
        assert [begun.job.id for begun in taken] == [short, long]
        conn.rollback()
    assert job_of(observer, long).status is JobState.PROCESSING


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("mine", [0, 1])
def test_a_worker_wakes_another_before_its_own_job_if_more_are_queued(
    mine: int, submit: Callable[..., UUID], executor: Executor, ear: Ear, observer: Connection
) -> None:
    class Noting(Rung):
        def ring(self, job_id: UUID, *, by_message: bool = False) -> None:
            processed.append(job_of(observer, both[mine]).processed)
            super().ring(job_id, by_message=by_message)

    both = [submit("events", [event(number)]) for number in range(2)]
    processed: list[int] = []
    bell = Noting()
    replace(executor, bell=bell).serve(both[mine], ear, seconds=60)
    assert (bell.jobs, processed) == ([both[1 - mine]], [0])


def test_a_worker_wakes_another_once_the_end_of_its_job_frees_several(
    submit: Callable[..., UUID], executor: Executor, ear: Ear
) -> None:
    first = submit("entities", [entity(1)])
    states = submit("states", [state(1)])
    events = submit("events", [event(1)])
    bell = Rung()
    replace(executor, bell=bell).serve(first, ear, seconds=60)
    assert (states, bell.jobs) == (states, [events])


def test_who_wakes_to_its_own_job_alone_wakes_nobody(submit: Callable[..., UUID], executor: Executor, ear: Ear) -> None:
    bell = Rung()
    replace(executor, bell=bell).serve(submit("entities", [entity(1)]), ear, seconds=60)
    assert bell.jobs == []


def test_a_worker_that_hears_of_more_than_one_job_wakes_another(
    submit: Callable[..., UUID], executor: Executor, redis_url: str
) -> None:
    class Late(Ear):
        def hears(self) -> bool:
            if not come:
                come.extend([submit("entities", [entity(1)]), submit("objects", _OBJECTS, template_id=None)])
                return True
            return super().hears()

    come: list[UUID] = []
    bell = Rung()
    replace(executor, bell=bell).serve(None, Late(redis_url), seconds=60)
    assert bell.jobs == [come[1]]


def test_what_is_heard_when_the_time_is_up_is_rung_for(
    submit: Callable[..., UUID], executor: Executor, redis_url: str
) -> None:
    class Late(Ear):
        """An ear that hears once its owner's time is up."""

        def hears(self) -> bool:
            come.append(submit("entities", [entity(1)]))
            threading.Event().wait(seconds)
            return True

    seconds, come = 0.5, list[UUID]()
    bell = Rung()
    replace(executor, bell=bell).serve(None, Late(redis_url), seconds=seconds)
    assert bell.jobs == come


def test_a_job_that_somebody_began_and_left_is_left_to_sweep(
    submit: Callable[..., UUID], executor: Executor, ear: Ear, observer: Connection
) -> None:
    left, other = submit("objects", _OBJECTS, template_id=None), submit("entities", [entity(1)])
    with transaction(executor.pool) as conn:
        assert claims.claim(conn, left)
    executor.serve(other, ear, seconds=60)
    assert job_of(observer, other).status is JobState.COMPLETED
    assert (job_of(observer, left).status, job_of(observer, left).attempts) == (JobState.PROCESSING, 1)
    executor.run(left, seconds=60)
    assert job_of(observer, left).status is JobState.COMPLETED


@pytest.mark.usefixtures("players")
def test_a_job_that_made_room_and_was_begun_again_and_left_is_left_to_sweep(
    submit: Callable[..., UUID], executor: Executor
) -> None:
    long = submit("events", deposits(10), block_items=5)
    executor.run(long, seconds=0)
    with transaction(executor.pool) as conn:
        assert claims.claim(conn, long)
    with transaction(executor.pool) as conn:
        assert claims.claim_next(conn) == []
        assert heads(conn, limit=1) == []


@pytest.mark.usefixtures("players")
def test_a_job_that_somebody_is_in_the_middle_of_is_not_taken_from_them(
    submit: Callable[..., UUID], executor: Executor, pool: Pool
) -> None:
    long = submit("events", deposits(10), block_items=5)
    executor.run(long, seconds=0)
    with transaction(pool) as conn:  # as it stands between two blocks, where nobody has asked it to make room
        conn.execute("UPDATE jobs SET queued_at = created_at WHERE id = %s", (long,))
        assert claims.claim_next(conn) == []
        assert heads(conn, limit=1) == []


def test_a_job_that_another_worker_claims_is_passed_over(
    submit: Callable[..., UUID], pool: Pool, other: Connection
) -> None:
    held = submit("events", [event(1), event(2)], block_items=1)
    with transaction(pool) as conn:
        free = accept(conn, make_tenant(conn, name="Other")[0], "events", [event(1), event(2)], block_items=1)

    def next_of(conn: Connection) -> list[UUID]:
        return [begun.job.id for begun in claims.claim_next(conn)]

    assert next_of(other) == [held]
    with transaction(pool) as conn:
        assert next_of(conn) == [free]
        conn.rollback()
    other.commit()
    with transaction(pool) as conn:
        assert next_of(conn) == [free]
        assert next_of(conn) == []


def test_a_ring_that_is_heard_is_no_message_and_brings_the_job_on(
    submit: Callable[..., UUID], executor: Executor, redis_url: str, broker: redis.Redis, observer: Connection
) -> None:
    class Awake(Ear):
        """An ear that hears until it is rung for, at first."""

        opened = threading.Event()

        def hears(self) -> bool:
            with pytest.MonkeyPatch.context() as patience:
                if not self.opened.is_set():
                    patience.setattr("ingest.wakeups._AWAKE_SECONDS", 60)
                self.opened.set()
                return super().hears()

    ear = Awake(redis_url)
    bell = Bell(celery_app(redis_url), redis_url)
    own = open_pool(executor.pool.conninfo, "sluice-worker", size=1)
    with own, ThreadPoolExecutor(1) as thread:
        serving = thread.submit(replace(executor, pool=own).serve, None, ear, seconds=60)
        assert ear.opened.wait(30)
        assert broker.pubsub_numsub(rings(broker)) == [(rings(broker).encode(), 1)]
        job_id = submit("entities", [entity(1)])
        assert bell._is_heard()
        serving.result()
    assert broker.llen(_QUEUE) == 0
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert broker.pubsub_numsub(rings(broker)) == [(rings(broker).encode(), 0)]


def test_without_redis_nobody_stays_awake(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1)])
    executor.serve(job_id, Ear("unix:///no/such/socket"), seconds=60)
    assert job_of(observer, job_id).status is JobState.COMPLETED


def test_a_job_of_which_nothing_is_left_keeps_nobody_awake(
    submit: Callable[..., UUID], executor: Executor, ear: Ear, observer: Connection
) -> None:
    observer.execute("UPDATE job_blocks SET open = false WHERE job_id = %s", (submit("entities", [entity(1)]),))
    executor.serve(None, ear, seconds=60)


def test_two_workers_that_take_along_leave_no_job_that_either_has_begun(
    submit: Callable[..., UUID], executor: Executor, redis_url: str, observer: Connection
) -> None:
    for number in range(300):
        submit("entities", [entity(number)])

    def serve() -> None:
        with open_pool(executor.pool.conninfo, "sluice-worker", size=1) as own:
            replace(executor, pool=own).serve(None, Ear(redis_url), seconds=60)

    with ThreadPoolExecutor(2) as threads:
        for worker in [threads.submit(serve) for _ in range(2)]:
            worker.result()
    ends = observer.execute("SELECT DISTINCT status, attempts FROM jobs").fetchall()
    assert ends == [("completed", 1)]
