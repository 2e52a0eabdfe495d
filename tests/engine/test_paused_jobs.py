"""A job that is paused, resumed or cancelled while it runs: no item is lost, doubled, or written afterwards."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import blocks, claims, control, timeline
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.jobs import Effect, JobOptions, JobState
from ingest.notify.listener import Listener
from tests.support.factories import accept, changed, entity, make_executor
from tests.support.meanwhile import once
from tests.support.seen import effect_counts, job_of

Submit = Callable[..., UUID]


def steered(pool: Pool, steer: Callable[..., object], *job_ids: UUID) -> None:
    with transaction(pool) as conn:
        for job_id in job_ids:
            assert steer(conn, job_id)


def names(conn: Connection) -> list[str]:
    return [str(row[0]) for row in conn.execute("SELECT external_id FROM entities ORDER BY external_id")]


def test_a_job_paused_in_a_block_ends_that_block_and_begins_none(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(number) for number in range(6)], block_items=2)
    meanwhile = changed(executor, template_cache=once(lambda: steered(pool, control.pause, job_id)))
    meanwhile.run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.PAUSED
    assert effect_counts(observer, job_id) == {Effect.CREATED: 2, Effect.UNPROCESSED: 4}
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 2, Effect.UNPROCESSED: 4}
    steered(pool, control.resume, job_id)
    executor.run(job_id, seconds=60)
    assert (job_of(observer, job_id).status, len(names(observer))) == (JobState.COMPLETED, 6)


def test_a_job_paused_between_two_blocks_begins_no_further_one(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit("entities", [entity(number) for number in range(3)], block_items=1)
    next_to_run = blocks.next_to_run

    def paused_before(conn: Connection, job_id: UUID) -> OpenBlock | None:
        steered(pool, control.pause, job_id)
        return next_to_run(conn, job_id)

    monkeypatch.setattr(blocks, "next_to_run", paused_before)
    executor.run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.PAUSED
    assert names(observer) == ["player_000000"]


def test_a_pause_and_resume_within_a_block_leave_the_job_to_the_worker_that_has_it(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(number) for number in range(4)], block_items=2)
    claimed: list[object] = []

    def pause_and_resume() -> None:
        steered(pool, control.pause, job_id)
        steered(pool, control.resume, job_id)
        with transaction(pool) as conn:
            claimed.append(claims.next_head(conn))

    changed(executor, template_cache=once(pause_and_resume)).run(job_id, seconds=60)
    assert claimed == [None], "or each claim would meet the lock of its block"
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert (job_of(observer, job_id).attempts, len(names(observer))) == (1, 4)


@pytest.mark.parametrize("bad", [False, True])
def test_a_pause_in_an_atomic_job_takes_effect_behind_its_transaction(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection, *, bad: bool
) -> None:
    items = [entity(1), entity(2), entity(3, **({"entityType": "ghost"} if bad else {}))]
    job_id = submit("entities", items, block_items=1, options=JobOptions(atomic=True))
    meanwhile = changed(executor, template_cache=once(lambda: steered(pool, control.pause, job_id)))
    meanwhile.run(job_id, seconds=60)
    assert job_of(observer, job_id).status is (JobState.FAILED if bad else JobState.COMPLETED)
    assert len(names(observer)) == (0 if bad else 3)
    kept = observer.execute("SELECT FROM job_blocks WHERE open AND payload <> ''").rowcount
    assert kept == (3 if bad else 0), "an aborted job keeps what was not done"


@pytest.mark.parametrize("steer", [control.pause, control.cancel])
def test_one_of_a_group_that_is_steered_meanwhile_takes_no_item_of_the_others(
    pool: Pool, owner: Tenant, redis_url: str, observer: Connection, steer: Callable[..., object]
) -> None:
    with transaction(pool) as conn:
        made = [accept(conn, owner, "entities", [entity(number)]) for number in range(4)]
    executor = changed(make_executor(pool, redis_url), template_cache=once(lambda: steered(pool, steer, made[2])))
    executor.serve(None, Listener(redis_url), seconds=60)
    done = JobState.COMPLETED if steer is control.pause else JobState.CANCELLED
    assert [job_of(observer, job_id).status for job_id in made] == [
        JobState.COMPLETED,
        JobState.COMPLETED,
        done,
        JobState.COMPLETED,
    ]
    left = [0, 1, 2, 3] if steer is control.pause else [0, 1, 3]
    assert names(observer) == [f"player_{number:06}" for number in left]
    assert sum(sum(effect_counts(observer, job_id).values()) for job_id in made) == 4


def test_blocks_of_an_unordered_job_that_two_workers_have_under_way_are_counted(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection
) -> None:
    job_id = submit("entities", [entity(number) for number in range(4)], block_items=1, ordered=False)

    def second_worker() -> None:
        changed(executor, template_cache=once(lambda: steered(pool, control.pause, job_id))).run(job_id, seconds=0)

    changed(executor, template_cache=once(second_worker)).run(job_id, seconds=0)
    assert job_of(observer, job_id).status is JobState.PAUSED
    assert effect_counts(observer, job_id) == {Effect.CREATED: 2, Effect.UNPROCESSED: 2}
    steered(pool, control.resume, job_id)
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 4}


def test_a_request_that_runs_its_own_job_leaves_once_that_is_paused(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection
) -> None:
    job_id = submit("objects", [{"type": "order", "id": "1"}], template_id=None)
    steered(pool, control.pause, job_id)
    executor.run_in_turn(job_id, seconds=60, longest=10_000)
    assert job_of(observer, job_id).status is JobState.PAUSED


def test_the_end_of_a_paused_job_releases_what_waits_for_it(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection
) -> None:
    first = submit("entities", [entity(1)])
    second = submit("entities", [entity(2)], after_job_id=first)
    meanwhile = changed(executor, template_cache=once(lambda: steered(pool, control.pause, first)))
    meanwhile.run(first, seconds=60)
    assert job_of(observer, first).status is JobState.COMPLETED
    assert observer.execute("SELECT FROM jobs WHERE id = %s AND on_hold_since IS NULL", (second,)).rowcount == 1
    executor.run(second, seconds=60)
    assert job_of(observer, second).status is JobState.COMPLETED


def test_the_timeline_tells_of_deliveries_that_came_again_up_to_a_hundred(
    submit: Submit, pool: Pool, executor: Executor, observer: Connection, other: Connection
) -> None:
    job_id = submit("entities", [entity(1)])
    other.execute("SELECT FROM job_blocks WHERE job_id = %s FOR UPDATE", (job_id,))
    executor.run(job_id, seconds=0)
    other.rollback()
    with transaction(pool) as conn:
        conn.execute("UPDATE job_blocks SET deliveries = 7")
        conn.execute(
            "INSERT INTO job_timeline (job_id, what) SELECT %s, 'delivered_again' FROM generate_series(1, 99)",
            (job_id,),
        )
    meanwhile: Any = once(lambda: executor.run(job_id, seconds=0))
    changed(executor, template_cache=meanwhile).run(job_id, seconds=0)
    found = [entry for entry in timeline.page(observer, job_id, limit=1_000) if entry.what == "delivered_again"]
    assert len(found) == 100
    assert found[-1].detail == "block 0, delivery 8"
