"""Queued jobs of one block each that follow each other and are alike run in one transaction."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import redis
from structlog.testing import capture_logs

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control, item_errors
from ingest.db.jobs import results as job_results
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.executor import Executor
from ingest.engine.groups import next_may_gather
from ingest.ids import JOB, spell
from ingest.jobs import Effect, JobState
from ingest.notify.listener import Listener
from tests.support.factories import TOO_LARGE, accept, changed, entity, event, make_tenant
from tests.support.lossy import IS_LOST, LANDS, PASSES, lossy_pool
from tests.support.meanwhile import once
from tests.support.seen import deposits, effect_counts, job_of, numbers

Submit = Callable[..., UUID]


@pytest.fixture
def serve(executor: Executor, redis_url: str) -> Callable[..., list[dict[str, Any]]]:
    """Runs the queued jobs; returns the log lines."""

    def serve(**other: Any) -> list[dict[str, Any]]:
        with capture_logs() as lines:
            changed(executor, **other).serve(None, Listener(redis_url), seconds=60)
        return [dict(line) for line in lines]

    return serve


def next_of(pool: Pool) -> list[UUID]:
    """Return the ids of the jobs that the next claim would group."""
    with transaction(pool) as conn:
        begun = [claim.job.id for claim in claims.claim_next(conn)]
        conn.rollback()
    return begun


def transactions(conn: Connection, table: str) -> int:
    """By how many transactions the rows were written; savepoints of one count as one."""
    [(count,)] = conn.execute(f"SELECT count(DISTINCT created_at) FROM {table}".encode()).fetchall()
    return int(str(count))


def test_queued_jobs_run_in_one_transaction_and_each_ends(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection, redis_url: str
) -> None:
    made = [submit("entities", [entity(2 * n), entity(2 * n + 1)], awaited=n == 1) for n in range(3)]
    lines = serve()
    for job_id in made:
        assert (job_of(observer, job_id).status, job_of(observer, job_id).attempts) == (JobState.COMPLETED, 1)
        assert effect_counts(observer, job_id) == {Effect.CREATED: 2}
    assert transactions(observer, "entities") == 1
    assert [(line["event"], line["job_id"]) for line in lines] == [("job_ended", spell(JOB, job_id)) for job_id in made]
    with redis.Redis.from_url(redis_url) as broker:
        assert [broker.exists(f"sluice:ended:{job_id.hex}") for job_id in made] == [0, 1, 0]


@pytest.mark.usefixtures("players")
def test_what_is_alike_is_begun_together_in_the_order_it_came(submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn, name="Stranger")
    first = submit("entities", [entity(1)])
    submit("events", [event(1)])
    with transaction(pool) as conn:
        accept(conn, stranger, "entities", [entity(1)])
        assert conn.execute("UPDATE tenants SET template_id = NULL WHERE id = %s", (stranger.id,)).rowcount == 1
    second = submit("entities", [entity(1)])
    submit("objects", [{"type": "player", "id": "1"}], template_id=None)
    third = submit("entities", [entity(1)], ordered=False)
    assert next_of(pool) == [first, second, third]


@pytest.mark.parametrize(
    "unlike", [{"merge": True}, {"after_job_id": True}, {"items": [entity(1), entity(2)], "block_items": 1}]
)
def test_a_job_that_is_unlike_ends_the_group_since_none_overtakes_it(
    submit: Submit, pool: Pool, unlike: dict[str, Any]
) -> None:
    first, second = (submit("entities", [entity(1)]) for _ in range(2))
    if "after_job_id" in unlike:
        unlike = {"after_job_id": second}
    submit("entities", **{"items": [entity(1)], **unlike})
    submit("entities", [entity(1)])
    assert next_of(pool) == [first, second]


@pytest.mark.parametrize(
    ("batches", "awaited", "gather"),
    [
        ([1] * 19, False, True),
        ([1] * 20, False, False),
        ([250, 249], False, True),
        ([250, 250], False, False),
        ([1, 1], True, False),
    ],
)
def test_the_next_jobs_gather_after_few_small_ones_for_which_no_client_waited(
    submit: Submit, pool: Pool, batches: list[int], *, awaited: bool, gather: bool
) -> None:
    for size in batches:
        submit("entities", [entity(n) for n in range(size)])
    with transaction(pool) as conn:
        [*others, last] = claims.claim_next(conn)
    assert len(others) == len(batches) - 1
    assert next_may_gather([*others, last._replace(job=replace(last.job, awaited=awaited))]) is gather


def test_another_version_of_the_template_is_another_group(submit: Submit, pool: Pool, observer: Connection) -> None:
    first = submit("entities", [entity(1)])
    [(version,)] = observer.execute(
        "INSERT INTO templates (slug, name, version, schema)"
        " SELECT 'tpl_other', name, version, schema FROM templates RETURNING id"
    ).fetchall()
    submit("entities", [entity(2)], template_id=version)
    assert next_of(pool) == [first]


def test_a_job_begun_before_or_of_several_blocks_runs_by_itself(submit: Submit, pool: Pool) -> None:
    long = submit("entities", [entity(1), entity(2)], block_items=1)
    short, begun = submit("entities", [entity(3)]), submit("entities", [entity(4)])
    assert next_of(pool) == [long]
    with transaction(pool) as conn:
        assert control.cancel(conn, long)
        assert claims.claim(conn, begun) == [], "it waits for an earlier one"
        conn.execute("UPDATE jobs SET status = 'processing' WHERE id = %s", (begun,))
    assert next_of(pool) == [short]


def test_a_group_has_a_bound_of_items_of_bytes_and_of_jobs(submit: Submit, pool: Pool, observer: Connection) -> None:
    made = [submit("events", [event(n % 10)] * 2_500) for n in range(10)]
    assert next_of(pool) == made[: claims.MOST_ITEMS // 2_500]
    observer.execute("DELETE FROM jobs")
    noise = [{"entityType": "game", "externalId": f"g{n}", "data": {"x": os.urandom(200_000).hex()}} for n in range(9)]
    made = [submit("entities", [item]) for item in noise]
    assert 1 < len(next_of(pool)) < len(made)
    observer.execute("DELETE FROM jobs")
    made = [submit("entities", [entity(n)]) for n in range(60)]
    assert next_of(pool) == made[: claims.MOST_JOBS]


@pytest.mark.usefixtures("players")
def test_each_bad_item_is_an_error_of_its_own_job_at_its_own_index(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    sent = deposits(5)
    nobody = event(1, externalId="nobody", data={"type": "deposit", "amount": 9, "currency": "EUR"})
    refused = b'[%s, {"externalId": "player_000001", "eventType": "session", "data": {"n": %s}}]' % (b"0", TOO_LARGE)
    made = [submit("events", sent[:2]), submit("events", [17, sent[2], nobody]), submit("events", refused)]
    made.append(submit("events", [*sent[3:], event(1, eventType="launch")]))
    serve()
    assert transactions(observer, "events") == 1
    assert numbers(observer) == list(range(5))
    told = [
        [(e.index, e.external_id, e.code) for e in item_errors.of_job(observer, job_id, limit=9)] for job_id in made
    ]
    assert told == [
        [],
        [(0, None, "VALIDATION_FAILED"), (2, "nobody", "NOT_FOUND")],
        [(0, None, "VALIDATION_FAILED"), (1, "player_000001", "WRITE_FAILED")],
        [(2, "player_000001", "VALIDATION_FAILED")],
    ]
    assert [effect_counts(observer, job_id) for job_id in made] == [
        {Effect.CREATED: 2},
        {Effect.CREATED: 1, Effect.FAILED: 2},
        {Effect.FAILED: 2},
        {Effect.CREATED: 2, Effect.FAILED: 1},
    ]


def test_equal_keys_in_two_jobs_end_in_the_order_sent(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    made = [submit("entities", [entity(1, data={"email": text, "n": text})]) for text in ("a", "a", "b")]
    serve()
    effects = [Effect.CREATED, Effect.UNCHANGED, Effect.UPDATED]
    assert [effect_counts(observer, job_id) for job_id in made] == [{effect: 1} for effect in effects]
    assert observer.execute("SELECT properties::text FROM entities").fetchall() == [('{"n": "b"}',)]


def test_each_job_keeps_the_results_of_its_own_items(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    sent = [
        [{"type": "T", "id": "a"}, 5, {"type": "T", "id": "b"}],
        [{"type": "T", "id": "b"}, {"type": "T", "id": "c"}],
    ]
    made = [submit("objects", batch, template_id=None, merge=True) for batch in sent]
    serve()
    ids = dict(observer.execute("SELECT external_id, public_id FROM entities").fetchall())
    found = [
        [(result.index, result.effect, result.public_id) for result in job_results.of_job(observer, job_id)]
        for job_id in made
    ]
    assert found == [
        [(0, Effect.CREATED, ids["a"]), (2, Effect.CREATED, ids["b"])],
        [(0, Effect.UNCHANGED, ids["b"]), (1, Effect.CREATED, ids["c"])],
    ]


def test_a_job_cancelled_in_its_running_group_keeps_nothing_and_others_end(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], pool: Pool, observer: Connection
) -> None:
    made = [submit("entities", [entity(n)]) for n in range(3)]

    def cancel() -> None:
        with transaction(pool) as conn:
            assert control.cancel(conn, made[1])

    serve(template_cache=once(cancel))
    assert [job_of(observer, job_id).status for job_id in made] == [
        JobState.COMPLETED,
        JobState.CANCELLED,
        JobState.COMPLETED,
    ]
    assert effect_counts(observer, made[1]) == {Effect.UNPROCESSED: 1}
    assert observer.execute("SELECT FROM entities").rowcount == 2


def test_a_job_whose_payload_was_changed_fails_and_the_others_are_done(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    made = [submit("entities", [entity(n)]) for n in range(3)]
    observer.execute("UPDATE job_blocks SET payload = 'x' WHERE job_id = %s", (made[1],))
    serve()
    states = [JobState.COMPLETED, JobState.FAILED, JobState.COMPLETED]
    assert [job_of(observer, job_id).status for job_id in made] == states


def test_jobs_of_which_one_meets_what_nobody_expects_are_done_but_for_that_one(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    made = [submit("entities", [entity(n), 17] if n == 1 else [entity(n)]) for n in range(3)]
    observer.execute(
        "CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stumbled'; END $$;"
        "CREATE TRIGGER stumble BEFORE INSERT ON job_errors FOR EACH ROW EXECUTE FUNCTION stumble()"
    )
    lines = serve()
    states = [JobState.COMPLETED, JobState.PROCESSING, JobState.PROCESSING]
    assert [job_of(observer, job_id).status for job_id in made] == states, "the third waits for the second"
    assert [line["job_id"] for line in lines if line["event"] == "job_crashed"] == [spell(JOB, made[1])]


def test_a_transaction_has_4_mb_of_items_however_small_they_are_stored(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    long = {"entityType": "game", "externalId": "g", "data": {"x": "x" * 1_000_000}}
    made = [submit("entities", [{**long, "externalId": f"g{n}"}]) for n in range(6)]
    assert "group_split" not in [line["event"] for line in serve()]
    assert [effect_counts(observer, job_id) for job_id in made] == [{Effect.CREATED: 1}] * 6
    query = "SELECT array_agg(external_id ORDER BY id) FROM entities GROUP BY xmin::text ORDER BY 1"
    assert [names for (names,) in observer.execute(query)] == [["g0", "g1", "g2", "g3"], ["g4", "g5"]]


@pytest.mark.usefixtures("players")
def test_a_job_that_another_worker_has_done_meanwhile_is_not_done_again(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], executor: Executor, observer: Connection
) -> None:
    made = [submit("events", [item]) for item in deposits(3)]

    class Overtaken(TemplateCache):
        """The template is read before the locks: time for another worker to do one of the jobs."""

        def get(self, conn: Connection, template_id: int) -> Any:
            executor.run(made[1], seconds=60)
            return super().get(conn, template_id)

    serve(template_cache=Overtaken())
    assert sorted(numbers(observer)) == [0, 1, 2]
    assert [effect_counts(observer, job_id) for job_id in made] == [{Effect.CREATED: 1}] * 3


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("fate", [LANDS, IS_LOST])
def test_a_commit_whose_answer_is_lost_applies_nothing_twice_and_loses_nothing(
    fate: str, submit: Submit, serve: Callable[..., list[dict[str, Any]]], executor: Executor, observer: Connection
) -> None:
    made = [submit("events", [item]) for item in deposits(3)]
    with lossy_pool(executor.pool, fate, *[PASSES] * 9) as pool:
        serve(pool=pool)
    # One that was lost before it was sent may hold its locks for a moment longer: then its jobs are left to sweep.
    for job_id in made:
        while not job_of(observer, job_id).status.ended:
            executor.run(job_id, seconds=60)
    assert sorted(numbers(observer)) == [0, 1, 2]
    assert [effect_counts(observer, job_id) for job_id in made] == [{Effect.CREATED: 1}] * 3


def test_who_waits_is_told_though_the_answer_to_the_commit_was_lost(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], executor: Executor, redis_url: str
) -> None:
    made = [submit("entities", [entity(n)], awaited=True) for n in range(2)]
    with lossy_pool(executor.pool, LANDS) as pool:
        serve(pool=pool)
    with redis.Redis.from_url(redis_url) as broker:
        assert [broker.exists(f"sluice:ended:{job_id.hex}") for job_id in made] == [1, 1]


def test_jobs_that_come_after_those_of_a_group_run_once_it_ends(
    submit: Submit, serve: Callable[..., list[dict[str, Any]]], observer: Connection
) -> None:
    first = [submit("entities", [entity(n)]) for n in range(2)]
    then = [submit("entities", [entity(n)], after_job_id=first[n]) for n in range(2)]
    serve()
    assert {job_of(observer, job_id).status for job_id in (*first, *then)} == {JobState.COMPLETED}
    starts = [job_of(observer, job_id).started_at for job_id in then]
    ends = [job_of(observer, job_id).ended_at for job_id in first]
    assert min(filter(None, starts)) > max(filter(None, ends))
