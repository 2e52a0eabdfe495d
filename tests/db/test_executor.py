import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import redis
from structlog.testing import capture_logs

from ingest.db import blocks, jobs
from ingest.db.pool import Connection, Pool, transaction
from ingest.db.templates import Editions
from ingest.db.tenants import Tenant
from ingest.errors import DatabaseError
from ingest.executor import Executor
from ingest.jobs import Effect, Job, JobState
from ingest.templates import Template
from tests.db.lossy import IS_LOST, LANDS, PASSES, lossy_pool
from tests.db.meanwhile import Watched, once
from tests.factories import TOO_LARGE, accept, entity, event, make_executor, state


@pytest.fixture
def executor(pool: Pool, redis_url: str) -> Executor:
    return make_executor(pool, redis_url)


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def submit(pool: Pool, owner: Tenant) -> Callable[..., UUID]:
    """Accepts a batch of the owner's and commits it."""

    def store(kind: str, items: Any, **overrides: Any) -> UUID:
        with transaction(pool) as conn:
            return accept(conn, owner, kind, items, **overrides)

    return store


@pytest.fixture
def players(submit: Callable[..., UUID], executor: Executor) -> None:
    """player_000000 to player_000009 are there."""
    executor.run(submit("entities", [entity(number) for number in range(10)]), seconds=60)


def job_of(conn: Connection, job_id: UUID) -> Job:
    job = jobs.get(conn, job_id)
    assert job is not None
    return job


def counted(conn: Connection, job_id: UUID) -> dict[Effect, int]:
    return {effect: count for effect, count in job_of(conn, job_id).effects.items() if count}


def finish(executor: Executor, conn: Connection, job_id: UUID) -> None:
    """Deliver the job until it has ended: a session that was lost may hold its block for some moments more."""
    while not job_of(conn, job_id).status.ended:
        executor.run(job_id, seconds=60)
    assert job_of(conn, job_id).status is JobState.COMPLETED


def numbers(conn: Connection) -> list[int]:
    """The `amount` of every event that is stored, in the order of their ids."""
    return [int(str(n)) for (n,) in conn.execute("SELECT properties ->> 'amount' FROM events ORDER BY id")]


def deposits(count: int) -> list[dict[str, Any]]:
    return [event(n % 10, data={"type": "deposit", "amount": n, "currency": "EUR"}) for n in range(count)]


