"""A woken worker drains the queue, and no message is sent while a worker is listening."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import redis

from ingest.db.connection.pool import Connection, Pool, open_pool, transaction
from ingest.db.jobs import claims
from ingest.engine.executor import Executor
from ingest.ids import uuid7
from ingest.jobs import JobState
from ingest.notify.broker import celery_app
from ingest.notify.listener import Listener, channel_name
from ingest.notify.notifier import Notifier
from tests.support.factories import accept, changed, entity, event, make_tenant, state
from tests.support.seen import deposits, job_of

_QUEUE = "sluice.jobs"
_OBJECTS = [{"type": "Order", "id": "1"}]


def heads(conn: Connection, *, limit: int) -> list[UUID]:
    return [head.job_id for head in claims.heads(conn)][:limit]


class Noted(Notifier):
    """A notifier that keeps the jobs of which it was to notify."""

    def __init__(self) -> None:
        super().__init__(celery_app("unix:///no/such/socket"), "unix:///no/such/socket")
        self.jobs: list[UUID] = []

    def notify(self, job_id: UUID, *, force_message: bool = False) -> None:  # noqa: ARG002 # as its parent's
        self.jobs.append(job_id)


@pytest.mark.usefixtures("players")
def test_a_worker_drains_the_queue_in_order(
    submit: Callable[..., UUID], executor: Executor, listener: Listener, observer: Connection
) -> None:
    waiting = [submit("events", [event(number)]) for number in range(5)]
    executor.serve(waiting[3], listener, seconds=60)
    ended = [job_of(observer, job_id) for job_id in waiting]
    assert {job.status for job in ended} == {JobState.COMPLETED}
    first, *others = sorted(ended, key=lambda job: job.started_at or job.created_at)
    assert [first.id, *(job.id for job in others)] == [waiting[3], *waiting[:3], waiting[4]]


@pytest.mark.parametrize("job_id", [None, uuid7()])
def test_a_message_that_names_no_job_brings_the_others_on(
    job_id: UUID | None, submit: Callable[..., UUID], executor: Executor, listener: Listener, observer: Connection
) -> None:
    waiting = submit("entities", [entity(1)])
    executor.serve(job_id, listener, seconds=60)
    assert job_of(observer, waiting).status is JobState.COMPLETED


def test_a_job_that_waits_for_another_runs_after_it(
    submit: Callable[..., UUID], executor: Executor, listener: Listener, observer: Connection
) -> None:
    first = submit("entities", [entity(1)])
    second = submit("entities", [entity(1)], after_job_id=first)
    with transaction(executor.pool) as conn:
        conn.execute("UPDATE jobs SET queued_at = now() + interval '1 day' WHERE id = %s", (first,))
        assert heads(conn, limit=2) == [first]
    executor.serve(None, listener, seconds=60)
    ended = [job_of(observer, job_id).ended_at for job_id in (first, second)]
    assert None not in ended
    assert ended == sorted(ended)  # type: ignore[type-var] # not None


@pytest.mark.usefixtures("players")
def test_a_long_job_goes_to_the_end_of_those_that_wait(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    long = submit("events", deposits(10), block_items=5)
    short = submit("entities", [entity(1)])
    notifier = Noted()
    changed(executor, notifier=notifier).run(long, seconds=0)
    assert notifier.jobs == [long]
    with transaction(executor.pool) as conn:
        assert heads(conn, limit=3) == [short]
        taken = [*claims.claim_next(conn), *claims.claim_next(conn)]
        assert [begun.job.id for begun in taken] == [short, long]
        conn.rollback()
    assert job_of(observer, long).status is JobState.PROCESSING


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("mine", [0, 1])
def test_a_worker_wakes_another_before_its_own_job_if_more_are_queued(
    mine: int, submit: Callable[..., UUID], executor: Executor, listener: Listener, observer: Connection
) -> None:
    class Noting(Noted):
        def notify(self, job_id: UUID, *, force_message: bool = False) -> None:
            processed.append(job_of(observer, both[mine]).processed)
            super().notify(job_id, force_message=force_message)

    both = [submit("events", [event(number)]) for number in range(2)]
    processed: list[int] = []
    notifier = Noting()
    changed(executor, notifier=notifier).serve(both[mine], listener, seconds=60)
    assert (notifier.jobs, processed) == ([both[1 - mine]], [0])


def test_a_worker_wakes_another_once_the_end_of_its_job_frees_several(
    submit: Callable[..., UUID], executor: Executor, listener: Listener
) -> None:
    first = submit("entities", [entity(1)])
    states = submit("states", [state(1)])
    events = submit("events", [event(1)])
    notifier = Noted()
    changed(executor, notifier=notifier).serve(first, listener, seconds=60)
    assert (states, notifier.jobs) == (states, [events])


def test_a_worker_whose_job_is_the_only_one_wakes_no_other(
    submit: Callable[..., UUID], executor: Executor, listener: Listener
) -> None:
    notifier = Noted()
    changed(executor, notifier=notifier).serve(submit("entities", [entity(1)]), listener, seconds=60)
    assert notifier.jobs == []


def test_a_worker_notified_of_more_than_one_job_wakes_another(
    submit: Callable[..., UUID], executor: Executor, redis_url: str
) -> None:
    class Late(Listener):
        def wait(self) -> bool:
            if not come:
                come.extend([submit("entities", [entity(1)]), submit("objects", _OBJECTS, template_id=None)])
                return True
            return super().wait()

    come: list[UUID] = []
    notifier = Noted()
    changed(executor, notifier=notifier).serve(None, Late(redis_url), seconds=60)
    assert notifier.jobs == [come[1]]


def test_a_worker_whose_time_is_up_passes_a_notification_on(
    submit: Callable[..., UUID], executor: Executor, redis_url: str
) -> None:
    class Late(Listener):
        """A listener that is notified once its owner's time is up."""

        def wait(self) -> bool:
            come.append(submit("entities", [entity(1)]))
            threading.Event().wait(seconds)
            return True

    seconds, come = 0.5, list[UUID]()
    notifier = Noted()
    changed(executor, notifier=notifier).serve(None, Late(redis_url), seconds=seconds)
    assert notifier.jobs == come


