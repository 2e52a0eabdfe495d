"""A block stands as a whole or not at all, whatever is lost on the way."""

from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.executor import Executor
from ingest.errors import DatabaseError
from ingest.jobs import Effect, JobState
from tests.support.factories import changed, event
from tests.support.lossy import IS_LOST, LANDS, PASSES, lossy_pool
from tests.support.meanwhile import once
from tests.support.seen import deposits, effect_counts, finish, job_of, numbers

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
    assert effect_counts(observer, job_id) == {Effect.CREATED: 9, Effect.FAILED: 1}


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

    finish(
        changed(executor, template_cache=once(end_session)),
        observer,
        job_id,
    )
    assert numbers(observer) == list(range(10))
    assert effect_counts(observer, job_id) == {Effect.CREATED: 10}


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("fate", [LANDS, IS_LOST])
@pytest.mark.parametrize("commits_before", range(3))
def test_a_commit_whose_answer_is_lost_applies_nothing_twice_and_loses_nothing(
    commits_before: int, fate: str, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    with lossy_pool(executor.pool, *[PASSES] * commits_before, fate) as pool:
        finish(changed(executor, pool=pool, template_cache=TemplateCache()), observer, job_id)
    assert numbers(observer) == list(range(10))
    assert effect_counts(observer, job_id) == {Effect.CREATED: 10}


@pytest.mark.usefixtures("players")
def test_a_delivery_goes_on_after_a_commit_whose_answer_was_lost(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    with lossy_pool(executor.pool, LANDS) as pool:
        changed(executor, pool=pool, template_cache=TemplateCache()).run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.COMPLETED
    assert numbers(observer) == list(range(10))


@pytest.mark.usefixtures("players")
def test_a_database_that_stays_lost_ends_the_delivery_and_the_next_one_goes_on(
    submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    job_id = submit("events", deposits(10), block_items=5)
    with lossy_pool(executor.pool, *[IS_LOST] * 50) as pool:
        changed(executor, pool=pool, template_cache=TemplateCache()).run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.UNPROCESSED: 10}
    finish(executor, observer, job_id)
    assert numbers(observer) == list(range(10))
