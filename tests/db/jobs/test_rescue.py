from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ingest.db.connection.pool import WORKER, Connection, Pool, connect, transaction
from ingest.db.jobs import blocks, claims, completion, control, lookup, rescue
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.jobs.rescue import Finding
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobState
from tests.support.factories import accept, entity, make_tenant

_TWO = [entity(number) for number in range(2)]


def a_job(conn: Connection, tenant: Tenant, *, idle: int = 60, begun: bool = False, **overrides: Any) -> UUID:
    """A job of two blocks that is due for a check, and that did not move for so many seconds."""
    job_id = accept(conn, tenant, "entities", _TWO, block_items=1, **overrides)
    if begun:
        assert claims.claim(conn, job_id)
    be_due(conn, job_id)
    conn.execute("UPDATE jobs SET progressed_at = now() - make_interval(secs => %s) WHERE id = %s", (idle, job_id))
    return job_id


def be_due(conn: Connection, job_id: UUID) -> None:
    conn.execute("UPDATE jobs SET check_at = now() WHERE id = %s", (job_id,))


def check(conn: Connection) -> dict[UUID, Finding]:
    heads = [head.job_id for head in claims.heads(conn)]
    return {job.id: job.finding for job in rescue.check_due_jobs(conn, heads=heads, limit=100)}


def next_check(conn: Connection, job_id: UUID) -> tuple[object, object]:
    """Return how many notifications are counted, and in how many seconds the next check is due."""
    row = conn.execute(
        "SELECT notify_attempts, extract(epoch FROM check_at - now())::float FROM jobs WHERE id = %s", (job_id,)
    )
    return row.fetchall()[0]  # type: ignore[return-value]


def status(conn: Connection, job_id: UUID) -> JobState | None:
    job = lookup.get(conn, job_id)
    return job and job.status


def test_a_new_job_is_left_to_its_requests_notification_at_first(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _TWO)
    assert check(conn) == {}
    assert next_check(conn, job_id) == (0, 1.5)


def test_a_job_that_begins_is_checked_soon_however_long_it_has_waited(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _TWO)
    conn.execute("UPDATE jobs SET check_at = now() + interval '30 seconds'")
    assert claims.claim(conn, job_id)
    assert next_check(conn, job_id) == (0, 1.5)


@pytest.mark.parametrize("begun", [False, True])
def test_workers_are_notified_of_a_job_that_none_works_on(conn: Connection, tenant: Tenant, *, begun: bool) -> None:
    job_id = a_job(conn, tenant, begun=begun)
    assert check(conn) == {job_id: Finding.NOTIFY}
    assert check(conn) == {}, "not before its time comes again"


def test_each_notification_puts_off_the_next_and_the_third_is_a_rescue(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant)
    seen = []
    for _ in range(12):
        be_due(conn, job_id)
        seen.append((check(conn)[job_id], *next_check(conn, job_id)))
    assert [finding for finding, _, _ in seen] == [Finding.NOTIFY, Finding.NOTIFY, *[Finding.RESCUE] * 10]
    assert [attempts for _, attempts, _ in seen] == list(range(1, 13))
    assert [seconds for _, _, seconds in seen] == pytest.approx(
        [2.25, 3.375, 5.0625, 7.59375, 11.390625, 17.085937, 25.628906, 30, 30, 30, 30, 30], abs=1e-5
    )


def test_a_job_that_moves_needs_nothing_and_its_back_off_is_set_back(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant, begun=True)
    check(conn)
    conn.execute("UPDATE jobs SET progressed_at = now(), check_at = now() WHERE id = %s", (job_id,))
    assert check(conn) == {job_id: Finding.NOTHING}
    assert next_check(conn, job_id) == (0, 1.5)


