"""The run of a job: its blocks in order, its effects, its end, and the announcement of its end."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
import redis

from ingest.db.connection.pool import Connection
from ingest.engine.executor import Executor
from ingest.ids import JOB, spell
from ingest.jobs import Effect, JobState
from tests.support.factories import entity
from tests.support.seen import deposits, effect_counts, job_of, numbers


def test_every_effect_is_counted(submit: Callable[..., UUID], executor: Executor, observer: Connection) -> None:
    executor.run(submit("entities", [entity(1), entity(2)]), seconds=60)
    job_id = submit("entities", [entity(1), entity(2, data={"email": "new"}), entity(3), entity(4, data=None)])
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {
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
    assert (job_of(observer, job_id).attempts, effect_counts(observer, job_id)) == (1, {Effect.CREATED: 60})


def test_equal_keys_in_two_blocks_end_in_the_order_sent(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1, data={"email": "x", "n": str(n)}) for n in range(10)], block_items=3)
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 1, Effect.UPDATED: 9}
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"n": "9"}',)]


def test_a_job_merges_where_it_was_asked_to(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    executor.run(submit("entities", [entity(1, data={"email": "a", "n": "a", "m": "1"})]), seconds=60)
    executor.run(submit("entities", [entity(1, data={"email": "b", "n": "b", "m": None})], merge=True), seconds=60)
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"n": "b"}',)]


def test_numbers_reach_the_table_as_they_were_sent(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    number = "9" * 40
    body = b'[{"entityType": "game", "externalId": "g", "data": {"a": 145.50, "b": %s, "c": 0.1}}]' % number.encode()
    executor.run(submit("entities", body), seconds=60)
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [
        (f'{{"a": 145.50, "b": {number}, "c": 0.1}}',)
    ]


def test_a_slice_does_one_block_at_least_and_notifies_of_the_rest(
    submit: Callable[..., UUID], executor: Executor, observer: Connection, broker: redis.Redis
) -> None:
    job_id = submit("entities", [entity(number) for number in range(4)], block_items=2)
    executor.run(job_id, seconds=0)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 2, Effect.UNPROCESSED: 2}
    assert spell(JOB, job_id) in next_message(broker)
    executor.run(job_id, seconds=0)
    assert job_of(observer, job_id).status is JobState.COMPLETED


def next_message(broker: redis.Redis) -> str:
    """The next message that reaches the broker."""
    message = broker.blpop(["sluice.jobs"], timeout=30)
    assert message is not None
    return str(json.loads(message[1])["headers"]["argsrepr"])


def test_a_job_that_waits_for_another_runs_after_it_and_is_notified_of(
    submit: Callable[..., UUID], executor: Executor, observer: Connection, broker: redis.Redis
) -> None:
    first = submit("entities", [entity(1, data={"email": "x", "n": "first"})])
    second = submit("entities", [entity(1, data={"email": "x", "n": "second"})], after_job_id=first)
    executor.run(second, seconds=60)
    assert job_of(observer, second).status is JobState.PENDING
    executor.run(first, seconds=60)
    assert spell(JOB, second) in next_message(broker)
    executor.run(second, seconds=60)
    assert effect_counts(observer, second) == {Effect.UPDATED: 1}
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"n": "second"}',)]


def test_a_process_that_runs_one_job_alone_notifies_of_the_next(
    submit: Callable[..., UUID], executor: Executor, broker: redis.Redis
) -> None:
    first = submit("entities", [entity(1)])
    second = submit("events", deposits(1))
    executor.run(first, seconds=60)
    assert spell(JOB, second) in next_message(broker)


@pytest.mark.parametrize("awaited", [True, False])
def test_a_request_that_waits_for_a_job_is_woken_at_its_end(
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
    assert effect_counts(observer, job_id) == {Effect.CREATED: 1, Effect.UNPROCESSED: 2}
    assert broker.exists(f"sluice:ended:{job_id.hex}")
    assert spell(JOB, waiting) in next_message(broker)


def test_a_job_that_nobody_knows_is_nothing_to_do(executor: Executor) -> None:
    executor.run(UUID(int=0), seconds=60)
