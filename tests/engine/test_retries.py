"""Retries: each item of a family is in one child at a time, and a retry takes no more than it may at once."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db import verify
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.jobs import control, errors, families, items, lookup
from ingest.engine import selection
from ingest.engine.children import child_of
from ingest.engine.executor import Executor
from ingest.engine.retries import retry
from ingest.engine.selection import FAILED, RETRYABLE, UNPROCESSED, Wish
from ingest.errors import Gone, InvalidInput, LimitReached, WrongState
from ingest.ids import JOB, spell, uuid7
from ingest.jobs import Effect, Job, JobOptions
from ingest.settings import Settings
from tests.support.factories import entity, make_sealer

BAD: dict[str, Any] = {}
Submit = Callable[..., UUID]
Again = Callable[..., UUID]


def name(job_id: UUID) -> str:
    return spell(JOB, job_id)


@pytest.fixture
def again(pool: Pool) -> Again:
    """Retry a job. Return the child."""

    def send(job_id: UUID, select: Any = FAILED, patch: dict[int, Any] | None = None) -> UUID:
        with transaction(pool) as conn:
            parent = lookup.get(conn, job_id)
            assert parent is not None
            picked = UNPROCESSED if select == UNPROCESSED else FAILED
            child = child_of(parent, uuid7(), template_id=parent.template_id, request_id="test", picked=picked)
            return retry(conn, parent, child, Wish(select, patch or {}), None, sealer=make_sealer(parent.tenant_id))

    return send


@pytest.fixture
def run(executor: Executor, observer: Connection) -> Callable[[UUID], Job]:
    """Run a job, and return it."""

    def run_job(job_id: UUID) -> Job:
        executor.run(job_id, seconds=60)
        return shown(observer, job_id)

    return run_job


def shown(conn: Connection, job_id: UUID) -> Job:
    job = lookup.show(conn, job_id)
    assert job is not None
    return job


def cancel(pool: Pool, job_id: UUID) -> None:
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id)


def counted(effects: Any) -> dict[str, int]:
    return {effect.value: count for effect, count in effects.items() if count}


def check_all(settings: Settings) -> None:
    with connect(settings.database_url, "sluice-cli") as conn:
        results = verify.verify(conn, deadline_seconds=3_600, stuck_after_seconds=300, check_seconds=30)
        assert [result for result in results if result.found != 0] == []


@pytest.fixture
def bad(submit: Submit, executor: Executor) -> UUID:
    """A job of four items, all of which have failed."""
    job_id = submit("entities", [BAD] * 4)
    executor.run(job_id, seconds=60)
    return job_id


@pytest.fixture
def stopped(submit: Submit, executor: Executor) -> UUID:
    """A job of four items: the first has failed, and the others were not processed."""
    sent = [BAD, *map(entity, (1, 2, 3))]
    job_id = submit("entities", sent, block_items=1, options=JobOptions(max_errors=0))
    executor.run(job_id, seconds=60)
    return job_id


def test_the_answer_is_the_child_that_has_all_of_the_items(bad: UUID, again: Again) -> None:
    first, second = again(bad, [0, 1]), again(bad, [2, 3])
    assert (again(bad, [1]), again(bad, [0, 1])) == (first, first)
    assert (again(bad, [3]), again(bad, [2])) == (second, second)
    for select in ([1, 2], FAILED):
        with pytest.raises(WrongState) as refused:
            again(bad, select)
        assert all(name(child) in refused.value.message for child in (first, second))


def test_of_retryable_items_the_answer_is_the_child_that_has_them(
    submit: Submit, executor: Executor, again: Again
) -> None:
    job_id = submit("events", [{"externalId": "p1", "eventType": "session", "data": {}}, BAD])
    executor.run(job_id, seconds=60)
    child = again(job_id, RETRYABLE)
    other = again(job_id)
    assert (again(job_id, RETRYABLE), again(job_id, [1])) == (child, other)


def test_a_patch_for_items_that_a_child_has_is_refused_not_dropped(bad: UUID, again: Again) -> None:
    child = again(bad)
    for select in (FAILED, [0]):
        with pytest.raises(WrongState, match=name(child)):
            again(bad, select, {0: {"externalId": "p1"}})


def test_items_that_are_named_are_all_taken_or_none(bad: UUID, again: Again, observer: Connection) -> None:
    child = again(bad, [0])
    with pytest.raises(WrongState, match=name(child)):
        again(bad, [0, 1])
    assert shown(observer, again(bad)).total == 3


def test_an_item_that_a_child_has_repaired_is_not_sent_again(
    bad: UUID, again: Again, run: Callable[[UUID], Job]
) -> None:
    child = again(bad, [0, 1], {0: entity(1)})
    assert counted(run(child).effects) == {"created": 1, "failed": 1}
    with pytest.raises(WrongState, match=f"item 0 of .* was sent again by {name(child)}, and has not failed there"):
        again(bad, [0, 1])
    assert run(again(bad, [1, 2, 3])).total == 3


def test_an_item_of_a_child_that_another_took_is_retried_there(
    bad: UUID, again: Again, run: Callable[[UUID], Job]
) -> None:
    first = again(bad)
    run(first)
    second = again(bad, [0])
    assert again(first, [0]) == second
    run(second)
    with pytest.raises(WrongState, match=f"sent again by {name(second)}, and failed there; retry that job"):
        again(first, [0])
    assert run(again(bad, [0])).parent_job_id == bad


def test_unprocessed_items_of_children_are_sent_again_and_each_once(
    stopped: UUID, again: Again, run: Callable[[UUID], Job], pool: Pool, observer: Connection, settings: Settings
) -> None:
    first = again(stopped, UNPROCESSED)
    assert again(stopped, UNPROCESSED) == first
    cancel(pool, first)
    second = again(stopped, UNPROCESSED)
    assert counted(run(second).effects) == {"created": 3}
    with pytest.raises(WrongState, match="not sent again already"):
        again(stopped, UNPROCESSED)
    with pytest.raises(WrongState, match="not sent again already"):
        again(first, UNPROCESSED)
    assert counted(shown(observer, stopped).family) == {"created": 3, "failed": 1}
    assert observer.execute("SELECT count(*) FROM entities").fetchall() == [(3,)]
    check_all(settings)


def test_failed_items_that_a_child_did_not_process_are_sent_with_the_others(
    stopped: UUID, again: Again, run: Callable[[UUID], Job], pool: Pool, observer: Connection
) -> None:
    cancel(pool, again(stopped))
    child = run(again(stopped, UNPROCESSED))
    assert counted(child.effects) == {"created": 3, "failed": 1}
    assert counted(shown(observer, stopped).family) == {"created": 3, "failed": 1}
    assert [errors.of_item(observer, child.id, index) is None for index in range(4)] == [False, True, True, True]
    for index in (1, 2, 3):
        found = items.find(observer, child.id, index)
        assert found is not None
        assert found.effect is Effect.CREATED


def test_an_item_that_failed_among_unprocessed_ones_can_be_named(
    submit: Submit, again: Again, run: Callable[[UUID], Job]
) -> None:
    job_id = submit("entities", [BAD, BAD], block_items=1, options=JobOptions(max_errors=0))
    run(job_id)
    with pytest.raises(InvalidInput, match="item 1 did not fail"):
        again(job_id, [1])
    run(again(job_id, UNPROCESSED))
    assert run(again(job_id, [0, 1])).total == 2


def test_an_item_that_came_to_a_child_by_way_of_a_cancelled_one_can_be_named(
    bad: UUID, again: Again, run: Callable[[UUID], Job], pool: Pool
) -> None:
    cancelled = again(bad, [0, 1])
    cancel(pool, cancelled)
    with pytest.raises(WrongState, match=f"{name(cancelled)}, and was not processed there; retry the unprocessed"):
        again(bad, [0, 1])
    child = again(bad, UNPROCESSED)
    assert again(bad, [0, 1]) == child
    with pytest.raises(WrongState, match=name(child)):
        again(bad, [1, 2])
    assert counted(run(child).effects) == {"failed": 2}
    assert run(again(bad, [0, 1])).total == 2


def test_an_item_that_was_repaired_by_way_of_a_cancelled_child_is_said_to_be_in_the_last_one(
    bad: UUID, again: Again, run: Callable[[UUID], Job], pool: Pool
) -> None:
    cancel(pool, again(bad, [0, 1], {0: entity(1)}))
    child = again(bad, UNPROCESSED)
    assert counted(run(child).effects) == {"created": 1, "failed": 1}
    with pytest.raises(WrongState, match=f"item 0 of .* was sent again by {name(child)}, and has not failed there"):
        again(bad, [0, 1])


def test_blocks_whose_items_lie_among_anothers_are_left_to_the_next_retry(
    bad: UUID, again: Again, run: Callable[[UUID], Job], pool: Pool, observer: Connection
) -> None:
    for select in ([0, 3], [1]):
        cancel(pool, again(bad, select))
    assert [run(again(bad, UNPROCESSED)).total for _ in range(2)] == [2, 1]
    assert counted(shown(observer, bad).family) == {"failed": 4}


@pytest.mark.parametrize("select", [FAILED, [0, 2, 4]])
def test_an_aborted_job_sends_unprocessed_items_without_those_that_failed(
    submit: Submit, again: Again, run: Callable[[UUID], Job], observer: Connection, settings: Settings, select: Any
) -> None:
    sent = [BAD, entity(1), BAD, entity(2), BAD]
    job_id = submit("entities", sent, block_items=2, options=JobOptions(atomic=True))
    assert counted(run(job_id).effects) == {"failed": 3, "unprocessed": 2}
    child = run(again(job_id, UNPROCESSED))
    assert (counted(child.effects), child.options.atomic) == ({"created": 2}, True)
    assert counted(run(again(job_id, select)).effects) == {"failed": 3}
    assert counted(shown(observer, job_id).family) == {"created": 2, "failed": 3}
    check_all(settings)


def test_a_retry_takes_the_first_items_and_the_next_one_those_behind(
    bad: UUID, again: Again, observer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MOST_ITEMS", 3)
    with pytest.raises(InvalidInput, match="item 3 is not among the 3"):
        again(bad, FAILED, {3: {}})
    assert [shown(observer, again(bad)).total for _ in range(2)] == [3, 1]
    with pytest.raises(WrongState):
        again(bad)


def test_a_retry_takes_no_more_bytes_than_it_may(
    bad: UUID, stopped: UUID, again: Again, observer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MOST_BYTES", 75)  # two items of `{}`, which have 36 each once they are encrypted
    with pytest.raises(InvalidInput, match="over 75 bytes together"):
        again(bad, [0, 1, 2])
    assert [shown(observer, again(bad)).total for _ in range(2)] == [2, 2]
    assert [shown(observer, again(stopped, UNPROCESSED)).total for _ in range(3)] == [1, 1, 1]


def test_the_items_of_an_atomic_job_are_sent_together_however_many(
    submit: Submit, again: Again, run: Callable[[UUID], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MOST_BYTES", 1)
    monkeypatch.setattr(selection, "MOST_ITEMS", 1)
    sent = [BAD, BAD, entity(1), entity(2)]
    job_id = submit("entities", sent, block_items=1, options=JobOptions(atomic=True))
    run(job_id)
    assert [run(again(job_id, select)).total for select in (FAILED, UNPROCESSED)] == [2, 2]


def test_an_item_whose_text_is_not_kept_is_told_and_never_left_out_silently(
    bad: UUID, again: Again, observer: Connection
) -> None:
    observer.execute("UPDATE job_errors SET item = NULL WHERE index IN (1, 2)")
    with pytest.raises(InvalidInput, match="item 1 is not kept"):
        again(bad, [0, 1])
    child = again(bad)
    assert shown(observer, child).total == 2
    assert again(bad) == child
    observer.execute("UPDATE jobs SET status = 'cancelled', ended_at = now() WHERE id = %s", (child,))
    with pytest.raises(WrongState, match="has 2 such items whose text is not kept"):
        again(bad)


def test_a_family_counts_all_of_its_jobs_whichever_is_retried(
    bad: UUID, again: Again, run: Callable[[UUID], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = again(bad, [0])
    run(child)
    monkeypatch.setattr(families, "MOST_JOBS", 2)
    with pytest.raises(LimitReached):
        again(child)


def test_a_job_that_retention_deletes_in_between_is_gone(bad: UUID, pool: Pool, observer: Connection) -> None:
    parent = shown(observer, bad)
    child = child_of(parent, uuid7(), template_id=parent.template_id, request_id="test", picked=FAILED)
    observer.execute("DELETE FROM jobs WHERE id = %s", (bad,))
    with pytest.raises(Gone), transaction(pool) as conn:
        retry(conn, parent, child, Wish(FAILED, {}), None, sealer=make_sealer(parent.tenant_id))


def test_a_retry_reads_each_error_a_bounded_number_of_times(bad: UUID, pool: Pool, observer: Connection) -> None:
    more = 12_000
    columns = "job_id, index, code, message, item"
    observer.execute(
        f"INSERT INTO job_errors ({columns}) SELECT %s, n, '', '', '{{}}' FROM generate_series(4, %s) n".encode(),
        (bad, 3 + more),
    )
    observer.execute("UPDATE jobs SET total = total + %s, failed = failed + %s WHERE id = %s", (more, more, bad))
    read = "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables WHERE relname = 'job_errors'"
    with transaction(pool) as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
    with transaction(pool) as conn:
        parent = shown(conn, bad)
        child = child_of(parent, uuid7(), template_id=parent.template_id, request_id="test", picked=FAILED)
        [(before,)] = conn.execute(read).fetchall()
        retry(conn, parent, child, Wish(FAILED, {}), None, sealer=make_sealer(parent.tenant_id))
        [(after,)] = conn.execute(read).fetchall()
    assert shown(observer, child.id).total == more + 4
    assert int(str(after)) - int(str(before)) <= 2 * (more + 4)