def test_a_job_whose_block_is_held_needs_nothing_and_keeps_its_back_off(
    pool: Pool, owner: Tenant, other: Connection
) -> None:
    with transaction(pool) as conn:
        job_id = a_job(conn, owner, begun=True)
        check(conn)
        be_due(conn, job_id)
    assert blocks.lock(other, [(job_id, 0)])
    with transaction(pool) as conn:
        assert check(conn) == {job_id: Finding.NOTHING}
        assert next_check(conn, job_id) == (1, 1.5)
        be_due(conn, job_id)
    other.rollback()
    with transaction(pool) as conn:
        assert check(conn) == {job_id: Finding.NOTIFY}
        assert next_check(conn, job_id) == (2, 3.375)


@pytest.mark.parametrize("waits", [{}, {"after_any": True, "ordered": False}])
def test_a_job_that_waits_for_another_is_not_checked_until_that_has_ended(
    conn: Connection, tenant: Tenant, waits: dict[str, bool]
) -> None:
    first = a_job(conn, tenant)
    second = a_job(conn, tenant, after_job_id=first if waits else None, **waits)
    assert check(conn) == {first: Finding.NOTIFY}
    control.cancel(conn, first)
    assert check(conn) == {second: Finding.NOTIFY}


def test_of_a_tenants_pending_jobs_only_the_next_is_checked(conn: Connection, tenant: Tenant) -> None:
    first, _ = (a_job(conn, tenant, ordered=False) for _ in range(2))
    other = a_job(conn, make_tenant(conn, name="Other")[0])
    assert check(conn) == {first: Finding.NOTIFY, other: Finding.NOTIFY}
    assert check(conn) == {}


def test_an_ended_job_is_not_checked(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant)
    control.cancel(conn, job_id)
    assert check(conn) == {}


def test_a_check_is_bounded_and_the_longest_waiting_come_first(conn: Connection, tenant: Tenant) -> None:
    made = [a_job(conn, tenant, begun=True, ordered=False) for _ in range(3)]
    for seconds, job_id in enumerate(made):
        conn.execute("UPDATE jobs SET check_at = now() - make_interval(secs => %s) WHERE id = %s", (seconds, job_id))
    assert {job.id for job in rescue.check_due_jobs(conn, heads=[], limit=2)} == set(made[1:])
    assert {job.id for job in rescue.check_due_jobs(conn, heads=[], limit=2)} == {made[0]}


def test_two_sweepers_notify_once_between_them(pool: Pool, owner: Tenant, other: Connection) -> None:
    with transaction(pool) as conn:
        job_id = a_job(conn, owner)
    assert check(other) == {job_id: Finding.NOTIFY}
    with transaction(pool) as conn:
        assert check(conn) == {}
    other.commit()
    with transaction(pool) as conn:
        assert check(conn) == {}


def test_a_check_never_waits_for_a_block_that_is_being_closed(pool: Pool, owner: Tenant, other: Connection) -> None:
    with transaction(pool) as conn:
        job_id = a_job(conn, owner, begun=True)
    assert blocks.lock(other, [(job_id, 0)])
    control.fail(other, job_id, "X", "x")
    with transaction(pool) as conn:
        assert check(conn) == {}


def be_tried(conn: Connection, job_id: UUID, deliveries: int) -> None:
    conn.execute("UPDATE job_blocks SET deliveries = %s WHERE job_id = %s AND no = 0", (deliveries, job_id))


def test_a_job_that_was_tried_again_and_again_in_vain_fails(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant, idle=3601, begun=True)
    be_tried(conn, job_id, 5)
    assert rescue.fail_stuck(conn, seconds=3600) == [job_id]
    job = lookup.get(conn, job_id)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "JOB_DEADLINE")
    assert job.error_message == "No progress within 3600 seconds of trying; see the workers' log for the reason"
    assert job.ended_at is not None
    assert rescue.fail_stuck(conn, seconds=3600) == []


