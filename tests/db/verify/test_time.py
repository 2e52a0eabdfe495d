"""Checks that depend on the time: jobs that are stuck or past their deadline, and a sweeper that is late."""

from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db import doctor
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.jobs import blocks, completion, control
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.tenants.tenants import Tenant
from ingest.ids import uuid7
from tests.db.verify.findings import found
from tests.support.factories import (
    accept,
    entity,
)

_HOUR = 3_600


def test_a_job_that_nobody_works_on_is_stuck_after_the_time_given(
    database_url: str, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    aged(half, 600)
    assert found(database_url, stuck_after_seconds=900) == {}
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_whose_block_somebody_holds_is_not_stuck(
    database_url: str, other: Connection, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    aged(half, 600)
    assert blocks.lock(other, [(half, 1)])
    assert found(database_url, stuck_after_seconds=300) == {}
    completion.close_blocks(other, [BlockOutcome(half, 1, {})])
    assert found(database_url, stuck_after_seconds=300) == {}
    other.rollback()
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


@pytest.mark.parametrize("waits", ["by order", "after it"])
def test_a_job_that_waits_for_another_is_not_stuck_until_that_has_ended_for_so_long(
    database_url: str, pool: Pool, owner: Tenant, half: UUID, aged: Callable[[UUID, int], None], waits: str
) -> None:
    after = {"after_job_id": half, "after_any": True, "ordered": False} if waits == "after it" else {}
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()], **after)
    aged(waiting, 600)
    assert found(database_url, stuck_after_seconds=300) == {}
    with transaction(pool) as conn:
        control.cancel(conn, half)
    assert found(database_url, stuck_after_seconds=300) == {}
    aged(half, 600)
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_is_not_stuck_until_the_one_before_it_was_on_hold_for_so_long(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()])
    aged(waiting, 600)
    aged(half, 600)
    with transaction(pool) as conn:
        control.pause(conn, half)
    assert found(database_url, stuck_after_seconds=300) == {}
    observer.execute("UPDATE jobs SET on_hold_since = on_hold_since - interval '10 minutes'")
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_that_was_paused_for_long_is_not_stuck_when_it_is_resumed(
    database_url: str, pool: Pool, owner: Tenant, aged: Callable[[UUID, int], None]
) -> None:
    with transaction(pool) as conn:
        paused = accept(conn, owner, "entities", [entity()])
        waiting = accept(conn, owner, "entities", [entity()], after_job_id=paused)
        control.pause(conn, paused)
    for job_id in (paused, waiting):
        aged(job_id, 600)
    with transaction(pool) as conn:
        control.resume(conn, paused)
    assert found(database_url, stuck_after_seconds=300) == {}


def test_a_job_that_was_purged_keeps_nobody_waiting(
    database_url: str, pool: Pool, owner: Tenant, aged: Callable[[UUID, int], None]
) -> None:
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()], after_job_id=uuid7())
    aged(waiting, 600)
    assert found(database_url, stuck_after_seconds=300) == {"job_stuck": 1}


def test_a_job_past_its_deadline_is_found_once_sweep_had_its_time(
    database_url: str, observer: Connection, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    observer.execute("UPDATE job_blocks SET deliveries = 5 WHERE job_id = %s AND no = 1", (half,))
    observer.execute("UPDATE jobs SET check_at = now() - interval '20 seconds' WHERE id = %s", (half,))
    aged(half, _HOUR + 30)
    assert found(database_url, deadline_seconds=_HOUR) == {}
    aged(half, 60)
    assert found(database_url, deadline_seconds=_HOUR) == {"job_overdue": 1}


def test_a_job_that_was_hardly_tried_is_not_past_its_deadline_however_old_it_is(
    database_url: str, observer: Connection, half: UUID, aged: Callable[[UUID, int], None]
) -> None:
    observer.execute("UPDATE jobs SET check_at = now() - interval '20 seconds' WHERE id = %s", (half,))
    aged(half, 7 * 86_400)
    assert found(database_url, deadline_seconds=_HOUR) == {}


def test_a_sweep_that_is_connected_but_late_is_told_from_one_that_does_not_run(
    database_url: str, observer: Connection, half: UUID
) -> None:
    observer.execute("UPDATE jobs SET check_at = now() - interval '2 minutes' WHERE id = %s", (half,))
    assert found(database_url) == {"sweep_runs": 1}
    with connect(database_url, "sluice-sweep"):
        assert found(database_url) == {"sweep_keeps_up": 1}


@pytest.mark.usefixtures("done")
def test_a_job_that_has_just_become_its_tenants_next_is_not_late_for_its_check(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant
) -> None:
    with transaction(pool) as conn:
        accept(conn, owner, "entities", [entity()])
    hour_ago = "now() - interval '1 hour'"
    update = f"UPDATE jobs SET created_at = {hour_ago}, progressed_at = {hour_ago}, check_at = {hour_ago}"
    observer.execute(f"{update} WHERE ended_at IS NULL".encode())
    assert found(database_url) == {}
    lag = doctor.check_lag(observer)
    assert lag is not None
    assert lag < 60
