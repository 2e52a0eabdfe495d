import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors as driver

from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import acceptance, blocks, claims, completion, control, lookup
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.tenants.tenants import Tenant
from ingest.errors import WriteRefused
from ingest.ids import uuid7
from ingest.intake.blocks import Block
from ingest.intake.payloads import items_of
from ingest.jobs import Effect, Job, JobOptions, JobState
from tests.support.factories import accept, entity

_THREE = [entity(number) for number in range(3)]


def get(conn: Connection, job_id: UUID) -> Job:
    job = lookup.get(conn, job_id)
    assert job is not None
    return job


def end(conn: Connection, job_id: UUID, status: JobState) -> None:
    """Bring a job of one block of three items to its end, as the engine does."""
    match status:
        case JobState.COMPLETED:
            claims.claim(conn, job_id)
            assert closed(conn, job_id, {Effect.CREATED: 3}) is JobState.COMPLETED
        case JobState.FAILED:
            assert control.fail(conn, job_id, "SOME_CODE", "some message")
        case _:
            assert control.cancel(conn, job_id)


def closed(conn: Connection, job_id: UUID, effects: dict[Effect, int], no: int = 0) -> JobState | None:
    advanced = completion.close_blocks(conn, [BlockOutcome(job_id, no, effects)]).get(job_id)
    return advanced and advanced.state


def deliveries(conn: Connection, job_id: UUID) -> list[Any]:
    return [n for (n,) in conn.execute("SELECT deliveries FROM job_blocks WHERE job_id = %s ORDER BY no", (job_id,))]


def test_an_accepted_job_is_pending_with_all_its_items_unprocessed(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _THREE, merge=True, request_id="r1", awaited=True)
    job = get(conn, job_id)
    assert (job.id, job.tenant_id, job.kind, job.template_id) == (job_id, tenant.id, "entities", tenant.template_id)
    assert (job.merge, job.request_id, job.awaited, job.after_job_id) == (True, "r1", True, None)
    assert (job.status, job.total, job.attempts, job.progress) == (JobState.PENDING, 3, 0, 0)
    assert {effect: count for effect, count in job.effects.items() if count} == {Effect.UNPROCESSED: 3}
    assert (job.started_at, job.ended_at, job.error_code) == (None, None, None)


def test_many_jobs_are_shown_as_each_of_them_is(conn: Connection, tenant: Tenant) -> None:
    job_ids = [accept(conn, tenant, "entities", _THREE) for _ in range(2)]
    assert lookup.show_many(conn, [*job_ids, uuid7()]) == {job_id: lookup.show(conn, job_id) for job_id in job_ids}


def test_the_payload_is_stored_as_it_was_sent_in_blocks(conn: Connection, tenant: Tenant) -> None:
    body = b'[{"a": 145.50}, {"b":  9999999999999999999999999999999999999999} ,"\\ud800"]'
    job_id = accept(conn, tenant, "entities", body, block_items=2)
    rows = conn.execute(
        "SELECT no, first_index, items, open, payload FROM job_blocks WHERE job_id = %s ORDER BY no", (job_id,)
    )
    stored = [(no, first, items, is_open, items_of(payload).texts) for no, first, items, is_open, payload in rows]  # type: ignore[arg-type]
    assert [row[:4] for row in stored] == [(0, 0, 2, True), (1, 2, 1, True)]
    assert [bytes(item) for row in stored for item in row[4]] == [
        b'{"a": 145.50}',
        b'{"b":  9999999999999999999999999999999999999999}',
        b'"\\ud800"',
    ]


def test_accepting_is_all_or_nothing(conn: Connection, tenant: Tenant) -> None:
    job_id = uuid7()
    job = NewJob(job_id, tenant.id, "entities", False, tenant.template_id, None, "test", False)
    with pytest.raises(WriteRefused), translated(), conn.transaction():
        acceptance.accept(conn, job, [Block(0, 1, b"x"), Block(1, 0, b"refused, since it has no items")])
    assert lookup.get(conn, job_id) is None


def test_of_an_unknown_id_there_is_no_job_to_get_begin_or_end(conn: Connection) -> None:
    assert lookup.get(conn, uuid7()) is None
    assert claims.claim(conn, uuid7()) == []
    assert closed(conn, uuid7(), {Effect.CREATED: 1}) is None
    assert not control.fail(conn, uuid7(), "X", "x")
    assert not control.cancel(conn, uuid7())