def test_a_job_that_somebody_began_and_left_is_left_to_sweep(
    submit: Callable[..., UUID], executor: Executor, listener: Listener, observer: Connection
) -> None:
    left, other = submit("objects", _OBJECTS, template_id=None), submit("entities", [entity(1)])
    with transaction(executor.pool) as conn:
        assert claims.claim(conn, left)
    executor.serve(other, listener, seconds=60)
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


def test_a_listening_worker_runs_a_new_job_and_no_message_is_sent(
    submit: Callable[..., UUID], executor: Executor, redis_url: str, broker: redis.Redis, observer: Connection
) -> None:
    class Waiting(Listener):
        """A listener that at first waits until it is notified."""

        opened = threading.Event()

        def wait(self) -> bool:
            with pytest.MonkeyPatch.context() as changed:
                if not self.opened.is_set():
                    changed.setattr("ingest.notify.listener._LISTENING_SECONDS", 60)
                self.opened.set()
                return super().wait()

    listener = Waiting(redis_url)
    notifier = Notifier(celery_app(redis_url), redis_url)
    own = open_pool(executor.pool.conninfo, "sluice-worker", size=1)
    with own, ThreadPoolExecutor(1) as thread:
        serving = thread.submit(changed(executor, pool=own).serve, None, listener, seconds=60)
        assert listener.opened.wait(30)
        assert broker.pubsub_numsub(channel_name(broker)) == [(channel_name(broker).encode(), 1)]
        job_id = submit("entities", [entity(1)])
        assert notifier._needs_no_message()
        serving.result()
    assert broker.llen(_QUEUE) == 0
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert broker.pubsub_numsub(channel_name(broker)) == [(channel_name(broker).encode(), 0)]


def test_without_redis_no_worker_listens(submit: Callable[..., UUID], executor: Executor, observer: Connection) -> None:
    job_id = submit("entities", [entity(1)])
    executor.serve(job_id, Listener("unix:///no/such/socket"), seconds=60)
    assert job_of(observer, job_id).status is JobState.COMPLETED


def test_a_job_without_open_blocks_keeps_no_worker_busy(
    submit: Callable[..., UUID], executor: Executor, listener: Listener, observer: Connection
) -> None:
    observer.execute("UPDATE job_blocks SET open = false WHERE job_id = %s", (submit("entities", [entity(1)]),))
    executor.serve(None, listener, seconds=60)


def test_two_workers_that_drain_the_queue_leave_no_job_begun(
    submit: Callable[..., UUID], executor: Executor, redis_url: str, observer: Connection
) -> None:
    for number in range(300):
        submit("entities", [entity(number)])

    def serve() -> None:
        with open_pool(executor.pool.conninfo, "sluice-worker", size=1) as own:
            changed(executor, pool=own).serve(None, Listener(redis_url), seconds=60)

    with ThreadPoolExecutor(2) as threads:
        for worker in [threads.submit(serve) for _ in range(2)]:
            worker.result()
    ends = observer.execute("SELECT DISTINCT status, attempts FROM jobs").fetchall()
    assert ends == [("completed", 1)]


def test_a_worker_pauses_longer_each_time_others_hold_the_queued_job(
    submit: Callable[..., UUID], executor: Executor, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker stands still in its claim: this one asks some twenty times, and leaves the job to a message."""
    pauses: list[float] = []
    monkeypatch.setattr("ingest.engine.executor.time.sleep", pauses.append)
    held, notifier = submit("entities", [entity(1)]), Noted()
    with transaction(executor.pool) as other:
        other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (held,))
        changed(executor, notifier=notifier).serve(None, listener, seconds=60)
    assert pauses == [0.001, 0.002, 0.004, 0.008, *[0.01] * 16]
    assert notifier.jobs == [held]