@pytest.mark.parametrize(
    ("idle", "deliveries", "begun", "due"),
    [(3599, 5, True, True), (3601, 4, True, True), (3601, 5, False, True), (3601, 5, True, False)],
    ids=["moved within the time", "not tried often enough", "never begun", "not due for a look"],
)
def test_time_alone_fails_no_job(
    conn: Connection,
    tenant: Tenant,
    idle: int,
    deliveries: int,
    *,
    begun: bool,
    due: bool,
) -> None:
    job_id = a_job(conn, tenant, idle=idle, begun=begun)
    be_tried(conn, job_id, deliveries)
    if not due:
        conn.execute("UPDATE jobs SET check_at = now() + interval '1 second' WHERE id = %s", (job_id,))
    assert rescue.fail_stuck(conn, seconds=3600) == []
    assert status(conn, job_id) is (JobState.PROCESSING if begun else JobState.PENDING)


def test_a_closed_blocks_deliveries_fail_no_job(conn: Connection, tenant: Tenant) -> None:
    job_id = a_job(conn, tenant, idle=3601, begun=True)
    be_tried(conn, job_id, 5)
    completion.close_blocks(conn, [BlockOutcome(job_id, 0, {})])
    assert rescue.fail_stuck(conn, seconds=3600) == []


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_of_which_no_block_is_left_fails(conn: Connection, tenant: Tenant, *, begun: bool) -> None:
    job_id, whole = (a_job(conn, tenant, begun=begun, ordered=False) for _ in range(2))
    conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (job_id,))
    assert rescue.fail_without_blocks(conn) == ([job_id], rescue.FIRST_OPEN)
    job = lookup.get(conn, job_id)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "JOB_UNRUNNABLE")
    assert status(conn, whole) is (JobState.PROCESSING if begun else JobState.PENDING)
    assert rescue.fail_without_blocks(conn) == ([], rescue.FIRST_OPEN)


_MORE_THAN_A_ROUND = 600


def test_each_round_goes_on_where_the_one_before_it_stopped(conn: Connection, tenant: Tenant) -> None:
    first, *_, last = (accept(conn, tenant, "entities", [entity(1)]) for _ in range(_MORE_THAN_A_ROUND))
    held = [accept(conn, tenant, "events", [entity(1)], after_job_id=first) for _ in range(_MORE_THAN_A_ROUND)]
    conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (last,))
    failed, place = rescue.fail_without_blocks(conn)
    assert failed == []
    failed, _ = rescue.fail_without_blocks(conn, after=place)
    assert failed == [last]
    doomed = accept(conn, tenant, "events", [entity(1)], after_job_id=last)
    failed, held_place = rescue.fail_after_failed(conn)
    assert (failed, held_place[0]) == ([], first)
    assert rescue.fail_after_failed(conn, after=held_place) == ([doomed], rescue.FIRST_HELD)
    control.cancel(conn, first)
    rounds = [rescue.fail_after_failed(conn)[0] for _ in range(2)]
    assert [len(failed) for failed in rounds] == [500, _MORE_THAN_A_ROUND - 500]
    assert sorted(rounds[0] + rounds[1]) == held


def end_overdue(database_url: str, *, seconds: int) -> int:
    with closing(connect(database_url, "sluice-sweep")) as conn:
        return rescue.end_overdue_sessions(conn, seconds=seconds)


def renamed(conn: Connection, name: str) -> Connection:
    conn.execute("SELECT set_config('application_name', %s, false)", (name,))
    conn.commit()
    conn.execute("SELECT 1")
    return conn


def test_a_workers_transaction_that_is_overdue_is_ended(
    database_url: str, other: Connection, until_gone: Callable[[Connection], None]
) -> None:
    other.execute("SELECT 1")
    assert end_overdue(database_url, seconds=60) == 0
    other.execute("SELECT 1")
    assert end_overdue(database_url, seconds=0) == 1
    until_gone(other)


def test_a_transaction_that_hangs_in_copy_is_ended_too(
    database_url: str, other: Connection, until_gone: Callable[[Connection], None]
) -> None:
    def hang() -> None:
        assert end_overdue(database_url, seconds=0) == 1
        until_gone(other)

    with pytest.raises(psycopg.OperationalError), other.cursor().copy("COPY states FROM STDIN"):
        hang()