def test_the_first_delivery_begins_and_every_one_is_counted(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _THREE, block_items=2)
    [first] = claims.claim(conn, job_id)
    assert (first.job.status, first.job.attempts) == (JobState.PROCESSING, 1)
    assert first.job.started_at is not None
    assert first.block == blocks.next_open(conn, job_id)
    [again] = claims.claim(conn, job_id)
    assert (again.job.status, again.job.attempts) == (JobState.PROCESSING, 2)
    assert again.job.started_at == first.job.started_at
    assert deliveries(conn, job_id) == [2, 0]


def test_a_delivery_leaves_where_someone_is_at_the_first_open_block(
    pool: Pool, owner: Tenant, other: Connection
) -> None:
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", _THREE, block_items=2)
    assert claims.claim(other, job_id)
    other.commit()
    assert blocks.lock(other, [(job_id, 0)])
    with transaction(pool) as conn:
        assert claims.claim(conn, job_id) == []
        assert (get(conn, job_id).attempts, deliveries(conn, job_id)) == (1, [1, 0])
    other.rollback()
    with transaction(pool) as conn:
        assert claims.claim(conn, job_id)


def test_a_job_that_waits_for_another_is_not_begun_before_that_has_ended(conn: Connection, tenant: Tenant) -> None:
    first = accept(conn, tenant, "entities", _THREE)
    second = accept(conn, tenant, "entities", _THREE, after_job_id=first)
    assert claims.claim(conn, second) == []
    assert claims.claim(conn, first)
    assert claims.claim(conn, second) == []
    assert (get(conn, second).status, deliveries(conn, second)) == (JobState.PENDING, [0])
    end(conn, first, JobState.COMPLETED)
    assert claims.claim(conn, second)


def test_a_job_that_waits_for_one_that_is_gone_is_begun(conn: Connection, tenant: Tenant) -> None:
    assert claims.claim(conn, accept(conn, tenant, "entities", _THREE, after_job_id=uuid7()))


def test_every_closed_block_moves_the_job_on_and_the_last_completes_it(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _THREE, block_items=2)
    claims.claim(conn, job_id)
    assert closed(conn, job_id, {Effect.CREATED: 1, Effect.FAILED: 1}) is JobState.PROCESSING
    half = get(conn, job_id)
    assert (half.progress, half.processed, half.succeeded, half.ended_at) == (66, 2, 1, None)
    assert closed(conn, job_id, {Effect.UPDATED: 1}, no=1) is JobState.COMPLETED
    whole = get(conn, job_id)
    assert (whole.progress, whole.processed, whole.succeeded) == (100, 3, 2)
    assert whole.effects == {
        Effect.CREATED: 1,
        Effect.UPDATED: 1,
        Effect.UNCHANGED: 0,
        Effect.DUPLICATE: 0,
        Effect.FAILED: 1,
        Effect.UNPROCESSED: 0,
    }
    assert whole.ended_at is not None


def test_a_job_that_was_not_begun_does_not_move_on(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _THREE)
    assert closed(conn, job_id, {Effect.CREATED: 3}) is None
    assert get(conn, job_id).status is JobState.PENDING


@pytest.mark.parametrize("status", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
def test_an_ended_job_never_changes_again(conn: Connection, tenant: Tenant, status: JobState) -> None:
    job_id = accept(conn, tenant, "entities", _THREE)
    end(conn, job_id, status)
    ended = get(conn, job_id)
    assert ended.status is status
    assert ended.ended_at is not None
    assert claims.claim(conn, job_id) == []
    assert closed(conn, job_id, {Effect.CREATED: 3}) is None
    assert not control.fail(conn, job_id, "OTHER", "other")
    assert not control.cancel(conn, job_id)
    assert get(conn, job_id) == ended


def test_a_failed_job_says_why_and_a_cancelled_one_needs_not(conn: Connection, tenant: Tenant) -> None:
    failed, cancelled = (accept(conn, tenant, "entities", _THREE) for _ in range(2))
    end(conn, failed, JobState.FAILED)
    end(conn, cancelled, JobState.CANCELLED)
    assert (get(conn, failed).error_code, get(conn, failed).error_message) == ("SOME_CODE", "some message")
    assert (get(conn, cancelled).error_code, get(conn, cancelled).error_message) == (None, None)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("created = created + 1", "jobs_effects_sum_to_total"),
        ("unprocessed = unprocessed - 1", "jobs_effects_sum_to_total"),
        ("total = 0, unprocessed = 0", "jobs_effects_sum_to_total"),
        ("created = created - 1, failed = failed + 1", "jobs_effects_not_negative"),
        ("status = 'completed', ended_at = now()", "jobs_completed_is_complete"),
        ("ended_at = now()", "jobs_ended_at_check"),
        ("status = 'failed'", "jobs_ended_at_check"),
        ("status = 'halted'", "jobs_status_check"),
        ("blocks_open = -1", "jobs_blocks_open_check"),
        ("kind = 'things'", "jobs_kind_check"),
    ],
)
def test_the_database_itself_refuses_a_job_that_does_not_add_up(
    conn: Connection, tenant: Tenant, change: str, constraint: str
) -> None:
    job_id = accept(conn, tenant, "entities", _THREE)
    with pytest.raises(driver.CheckViolation) as refused:
        conn.execute(f"UPDATE jobs SET {change} WHERE id = %s".encode(), (job_id,))
    assert refused.value.diag.constraint_name == constraint