# What no good item looks like, as it is sent, with the code of its error.
_BAD_ANYWHERE = [
    (b"null", "VALIDATION_FAILED"),
    (b"17", "VALIDATION_FAILED"),
    (b'"text"', "VALIDATION_FAILED"),
    (b"[]", "VALIDATION_FAILED"),
    (b"{}", "VALIDATION_FAILED"),
    (b'"\\ud800"', "VALIDATION_FAILED"),
    (b'{"externalId": "\\udc00"}', "VALIDATION_FAILED"),
    (b'{"externalId": "a\\u0000b"}', "VALIDATION_FAILED"),
    (b'{"externalId": %s}' % (b"9" * 5_000), "VALIDATION_FAILED"),
    (b'{"externalId": 1e1000000000000000000000}', "VALIDATION_FAILED"),
    (b'{"externalId": "%s"}' % (b"x" * 501), "VALIDATION_FAILED"),
    (b"[" * 150 + b"]" * 150, "VALIDATION_FAILED"),
]
_BAD = {
    "entities": [
        *_BAD_ANYWHERE,
        (b'{"entityType": "player", "externalId": "x", "data": {}}', "VALIDATION_FAILED"),
        (b'{"entityType": "ship", "externalId": "x", "data": {}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"a": "\\u0000"}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"a": "\\udfff"}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {}, "data2": {}}', "VALIDATION_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"n": %s}}' % TOO_LARGE, "WRITE_FAILED"),
        (b'{"entityType": "game", "externalId": "x", "data": {"n": -1E1000000000000000000000}}', "VALIDATION_FAILED"),
    ],
    "events": [
        *_BAD_ANYWHERE,
        (b'{"externalId": "player_000001", "eventType": "transaction", "data": {}}', "VALIDATION_FAILED"),
        (b'{"externalId": "player_000001", "eventType": "session", "data": {}, "timestamp": 5}', "VALIDATION_FAILED"),
        (b'{"externalId": "nobody", "eventType": "session", "data": {}}', "NOT_FOUND"),
        (b'{"externalId": "player_000001", "eventType": "session", "data": {"n": %s}}' % TOO_LARGE, "WRITE_FAILED"),
    ],
    "states": [
        *_BAD_ANYWHERE,
        (b'{"externalId": "player_000001", "stateKey": "mood", "value": 1}', "VALIDATION_FAILED"),
        (b'{"externalId": "player_000001", "stateKey": "balance"}', "VALIDATION_FAILED"),
        (b'{"externalId": "nobody", "stateKey": "balance", "value": 1}', "NOT_FOUND"),
        (b'{"externalId": "player_000001", "stateKey": "balance", "value": %s}' % TOO_LARGE, "WRITE_FAILED"),
    ],
}
_GOOD: dict[str, Callable[[int], dict[str, Any]]] = {
    "entities": entity,
    "events": lambda number: event(number % 10),
    "states": lambda number: state(number % 10, value=number),
}


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("block_items", [1, 5, 1_000])
@pytest.mark.parametrize("kind", _BAD)
def test_a_bad_item_never_sinks_a_good_one(
    kind: str, block_items: int, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    texts: list[bytes] = []
    for number, (bad, _) in enumerate(_BAD[kind]):
        texts += [bad, json.dumps(_GOOD[kind](100 + number)).encode()]
    job_id = submit(kind, b"[" + b",".join(texts) + b"]", block_items=block_items)
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert job.status is JobState.COMPLETED
    assert sum(job.effects.values()) == job.total == 2 * len(_BAD[kind])
    errors = blocks.errors_of(observer, job_id, limit=100)
    assert [(error.index, error.code) for error in errors] == [
        (2 * number, code) for number, (_, code) in enumerate(_BAD[kind])
    ]
    assert all(error.message for error in errors)
    assert (job.effects[Effect.FAILED], job.succeeded) == (len(_BAD[kind]), len(_BAD[kind]))


def test_an_error_has_index_id_code_and_message_as_the_contract_words_them(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1), entity(2, data={"phone": "1"})])
    executor.run(job_id, seconds=60)
    [error] = blocks.errors_of(observer, job_id, limit=10)
    assert (error.index, error.external_id, error.code, error.message) == (
        1,
        "player_000002",
        "VALIDATION_FAILED",
        'Missing required field: "email"',
    )


def test_every_effect_is_counted(submit: Callable[..., UUID], executor: Executor, observer: Connection) -> None:
    executor.run(submit("entities", [entity(1), entity(2)]), seconds=60)
    job_id = submit("entities", [entity(1), entity(2, data={"email": "new"}), entity(3), entity(4, data=None)])
    executor.run(job_id, seconds=60)
    assert counted(observer, job_id) == {
        Effect.CREATED: 1,
        Effect.UPDATED: 1,
        Effect.UNCHANGED: 1,
        Effect.FAILED: 1,
    }


@pytest.mark.usefixtures("players")
def test_blocks_run_in_order_and_items_within_them(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(60), block_items=7)
    executor.run(job_id, seconds=60)
    assert numbers(observer) == list(range(60))
    assert (job_of(observer, job_id).attempts, counted(observer, job_id)) == (1, {Effect.CREATED: 60})


def test_equal_keys_in_two_blocks_end_in_the_order_sent(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1, data={"email": str(n)}) for n in range(10)], block_items=3)
    executor.run(job_id, seconds=60)
    assert counted(observer, job_id) == {Effect.CREATED: 1, Effect.UPDATED: 9}
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"email": "9"}',)]


