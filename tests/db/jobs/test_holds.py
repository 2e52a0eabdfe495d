"""A paused job, and whatever waits for it by `?after=`, is not waited for by later jobs; and no longer than that."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control, holds
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobState
from tests.support.factories import accept, entity
from tests.support.seen import job_of


def on_hold(conn: Connection) -> set[UUID]:
    return {row[0] for row in conn.execute("SELECT id FROM jobs WHERE on_hold_since IS NOT NULL")}  # type: ignore[misc] # a uuid


def settled(conn: Connection) -> int:
    """Settle as the sweeper does until nothing is left. Return how many jobs that marked."""
    marked = 0
    while more := holds.settle(conn)[0]:
        marked += more
    return marked


def chain(conn: Connection, tenant: Tenant, length: int = 3) -> list[UUID]:
    """Jobs, each after the one before it."""
    made: list[UUID] = []
    for number in range(length):
        after = made[-1] if made else None
        made.append(accept(conn, tenant, "entities", [entity(number)], after_job_id=after))
    return made


def test_a_later_job_waits_for_no_job_that_waits_for_a_paused_one(conn: Connection, tenant: Tenant) -> None:
    first, second, third = chain(conn, tenant)
    later = accept(conn, tenant, "entities", [entity(9)])
    assert claims.claim(conn, later) == []
    assert control.pause(conn, first) == [first, second, third]
    assert claims.freed_by(conn, [first, second, third]) == [later]
    assert claims.blocker(conn, later) is None
    assert [claim.job.id for claim in claims.claim_next(conn)] == [later]


def test_a_resume_has_later_jobs_wait_again_for_all_of_them(conn: Connection, tenant: Tenant) -> None:
    made = chain(conn, tenant)
    control.pause(conn, made[0])
    later = accept(conn, tenant, "entities", [entity(9)])
    control.resume(conn, made[0])
    assert on_hold(conn) == set()
    assert [job_of(conn, job_id).status for job_id in made] == [JobState.PENDING] * 3
    assert claims.claim(conn, later) == []
    assert [claim.job.id for claim in claims.claim_next(conn)] == made[:1]


def test_a_resume_releases_only_up_to_the_next_paused_job(conn: Connection, tenant: Tenant) -> None:
    first, second, third = chain(conn, tenant)
    control.pause(conn, second)
    control.pause(conn, first)
    control.resume(conn, first)
    assert on_hold(conn) == {second, third}


def test_a_job_that_is_resumed_behind_a_paused_one_is_pending_and_on_hold(conn: Connection, tenant: Tenant) -> None:
    first, second, third = chain(conn, tenant)
    control.pause(conn, first)
    control.pause(conn, second)
    control.resume(conn, second)
    assert job_of(conn, second).status is JobState.PENDING
    assert on_hold(conn) == {first, second, third}
    control.resume(conn, first)
    assert on_hold(conn) == set()


def test_the_sweeper_puts_a_job_on_hold_that_was_accepted_behind_one(conn: Connection, tenant: Tenant) -> None:
    first = accept(conn, tenant, "entities", [entity(1)])
    control.pause(conn, first)
    second = accept(conn, tenant, "entities", [entity(2)], after_job_id=first)
    third = accept(conn, tenant, "entities", [entity(2)], after_job_id=second, after_any=True)
    assert settled(conn) == 2
    assert on_hold(conn) == {first, second, third}
    assert settled(conn) == 0


@pytest.mark.parametrize("steer", [control.pause, control.resume])
def test_what_is_beyond_the_bound_of_one_call_is_marked_by_the_sweeper(
    conn: Connection, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, steer: object
) -> None:
    for name in ("_HOLD", "_RELEASE"):
        monkeypatch.setattr(holds, name, getattr(holds, name).replace("LIMIT 500", "LIMIT 3"))
    made = chain(conn, tenant, 8)
    assert len(control.pause(conn, made[0])) < len(made)
    assert settled(conn) > 0
    assert on_hold(conn) == set(made)
    if steer is control.resume:
        control.resume(conn, made[0])
        assert on_hold(conn) != set()
        settled(conn)
        assert on_hold(conn) == set()


def test_a_job_that_another_transaction_has_locked_is_marked_by_the_sweeper(
    pool: Pool, owner: Tenant, other: Connection
) -> None:
    with transaction(pool) as conn:
        first, second, third = chain(conn, owner)
    other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (second,))
    with transaction(pool) as conn:
        assert control.pause(conn, first) == [first, third]
    other.rollback()
    with transaction(pool) as conn:
        assert settled(conn) == 1
        assert on_hold(conn) == {first, second, third}


@pytest.mark.parametrize("steer", [control.resume, control.cancel])
def test_a_job_that_moves_on_while_the_sweeper_looks_puts_none_on_hold(
    conn: Connection, tenant: Tenant, steer: Callable[[Connection, UUID], object]
) -> None:
    first, second = chain(conn, tenant, 2)
    control.pause(conn, first)
    steer(conn, first)
    holds.release(conn, [second])
    assert holds.hold(conn, [first]) == []
    assert second not in on_hold(conn)


def test_a_resume_waits_for_the_sweeper_and_undoes_all_that_it_marked(
    pool: Pool, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        first = accept(conn, owner, "entities", [entity(1)])
        control.pause(conn, first)
        second = accept(conn, owner, "entities", [entity(2)], after_job_id=first)
    with transaction(pool) as conn, ThreadPoolExecutor(1) as threads:
        assert holds.hold(other, [first]) == [second]
        resumed = threads.submit(control.resume, conn, first)
        until_blocked(conn)
        other.commit()
        resumed.result()
        assert on_hold(conn) == set()


def test_new_jobs_on_hold_keep_no_other_from_its_release(conn: Connection, tenant: Tenant) -> None:
    first = accept(conn, tenant, "entities", [entity(1)])
    control.pause(conn, first)
    wrongly = accept(conn, tenant, "entities", [entity(3)])
    conn.execute("UPDATE jobs SET on_hold_since = now() WHERE id = %s", (wrongly,))
    waiting = accept(conn, tenant, "entities", [entity(2)], after_job_id=first)
    assert holds.settle(conn)[0] == 2
    assert on_hold(conn) == {first, waiting}


def test_a_round_puts_thousands_of_jobs_on_hold(
    conn: Connection, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "_HOLD", holds._HOLD.replace("LIMIT 500", "LIMIT 3"))
    monkeypatch.setattr(holds, "_MOST", 3)
    first = accept(conn, tenant, "entities", [entity(1)])
    control.pause(conn, first)
    for number in range(20):
        accept(conn, tenant, "entities", [entity(number)], after_job_id=first)
    assert holds.settle(conn)[0] == 20


def test_a_round_of_the_sweeper_goes_on_where_the_last_one_stopped(
    conn: Connection, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "_MOST", 3)
    monkeypatch.setattr(holds, "_ON_HOLD", holds._ON_HOLD.replace("LIMIT 499", "LIMIT 2"))
    made = [accept(conn, tenant, "entities", [entity(1)]) for _ in range(3)]
    for job_id in made:
        control.pause(conn, job_id)
    waiting = accept(conn, tenant, "entities", [entity(1)], after_job_id=made[2])
    marked, place = holds.settle(conn)
    assert (marked, place == holds.FIRST) == (0, False)
    assert holds.settle(conn, after=place) == (1, holds.FIRST) or waiting in on_hold(conn)