def test_a_block_cannot_count_more_items_than_are_left(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _THREE)
    claims.claim(conn, job_id)
    with pytest.raises(psycopg.IntegrityError):
        closed(conn, job_id, {Effect.CREATED: 4})


def test_the_last_block_cannot_leave_items_uncounted(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _THREE)
    claims.claim(conn, job_id)
    with pytest.raises(psycopg.IntegrityError):
        closed(conn, job_id, {Effect.CREATED: 2})


def test_progress_of_a_job_with_a_deadline_is_a_hot_update(pool: Pool, owner: Tenant) -> None:
    with transaction(pool) as conn:
        options = JobOptions(deadline_seconds=60)
        job_id = accept(conn, owner, "entities", _THREE, block_items=2, options=options)
        claims.claim(conn, job_id)
    with transaction(pool) as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
    with transaction(pool) as conn:
        closed(conn, job_id, {Effect.CREATED: 2})
        query = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
        assert conn.execute(query).fetchall() == [(1, 1)]


def test_progress_is_a_hot_update(pool: Pool, owner: Tenant, observer: Connection) -> None:
    indexed = observer.execute(
        "SELECT DISTINCT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " WHERE i.indrelid = 'jobs'::regclass AND a.attnum = ANY(i.indkey)"
    )
    columns = {str(name) for (name,) in indexed}
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", _THREE, block_items=2)
        claims.claim(conn, job_id)

    def row() -> dict[str, Any]:
        [(text,)] = observer.execute("SELECT to_jsonb(j)::text FROM jobs j").fetchall()
        return dict(json.loads(str(text)))

    before = row()
    with transaction(pool) as conn:
        closed(conn, job_id, {Effect.CREATED: 2})
    changed = {name for name, value in row().items() if before[name] != value}
    assert changed
    assert changed.isdisjoint(columns)


def test_closing_blocks_looks_up_their_jobs_alone_whatever_the_backlog(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    many = (
        "INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, unprocessed, blocks_open, created,"
        " status, ended_at)"
        " SELECT gen_random_uuid(), %(tenant)s, 'objects', false, 'test', false, 1, %(left)s, %(left)s, 1 - %(left)s,"
        " %(status)s, %(end)s::timestamptz FROM generate_series(1, %(count)s)"
    )
    ended = {"tenant": owner.id, "left": 0, "status": "completed", "end": "2024-01-01", "count": 20_000}
    observer.execute(many, ended)
    observer.execute("VACUUM ANALYZE jobs")
    with transaction(pool) as conn:
        made = [accept(conn, owner, "entities", _THREE) for _ in range(20)]
        assert len(claims.claim_next(conn)) == len(made)
    backlog = {"tenant": owner.id, "left": 1, "status": "pending", "end": None, "count": 5_000}
    observer.execute(many, backlog)
    read = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'jobs'"
    other.execute("SELECT pg_stat_force_next_flush()")
    other.commit()
    [(before,)] = observer.execute(read).fetchall()
    states = completion.close_blocks(other, [BlockOutcome(job_id, 0, {Effect.CREATED: 3}) for job_id in made])
    other.execute("SELECT pg_stat_force_next_flush()")
    other.commit()
    [(after,)] = observer.execute(read).fetchall()
    assert {job_id: job.state for job_id, job in states.items()} == dict.fromkeys(made, JobState.COMPLETED)
    assert int(str(after)) - int(str(before)) < 500
