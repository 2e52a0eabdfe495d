"""Jobs that a bound of their client's ends: too many failed items, a deadline (docs/contracts/jobs.md section 1)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, failures, item_errors
from ingest.engine.executor import Executor
from ingest.jobs import Effect, JobOptions, JobState
from ingest.notify.listener import Listener
from tests.support.factories import accept, changed, entity, make_tenant
from tests.support.meanwhile import once
from tests.support.seen import effect_counts, job_of

Submit = Callable[..., UUID]

BAD = entity(0, entityType="ghost")


def names(conn: Connection) -> list[object]:
    return [row[0] for row in conn.execute("SELECT external_id FROM entities ORDER BY external_id")]


@pytest.mark.parametrize(("most", "ended"), [(0, 1), (1, 2), (2, 3)])
def test_a_job_fails_at_the_block_in_which_too_many_items_have_failed(
    submit: Submit, executor: Executor, observer: Connection, most: int, ended: int
) -> None:
    items = [item for number in (1, 2, 3, 4) for item in (entity(number), BAD)]
    job_id = submit("entities", items, block_items=2, options=JobOptions(max_errors=most))
    executor.run(job_id, seconds=60)
    job = job_of(observer, job_id)
    assert (job.status, job.error_code, job.ended_at is None) == (JobState.FAILED, "TOO_MANY_ERRORS", False)
    assert f"?maxErrors={most} allows" in str(job.error_message)
    left = 8 - 2 * ended
    assert effect_counts(observer, job_id) == {
        Effect.CREATED: ended,
        Effect.FAILED: ended,
        Effect.UNPROCESSED: left,
    }
    assert len(names(observer)) == len(item_errors.of_job(observer, job_id, limit=9)) == ended
    assert observer.execute("SELECT FROM job_blocks WHERE open AND payload <> ''").rowcount == left // 2


@pytest.mark.parametrize("most", [1, 2])
def test_the_last_block_is_judged_as_any_other(
    submit: Submit, executor: Executor, observer: Connection, most: int
) -> None:
    job_id = submit("entities", [BAD, BAD, entity(1)], options=JobOptions(max_errors=most))
    executor.run(job_id, seconds=60)
    expected = JobState.FAILED if most == 1 else JobState.COMPLETED
    assert job_of(observer, job_id).status is expected
    assert effect_counts(observer, job_id) == {Effect.CREATED: 1, Effect.FAILED: 2}


def test_a_block_that_another_worker_has_under_way_leaves_nothing_once_the_job_has_failed(
    submit: Submit, executor: Executor, observer: Connection
) -> None:
    options = JobOptions(max_errors=0)
    job_id = submit("entities", [entity(1), BAD], block_items=1, ordered=False, options=options)
    with_lock = changed(executor, template_cache=once(lambda: executor.run(job_id, seconds=60)))
    with_lock.run(job_id, seconds=60)
    assert job_of(observer, job_id).status is JobState.FAILED
    assert effect_counts(observer, job_id) == {Effect.FAILED: 1, Effect.UNPROCESSED: 1}
    assert names(observer) == []


@pytest.mark.parametrize("options", [JobOptions(max_errors=9), JobOptions(label="a", deadline_seconds=9)])
@pytest.mark.parametrize("place", [0, 1])
def test_a_job_with_such_a_bound_shares_no_transaction(
    submit: Submit, pool: Pool, options: JobOptions, place: int
) -> None:
    bounded: dict[str, Any] = {"options": options}
    made = [submit("entities", [entity(1)], **(bounded if number == place else {})) for number in range(2)]
    with transaction(pool) as conn:
        assert [claim.job.id for claim in claims.claim_next(conn)] == made[:1]


def test_jobs_with_a_label_share_a_transaction(submit: Submit, pool: Pool) -> None:
    made = [submit("entities", [entity(1)], options=JobOptions(label=label)) for label in ("a", None, "b")]
    with transaction(pool) as conn:
        assert [claim.job.id for claim in claims.claim_next(conn)] == made


def be_late(conn: Connection) -> None:
    conn.execute("UPDATE jobs SET deadline_at = now() - interval '1 second' WHERE deadline_at IS NOT NULL")


def failed_late(pool: Pool) -> list[UUID]:
    with transaction(pool) as conn:
        return failures.fail_late(conn)


def test_a_deadline_counts_from_acceptance_and_ends_a_job_that_waits(pool: Pool, observer: Connection) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        first = accept(conn, tenant, "entities", [entity(1)])
        waiting = accept(
            conn, tenant, "entities", [entity(2)], after_job_id=first, options=JobOptions(deadline_seconds=60)
        )
    job = job_of(observer, waiting)
    assert job.deadline_at is not None
    assert (job.deadline_at - job.created_at).total_seconds() == 60
    assert failed_late(pool) == []
    be_late(observer)
    assert failed_late(pool) == [waiting]
    assert failed_late(pool) == []
    job = job_of(observer, waiting)
    assert (job.status, job.error_code) == (JobState.FAILED, "DEADLINE_EXCEEDED")
    assert "60 seconds" in str(job.error_message)
    assert effect_counts(observer, waiting) == {Effect.UNPROCESSED: 1}
    assert observer.execute("SELECT job_id FROM job_ends").fetchall() == [(waiting,)]
    assert job_of(observer, first).status is JobState.PENDING


def test_a_block_under_way_can_not_commit_once_the_deadline_has_ended_its_job(
    submit: Submit, executor: Executor, observer: Connection, pool: Pool
) -> None:
    options = JobOptions(deadline_seconds=60)
    job_id = submit("entities", [entity(1), entity(2), entity(3)], block_items=1, options=options)
    executor.run(job_id, seconds=0)

    def end() -> None:
        be_late(observer)
        assert failed_late(pool) == [job_id]

    changed(executor, template_cache=once(end)).run(job_id, seconds=60)
    assert job_of(observer, job_id).error_code == "DEADLINE_EXCEEDED"
    assert effect_counts(observer, job_id) == {Effect.CREATED: 1, Effect.UNPROCESSED: 2}
    assert names(observer) == ["player_000001"]


def test_a_job_that_has_ended_in_time_stays_as_it_ended(
    submit: Submit, executor: Executor, observer: Connection, pool: Pool, redis_url: str
) -> None:
    job_id = submit("entities", [entity(1)], options=JobOptions(deadline_seconds=60))
    executor.serve(None, Listener(redis_url), seconds=60)
    be_late(observer)
    assert failed_late(pool) == []
    assert job_of(observer, job_id).status is JobState.COMPLETED


def test_jobs_past_their_deadline_are_found_by_its_index(pool: Pool, observer: Connection) -> None:
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)
        late = accept(conn, tenant, "entities", [entity(1)], options=JobOptions(deadline_seconds=60))
    observer.execute(
        "INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, blocks_open, unprocessed)"
        " SELECT gen_random_uuid(), %s, 'entities', false, '', false, 1, 1, 1 FROM generate_series(1, 5000)",
        (tenant.id,),
    )
    observer.execute("ANALYZE jobs")
    be_late(observer)
    with transaction(pool) as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
    with transaction(pool) as conn:
        assert failures.fail_late(conn) == [late]
        query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
        [(rows,)] = conn.execute(query).fetchall()
        assert int(str(rows)) < 10
