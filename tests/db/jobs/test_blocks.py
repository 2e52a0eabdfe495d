from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import UUID

import psycopg
import pytest

from ingest.db.connection.pool import TRANSACTION_TIMEOUT_SINCE, WORKER, Connection, Pool, connect, transaction
from ingest.db.jobs import blocks, completion
from ingest.db.jobs.blocks import extend_lease, lease_seconds
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.tenants.tenants import Tenant
from ingest.intake.payloads import items_of
from tests.support.factories import accept, entity

_FOUR = [entity(number) for number in range(4)]


@pytest.fixture
def job(pool: Pool, owner: Tenant) -> UUID:
    """A job of four blocks of one item each."""
    with transaction(pool) as conn:
        return accept(conn, owner, "entities", _FOUR, block_items=1)


def test_the_first_open_block_comes_next(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _FOUR, block_items=3)
    accept(conn, tenant, "entities", _FOUR)
    first = blocks.next_open(conn, job_id)
    assert first is not None
    assert (first.no, first.first_index, first.items, first.deliveries) == (0, 0, 3, 0)
    assert len(items_of(first.payload).texts) == 3
    completion.close_blocks(conn, [BlockOutcome(job_id, 0, {})])
    second = blocks.next_open(conn, job_id)
    assert second is not None
    assert (second.no, second.first_index, second.items) == (1, 3, 1)
    completion.close_blocks(conn, [BlockOutcome(job_id, 1, {})])
    assert blocks.next_open(conn, job_id) is None


def test_a_closed_block_forgets_its_payload(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", _FOUR, block_items=2)
    completion.close_blocks(conn, [BlockOutcome(job_id, 0, {})])
    kept = conn.execute("SELECT payload <> '' FROM job_blocks WHERE job_id = %s ORDER BY no", (job_id,)).fetchall()
    assert kept == [(False,), (True,)]


def test_one_holds_a_block_and_the_next_one_leaves(job: UUID, other: Connection, pool: Pool) -> None:
    assert blocks.lock(other, [(job, 0)])
    with transaction(pool) as conn:
        assert not blocks.lock(conn, [(job, 0)])


def test_nobody_jumps_over_a_block_that_is_held(job: UUID, other: Connection, pool: Pool) -> None:
    assert blocks.lock(other, [(job, 0)])
    with transaction(pool) as conn:
        assert not any(blocks.lock(conn, [(job, no)]) for no in (1, 2, 3))


def test_nobody_takes_a_block_before_those_ahead_of_it_are_closed(job: UUID, pool: Pool) -> None:
    with transaction(pool) as conn:
        assert not blocks.lock(conn, [(job, 1)])
        assert blocks.lock(conn, [(job, 0)])
        completion.close_blocks(conn, [BlockOutcome(job, 0, {})])
        assert not blocks.lock(conn, [(job, 0)])
        assert not blocks.lock(conn, [(job, 2)])
        assert blocks.lock(conn, [(job, 1)])


def test_a_block_that_was_closed_meanwhile_is_not_locked(job: UUID, other: Connection, pool: Pool) -> None:
    other.execute("SELECT 1")
    with transaction(pool) as conn:
        assert blocks.lock(conn, [(job, 0)])
        completion.close_blocks(conn, [BlockOutcome(job, 0, {})])
        assert not blocks.lock(other, [(job, 0)])
    assert not blocks.lock(other, [(job, 0)])
    assert blocks.lock(other, [(job, 1)])


def test_two_jobs_do_not_hold_each_other_up(job: UUID, owner: Tenant, other: Connection, pool: Pool) -> None:
    assert blocks.lock(other, [(job, 0)])
    with transaction(pool) as conn:
        assert blocks.lock(conn, [(accept(conn, owner, "entities", _FOUR), 0)])


def test_the_lease_is_gone_with_the_transaction(job: UUID, other: Connection, pool: Pool) -> None:
    assert blocks.lock(other, [(job, 0)])
    other.rollback()
    with transaction(pool) as conn:
        assert blocks.lock(conn, [(job, 0)])


def test_the_lease_is_gone_when_its_holder_dies_and_the_holder_cannot_commit_late(
    job: UUID, other: Connection, pool: Pool, observer: Connection
) -> None:
    assert blocks.lock(other, [(job, 0)])
    completion.close_blocks(other, [BlockOutcome(job, 0, {})])
    observer.execute("SELECT pg_terminate_backend(%s, 10000)", (other.info.backend_pid,))
    with transaction(pool) as conn:
        assert blocks.lock(conn, [(job, 0)])
    with pytest.raises(psycopg.OperationalError):
        other.commit()
    assert observer.execute("SELECT open FROM job_blocks WHERE no = 0").fetchone() == (True,)


def test_the_lease_time_doubles_with_each_delivery_up_to_a_bound() -> None:
    assert [lease_seconds(deliveries) for deliveries in range(9)] == [10, 10, 20, 40, 80, 160, 320, 320, 320]
    assert lease_seconds(1_000_000) == 320


def settings(conn: Connection) -> list[object]:
    names = ("application_name", "statement_timeout", "idle_in_transaction_session_timeout")
    return [row[0] for name in names for row in conn.execute("SELECT current_setting(%s)", (name,))]


def test_a_first_delivery_has_the_sessions_own_time(pool: Pool) -> None:
    with transaction(pool) as conn:
        extend_lease(conn, 1)
        assert settings(conn) == [WORKER, "8s", "5s"]


def test_a_block_that_was_delivered_before_gets_more_time_and_sweep_can_see_it(
    pool: Pool, observer: Connection
) -> None:
    with transaction(pool) as conn:
        extend_lease(conn, 3)
        assert settings(conn) == [f"{WORKER}:40", "38s", "38s"]
        seen = observer.execute(
            "SELECT application_name FROM pg_stat_activity WHERE pid = %s", (conn.info.backend_pid,)
        )
        assert seen.fetchone() == (f"{WORKER}:40",)
        conn.commit()
        assert settings(conn) == [WORKER, "8s", "5s"]


def test_more_time_is_more_than_the_sessions_own_transaction_timeout(database_url: str) -> None:
    with closing(connect(database_url, WORKER)) as conn:
        if conn.info.server_version < TRANSACTION_TIMEOUT_SINCE:
            pytest.skip("transaction_timeout came with Postgres 17")
        conn.execute("SET transaction_timeout = '100ms'")
        conn.commit()
        extend_lease(conn, 2)
        conn.execute("SELECT pg_sleep(0.2)")
        assert conn.execute("SHOW transaction_timeout").fetchone() == ("19s",)
        conn.commit()
        assert conn.execute("SHOW transaction_timeout").fetchone() == ("100ms",)


def test_a_block_of_an_unordered_job_is_waited_for_while_a_claim_looks_at_it(
    pool: Pool, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", _FOUR, ordered=False)
    other.execute("SELECT FROM job_blocks FOR UPDATE")
    with transaction(pool) as conn, ThreadPoolExecutor(1) as thread:
        locking = thread.submit(blocks.lock, conn, [(job_id, 0)], in_order=False)
        until_blocked(conn)
        other.rollback()
        assert locking.result()
