"""The outbox: each end of a job is one row, from the transaction that ends the job until it is announced."""

from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, completion, control, failures, outbox
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.jobs.outbox import Ended
from ingest.db.tenants.tenants import Tenant
from ingest.ids import uuid7
from ingest.jobs import Effect
from tests.support.factories import accept, entity

_DEADLINE_SECONDS = 60


def in_outbox(conn: Connection) -> dict[object, object]:
    """The end times in the outbox, by job."""
    return dict(conn.execute("SELECT job_id, ended_at FROM job_ends").fetchall())


def ended(conn: Connection) -> dict[object, object]:
    """The end times of the jobs that have ended."""
    return dict(conn.execute("SELECT id, ended_at FROM jobs WHERE ended_at IS NOT NULL").fetchall())


def begun(conn: Connection, tenant: Tenant) -> UUID:
    """A job of two blocks, of which the first is closed."""
    job_id = accept(conn, tenant, "entities", [entity(1), entity(2)], block_items=1, ordered=False)
    assert claims.claim(conn, job_id)
    close(conn, job_id, 0)
    return job_id


def close(conn: Connection, job_id: UUID, no: int) -> bool:
    return bool(completion.close_blocks(conn, [BlockOutcome(job_id, no, {Effect.CREATED: 1})]))


def fail_stuck(conn: Connection, job_id: UUID) -> bool:
    conn.execute("UPDATE job_blocks SET deliveries = 5 WHERE job_id = %s", (job_id,))
    conn.execute("UPDATE jobs SET check_at = now(), progressed_at = now() - interval '1 hour' WHERE id = %s", (job_id,))
    return bool(failures.fail_stuck(conn, seconds=_DEADLINE_SECONDS))


def fail_late(conn: Connection, job_id: UUID) -> bool:
    conn.execute("UPDATE jobs SET deadline_at = now() WHERE id = %s", (job_id,))
    return bool(failures.fail_late(conn))


def close_with_too_many_errors(conn: Connection, job_id: UUID) -> bool:
    conn.execute("UPDATE jobs SET options = '{\"max_errors\": 0}' WHERE id = %s", (job_id,))
    return bool(completion.close_blocks(conn, [BlockOutcome(job_id, 1, {Effect.FAILED: 1})]))


def fail_without_blocks(conn: Connection, job_id: UUID) -> bool:
    conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (job_id,))
    return bool(failures.fail_without_blocks(conn)[0])


def fail_after_failed(conn: Connection, job_id: UUID) -> bool:
    after_one_that_ended = """
        UPDATE jobs SET status = 'pending', after_job_id = (SELECT id FROM jobs WHERE ended_at IS NOT NULL LIMIT 1)
        WHERE id = %s AND ended_at IS NULL"""
    conn.execute(after_one_that_ended, (job_id,))
    return bool(failures.fail_after_failed(conn)[0])


@pytest.mark.parametrize(
    "end",
    [
        lambda conn, job_id: close(conn, job_id, 1),
        lambda conn, job_id: control.fail(conn, job_id, "X", "x"),
        control.cancel,
        lambda conn, job_id: completion.abort(conn, job_id, failed=1, message="x"),
        close_with_too_many_errors,
        fail_late,
        fail_stuck,
        fail_without_blocks,
        fail_after_failed,
    ],
    ids=[
        *("close_blocks", "fail", "cancel", "abort", "close_with_too_many_errors", "fail_late"),
        *("fail_stuck", "fail_without_blocks", "fail_after_failed"),
    ],
)
def test_each_statement_that_ends_a_job_records_that_end_once(
    conn: Connection, tenant: Tenant, end: Callable[[Connection, UUID], bool]
) -> None:
    cancelled, job_id, goes_on = (begun(conn, tenant) for _ in range(3))
    assert in_outbox(conn) == {}, "a job that goes on has no end"
    control.cancel(conn, cancelled)
    conn.execute("DELETE FROM job_ends")
    assert end(conn, job_id)
    assert list(in_outbox(conn)) == [job_id]
    assert in_outbox(conn).items() <= ended(conn).items()
    for statement in (control.cancel, lambda conn, job_id: close(conn, job_id, 1), end):
        assert not statement(conn, job_id)
    assert list(in_outbox(conn)) == [job_id]
    assert goes_on not in ended(conn)


def test_an_end_that_is_rolled_back_is_not_in_the_outbox(pool: Pool, owner: Tenant, observer: Connection) -> None:
    with transaction(pool) as conn:
        job_id = begun(conn, owner)
        conn.commit()
        assert control.cancel(conn, job_id)
        conn.rollback()
    assert in_outbox(observer) == {}