def test_a_session_between_two_transactions_is_left_alone(database_url: str, other: Connection) -> None:
    other.execute("SELECT 1")
    other.commit()
    assert end_overdue(database_url, seconds=0) == 0
    other.execute("SELECT 1")


def test_a_block_that_has_earned_more_time_gets_it(database_url: str, other: Connection) -> None:
    renamed(other, f"{WORKER}:3600")
    assert end_overdue(database_url, seconds=0) == 0
    renamed(other, f"{WORKER}:0")
    assert end_overdue(database_url, seconds=3600) == 1


@pytest.mark.parametrize(
    "name", ["sluice-web", "sluice-sweep", "psql", "", f"{WORKER}s", f"my-{WORKER}", f"{WORKER}:x", "x:99999999999999"]
)
def test_nobody_elses_session_is_ended(database_url: str, other: Connection, name: str) -> None:
    renamed(other, name)
    assert end_overdue(database_url, seconds=0) == 0
    other.execute("SELECT 1")


def test_a_sessions_end_gives_its_block_back(
    database_url: str, pool: Pool, owner: Tenant, other: Connection, until_gone: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        job_id = a_job(conn, owner, begun=True)
    assert blocks.lock(other, [(job_id, 0)])
    end_overdue(database_url, seconds=0)
    until_gone(other)
    with transaction(pool) as conn:
        assert check(conn) == {job_id: Finding.NOTIFY}


def test_a_job_after_one_that_did_not_complete_fails_and_says_so(conn: Connection, tenant: Tenant) -> None:
    first = accept(conn, tenant, "entities", _TWO)
    second = accept(conn, tenant, "events", _TWO, after_job_id=first)
    third = accept(conn, tenant, "events", _TWO, after_job_id=second)
    any_way = accept(conn, tenant, "events", _TWO, after_job_id=first, after_any=True)
    assert rescue.fail_after_failed(conn) == ([], rescue.FIRST_HELD)
    control.cancel(conn, first)
    failed, _ = rescue.fail_after_failed(conn)
    assert sorted(failed) == [second, third]
    assert rescue.fail_after_failed(conn) == ([], rescue.FIRST_HELD)
    job = lookup.get(conn, third)
    assert job is not None
    assert (job.status, job.error_code) == (JobState.FAILED, "PREDECESSOR_FAILED")
    assert status(conn, any_way) is JobState.PENDING
    assert claims.claim(conn, any_way)


def test_a_long_chain_of_jobs_fails_in_few_rounds(conn: Connection, tenant: Tenant) -> None:
    chain = [accept(conn, tenant, "events", [entity(1)])]
    for _ in range(_MORE_THAN_A_ROUND):
        chain.append(accept(conn, tenant, "events", [entity(1)], after_job_id=chain[-1]))
    control.cancel(conn, chain[0])
    rounds = [sorted(rescue.fail_after_failed(conn)[0]) for _ in range(3)]
    assert rounds == [chain[1:501], chain[501:], []]


def test_a_round_waits_for_no_job_that_is_locked(pool: Pool, owner: Tenant, other: Connection) -> None:
    with transaction(pool) as conn:
        first, without_blocks = (accept(conn, owner, "events", [entity(1)]) for _ in range(2))
        doomed = accept(conn, owner, "events", [entity(1)], after_job_id=first)
        control.cancel(conn, first)
        conn.execute("DELETE FROM job_blocks WHERE job_id = %s", (without_blocks,))
    other.execute("SELECT FROM jobs FOR UPDATE")
    with transaction(pool) as conn:
        conn.execute("SET LOCAL lock_timeout = '1ms'")
        assert rescue.fail_without_blocks(conn)[0] == rescue.fail_after_failed(conn)[0] == []
    other.rollback()
    with transaction(pool) as conn:
        assert rescue.fail_without_blocks(conn)[0] + rescue.fail_after_failed(conn)[0] == [without_blocks, doomed]