def test_a_job_merges_where_it_was_asked_to(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    executor.run(submit("entities", [entity(1, data={"email": "a", "phone": "1"})]), seconds=60)
    executor.run(submit("entities", [entity(1, data={"email": "b", "phone": None})], merge=True), seconds=60)
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"email": "b"}',)]


def test_numbers_reach_the_table_as_they_were_sent(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    number = "9" * 40
    body = b'[{"entityType": "game", "externalId": "g", "data": {"a": 145.50, "b": %s, "c": 0.1}}]' % number.encode()
    executor.run(submit("entities", body), seconds=60)
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [
        (f'{{"a": 145.50, "b": {number}, "c": 0.1}}',)
    ]


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

    first = Executor(executor.pool, executor.bell, executor.wakeups, once(deliver_again))
    first.run(job_id, seconds=60)
    assert numbers(observer) == list(range(10))
    assert (job_of(observer, job_id).attempts, counted(observer, job_id)) == (1, {Effect.CREATED: 10})


@pytest.mark.usefixtures("players")
def test_a_worker_that_is_overtaken_before_its_lock_does_not_do_the_block_again(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)

    class Overtaken(Editions):
        """The template is read after the block and before its lock."""

        def get(self, conn: Connection, template_id: int) -> Template:
            executor.run(job_id, seconds=60)
            return super().get(conn, template_id)

    Executor(executor.pool, executor.bell, executor.wakeups, Overtaken()).run(job_id, seconds=60)
    assert numbers(observer) == list(range(10))
    assert counted(observer, job_id) == {Effect.CREATED: 10}


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
    assert counted(observer, job_id) == {Effect.CREATED: 100}


def test_jobs_over_the_same_keys_at_once_all_complete(
    pool: Pool, redis_url: str, submit: Callable[..., UUID], observer: Connection
) -> None:
    keys = range(100)
    made = [
        submit("entities", [entity(key, data={"email": str(job)}) for key in (keys if job % 2 else reversed(keys))])
        for job in range(10)
    ]
    with capture_logs() as lines, ThreadPoolExecutor(2) as threads:
        for job in made:
            threads.submit(make_executor(pool, redis_url).run, job, seconds=60)
    assert [line["event"] for line in lines] == ["job_ended"] * 10, "no deadlock, so nothing was tried again"
    assert {job_of(observer, job).status for job in made} == {JobState.COMPLETED}
    assert sum(job_of(observer, job).effects[Effect.CREATED] for job in made) == 100


# Each step of a block's transaction, as the database sees it.
_STEPS = {
    "write": "TRIGGER stumble BEFORE INSERT ON events",
    "link": "TRIGGER stumble BEFORE INSERT ON event_entities",
    "record errors": "TRIGGER stumble BEFORE INSERT ON job_errors",
    "close": "TRIGGER stumble BEFORE UPDATE OF open ON job_blocks",
    "move on": "TRIGGER stumble BEFORE UPDATE OF created ON jobs",
    "commit": "CONSTRAINT TRIGGER stumble AFTER UPDATE OF created ON jobs DEFERRABLE INITIALLY DEFERRED",
}
_STUMBLE = """
CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'stumbled' USING ERRCODE = '{state}'; END $$;
CREATE {step} FOR EACH ROW EXECUTE FUNCTION stumble()
"""


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("state", ["P0001", "40P01"])
@pytest.mark.parametrize("step", _STEPS)
def test_a_block_that_fails_at_any_step_leaves_nothing_and_is_done_once_later(
    step: str, state: str, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    sent = deposits(10)
    sent[7] = event(1, eventType="launch")
    job_id = submit("events", sent, block_items=5)
    executor.run(job_id, seconds=0)
    before = job_of(observer, job_id)
    assert (before.effects[Effect.CREATED], before.effects[Effect.UNPROCESSED]) == (5, 5)
    observer.execute(_STUMBLE.format(state=state, step=_STEPS[step]).encode())
    if state == "P0001":
        with pytest.raises(DatabaseError):
            executor.run(job_id, seconds=60)
    else:
        executor.run(job_id, seconds=60)  # it may pass later, so the delivery ends quietly
    after = job_of(observer, job_id)
    assert (after.status, after.effects, after.progressed_at) == (
        JobState.PROCESSING,
        before.effects,
        before.progressed_at,
    )
    assert numbers(observer) == list(range(5))
    assert observer.execute("SELECT FROM event_entities").rowcount == 5
    assert observer.execute("SELECT FROM job_errors").rowcount == 0
    assert observer.execute("SELECT open FROM job_blocks ORDER BY job_id, no").fetchall()[-2:] == [(False,), (True,)]
    observer.execute("DROP FUNCTION stumble CASCADE")
    executor.run(job_id, seconds=60)
    assert numbers(observer) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert counted(observer, job_id) == {Effect.CREATED: 9, Effect.FAILED: 1}


def test_a_job_cancelled_while_a_block_is_under_way_keeps_nothing_of_that_block(
    pool: Pool, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(number) for number in range(10)], block_items=5)
    executor.run(job_id, seconds=0)

    def cancel() -> None:
        with transaction(pool) as conn:
            assert jobs.cancel(conn, job_id)

    Executor(pool, executor.bell, executor.wakeups, once(cancel)).run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.CANCELLED
    assert counted(observer, job_id) == {Effect.CREATED: 5, Effect.UNPROCESSED: 5}
    assert observer.execute("SELECT FROM entities").rowcount == 5
    executor.run(job_id, seconds=60)
    assert observer.execute("SELECT FROM entities").rowcount == 5


@pytest.mark.usefixtures("players")
def test_a_worker_whose_session_ends_in_a_block_leaves_nothing_and_looks_again(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)

    def end_session() -> None:
        ended = observer.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        assert ended.fetchall() == [(True,)]
        assert numbers(observer) == []

    finish(Executor(executor.pool, executor.bell, executor.wakeups, once(end_session)), observer, job_id)
    assert numbers(observer) == list(range(10))
    assert counted(observer, job_id) == {Effect.CREATED: 10}


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("fate", [LANDS, IS_LOST])
@pytest.mark.parametrize("commits_before", range(6))
def test_a_commit_whose_answer_is_lost_applies_nothing_twice_and_loses_nothing(
    commits_before: int, fate: str, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    with lossy_pool(executor.pool, *[PASSES] * commits_before, fate) as pool:
        finish(Executor(pool, executor.bell, executor.wakeups, Editions()), observer, job_id)
    assert numbers(observer) == list(range(10))
    assert counted(observer, job_id) == {Effect.CREATED: 10}


@pytest.mark.usefixtures("players")
def test_a_delivery_goes_on_after_a_commit_whose_answer_was_lost(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    with lossy_pool(executor.pool, PASSES, PASSES, LANDS) as pool:
        Executor(pool, executor.bell, executor.wakeups, Editions()).run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert numbers(observer) == list(range(10))


@pytest.mark.usefixtures("players")
def test_a_database_that_stays_lost_ends_the_delivery_and_the_next_one_goes_on(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    with lossy_pool(executor.pool, PASSES, *[IS_LOST] * 50) as pool:
        Executor(pool, executor.bell, executor.wakeups, Editions()).run(job_id, seconds=60)
    assert counted(observer, job_id) == {Effect.UNPROCESSED: 10}
    finish(executor, observer, job_id)
    assert numbers(observer) == list(range(10))


def test_a_slice_does_one_block_at_least_and_rings_for_the_rest(
    submit: Callable[..., UUID], executor: Executor, observer: Connection, broker: redis.Redis
) -> None:
    job_id = submit("entities", [entity(number) for number in range(4)], block_items=2)
    executor.run(job_id, seconds=0)
    assert counted(observer, job_id) == {Effect.CREATED: 2, Effect.UNPROCESSED: 2}
    assert str(job_id) in rung(broker)
    executor.run(job_id, seconds=0)
    assert job_of(observer, job_id).status is JobState.COMPLETED


def rung(broker: redis.Redis) -> str:
    """The next ring that reaches the broker."""
    message = broker.blpop(["sluice.jobs"], timeout=30)
    assert message is not None
    return str(json.loads(message[1])["headers"]["argsrepr"])


def test_a_job_that_waits_for_another_runs_after_it_and_is_rung_for(
    submit: Callable[..., UUID], executor: Executor, observer: Connection, broker: redis.Redis
) -> None:
    first = submit("entities", [entity(1, data={"email": "first"})])
    second = submit("entities", [entity(1, data={"email": "second"})], after_job_id=first)
    executor.run(second, seconds=60)
    assert job_of(observer, second).status is JobState.PENDING
    executor.run(first, seconds=60)
    assert str(second) in rung(broker)
    executor.run(second, seconds=60)
    assert counted(observer, second) == {Effect.UPDATED: 1}
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"email": "second"}',)]


@pytest.mark.parametrize("awaited", [True, False])
def test_who_waits_for_a_job_is_woken_at_its_end(
    *, awaited: bool, submit: Callable[..., UUID], executor: Executor, broker: redis.Redis
) -> None:
    job_id = submit("entities", [entity(1), entity(2)], block_items=1, awaited=awaited)
    executor.run(job_id, seconds=0)
    assert not broker.exists(f"sluice:ended:{job_id.hex}")
    executor.run(job_id, seconds=60)
    assert broker.exists(f"sluice:ended:{job_id.hex}") == awaited


def test_a_job_whose_payload_was_changed_fails_and_what_was_done_stands(
    submit: Callable[..., UUID], executor: Executor, observer: Connection, broker: redis.Redis
) -> None:
    job_id = submit("entities", [entity(1), entity(2), entity(3)], block_items=1, awaited=True)
    waiting = submit("entities", [entity(4)], after_job_id=job_id)
    observer.execute("UPDATE job_blocks SET payload = 'x' WHERE no = 1")
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert (job.status, job.error_code) == (JobState.FAILED, "JOB_UNRUNNABLE")
    assert (job.error_message or "").startswith("The stored batch cannot be read")
    assert counted(observer, job_id) == {Effect.CREATED: 1, Effect.UNPROCESSED: 2}
    assert broker.exists(f"sluice:ended:{job_id.hex}")
    assert str(waiting) in rung(broker)


def test_a_job_that_nobody_knows_is_nothing_to_do(executor: Executor) -> None:
    executor.run(UUID(int=0), seconds=60)


@pytest.mark.usefixtures("players")
def test_an_item_that_kills_whoever_checks_it_is_an_error_and_its_neighbours_are_written(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    def die_of_a_bonus(name: str) -> None:
        if name == "bonus":
            os.kill(os.getpid(), signal.SIGKILL)

    sent = deposits(6)
    sent[3] = event(3, eventType="bonus")
    job_id = submit("events", sent)
    observer.execute("UPDATE job_blocks SET deliveries = 2 WHERE job_id = %s", (job_id,))
    Executor(executor.pool, executor.bell, executor.wakeups, Watched(die_of_a_bonus)).run(job_id, seconds=60)
    assert numbers(observer) == [0, 1, 2, 4, 5]
    [error] = blocks.errors_of(observer, job_id, limit=10)
    assert (error.index, error.code, error.message) == (
        3,
        "VALIDATION_FAILED",
        "Checking this item ended the process three times",
    )


@pytest.mark.usefixtures("players")
def test_many_deliveries_blame_no_item_that_can_be_checked(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(6))
    observer.execute("UPDATE job_blocks SET deliveries = 1000 WHERE job_id = %s", (job_id,))
    executor.run(job_id, seconds=60)
    assert counted(observer, job_id) == {Effect.CREATED: 6}