def test_an_end_tells_all_that_is_announced_of_it(conn: Connection, tenant: Tenant) -> None:
    first, unknown = begun(conn, tenant), uuid7()
    waiting = [accept(conn, tenant, "entities", [entity(1)], after_job_id=first) for _ in range(3)]
    awaited = accept(conn, tenant, "entities", [entity(1)], awaited=True, request_id="r1")
    control.cancel(conn, waiting[1])
    conn.execute("DELETE FROM job_ends")
    assert outbox.take(conn, [first, awaited, unknown]) == []
    control.fail(conn, awaited, "X", "x")
    close(conn, first, 1)
    conn.execute("UPDATE jobs SET started_at = created_at + interval '1 second' WHERE id = %s", (first,))
    conn.execute(
        "UPDATE jobs SET ended_at = created_at + interval '3 seconds' WHERE id = ANY (%s)", ([first, awaited],)
    )
    assert outbox.take(conn, [awaited, unknown, first]) == [
        Ended(
            *(first, "test", False, "completed", 2, 0, None, None, False, [waiting[0], waiting[2]], False),
            *("entities", 3.0, 1.0),
        ),
        Ended(awaited, "r1", True, "failed", 1, 0, "X", "x", False, [], False, "entities", 3.0, None),
    ]
    assert outbox.take(conn, [first, awaited]) == []
    assert in_outbox(conn) == {}


def cancelled(conn: Connection, tenant: Tenant, *, seconds_ago: int) -> UUID:
    """A job whose end is that old."""
    job_id = accept(conn, tenant, "entities", [entity(1)])
    assert control.cancel(conn, job_id)
    aged = "UPDATE job_ends SET ended_at = ended_at - make_interval(secs => %s) WHERE job_id = %s"
    conn.execute(aged, (seconds_ago, job_id))
    return job_id


def taken(ends: list[Ended]) -> list[UUID]:
    return [job.id for job in ends]


def test_an_end_that_was_taken_is_back_if_it_was_not_announced(pool: Pool, owner: Tenant, other: Connection) -> None:
    with transaction(pool) as conn:
        job_id = cancelled(conn, owner, seconds_ago=10)
    assert taken(outbox.take(other, [job_id])) == [job_id]
    with transaction(pool) as conn:
        assert outbox.take_left(conn) == [], "the other process is about to announce it"
    other.rollback()
    with transaction(pool) as conn:
        assert taken(outbox.take_left(conn)) == [job_id]
    assert outbox.take(other, [job_id]) == []
    assert outbox.take_left(other) == []


def test_a_young_end_is_left_to_the_process_that_ended_the_job(conn: Connection, tenant: Tenant) -> None:
    job_id, left = (cancelled(conn, tenant, seconds_ago=seconds) for seconds in (0, 10))
    assert taken(outbox.take_left(conn)) == [left]
    assert list(in_outbox(conn)) == [job_id]


def test_ends_that_are_left_are_taken_some_at_a_time_the_oldest_first(conn: Connection, tenant: Tenant) -> None:
    old = [cancelled(conn, tenant, seconds_ago=10 + number) for number in range(510)]
    assert set(taken(outbox.take_left(conn))) == set(old[10:])
    assert set(taken(outbox.take_left(conn))) == set(old[:10])


def test_the_row_of_a_job_that_is_gone_or_goes_on_is_only_deleted(conn: Connection, tenant: Tenant) -> None:
    goes_on = begun(conn, tenant)
    insert = "INSERT INTO job_ends (tenant_id, job_id, ended_at) VALUES (1, %s, now() - interval '1 minute')"
    for job_id in (goes_on, uuid7()):
        conn.execute(insert, (job_id,))
    assert outbox.take_left(conn) == []
    assert in_outbox(conn) == {}


@pytest.mark.parametrize(
    "take", [lambda conn, job_id: outbox.take(conn, [job_id]), lambda conn, _: outbox.take_left(conn)]
)
def test_to_take_an_end_waits_for_no_disk(
    pool: Pool, owner: Tenant, take: Callable[[Connection, UUID], list[Ended]]
) -> None:
    with transaction(pool) as conn:
        job_id = cancelled(conn, owner, seconds_ago=10)
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)
    with transaction(pool) as conn:
        assert taken(take(conn, job_id)) == [job_id]
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("off",)
    with transaction(pool) as conn:
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)
