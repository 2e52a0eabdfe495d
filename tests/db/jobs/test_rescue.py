from collections.abc import Callable
from contextlib import closing
from uuid import UUID

import psycopg
import pytest

from ingest.db.connection.pool import WORKER, Connection, Pool, connect, transaction
from ingest.db.jobs import blocks, claims, control, rescue
from ingest.db.jobs.rescue import Finding
from ingest.db.tenants.tenants import Tenant
from tests.db.jobs.due_jobs import TWO, a_job, be_due
from tests.support.factories import accept, make_tenant


def check(conn: Connection) -> dict[UUID, Finding]:
    heads = [head.job_id for head in claims.heads(conn)]
    return {job.id: job.finding for job in rescue.check_due_jobs(conn, heads=heads, limit=100)}


def next_check(conn: Connection, job_id: UUID) -> tuple[object, object]:
    """Return how many notifications are counted, and in how many seconds the next check is due."""
    row = conn.execute(
        "SELECT notify_attempts, extract(epoch FROM check_at - now())::float FROM jobs WHERE id = %s", (job_id,)
    )
    return row.fetchall()[0]  # type: ignore[return-value]


def test_a_new_job_is_left_to_its_requests_notification_at_first(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", TWO)
    assert check(conn) == {}
    assert next_check(conn, job_id) == (0, 1.5)


def test_a_job_that_begins_is_checked_soon_however_long_it_has_waited(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", TWO)
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
