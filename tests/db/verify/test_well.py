"""No check finds anything in what Sluice itself leaves."""

import threading
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import erasure
from ingest.db.jobs import control
from ingest.db.tenants import tenants
from ingest.db.tenants.tenants import Tenant
from ingest.db.verify import CHECKS
from ingest.engine.executor import Executor
from ingest.ids import uuid7
from ingest.jobs import JobOptions
from tests.db.verify.findings import found, verified
from tests.support.factories import (
    accept,
    changed,
    entity,
    event,
    make_executor,
    run_pending,
)
from tests.support.meanwhile import once


def test_a_database_with_nothing_in_it_is_well(database_url: str) -> None:
    assert [result.found for result in verified(database_url)] == [0] * len(CHECKS)


def test_what_real_jobs_leave_behind_is_well(
    database_url: str, pool: Pool, done: dict[str, UUID], half: UUID, owner: Tenant, executor: Executor
) -> None:
    with transaction(pool) as conn:
        options = {"options": JobOptions(atomic=True), "ordered": False}
        aborted = accept(conn, owner, "entities", [entity(5), entity(6, entityType="nothing")], **options)
        dry = accept(conn, owner, "entities", [entity(5)], options=JobOptions(validate_only=True))
    for job_id in (aborted, dry):
        executor.run(job_id, seconds=60)
    with transaction(pool) as conn:
        waiting = accept(conn, owner, "entities", [entity()])
        assert control.cancel(conn, waiting)
        assert control.pause(conn, half)
        accept(conn, owner, "entities", [entity()], after_job_id=half)
        paused = accept(conn, owner, "entities", [entity()])
        assert control.pause(conn, paused)
        resumed = accept(conn, owner, "entities", [entity()])
        assert control.pause(conn, resumed)
        assert control.resume(conn, resumed)
        failed = accept(conn, owner, "entities", [entity()])
        assert control.fail(conn, failed, "JOB_UNRUNNABLE", "it cannot be")
        assert erasure.delete(conn, owner.id, "player_000001")
        accept(conn, owner, "entities", [entity()], after_job_id=done["entities"])
    assert found(database_url) == {}


@pytest.mark.usefixtures("done", "half", "uploaded")
def test_jobs_that_are_half_done_and_uploads_that_are_open_are_well(database_url: str) -> None:
    assert found(database_url) == {}


def test_a_job_whose_block_is_under_way_is_well(database_url: str, pool: Pool, owner: Tenant, redis_url: str) -> None:
    seen: list[dict[str, int | None]] = []
    template_cache = once(lambda: seen.append(found(database_url)))
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity(number) for number in range(4)], block_items=2)
    changed(make_executor(pool, redis_url), template_cache=template_cache).run(job_id, seconds=60)
    assert seen == [{}]


def test_jobs_that_run_all_the_while_are_well(database_url: str, pool: Pool, owner: Tenant, redis_url: str) -> None:
    with transaction(pool) as conn:
        for first in range(0, 200, 20):
            accept(conn, owner, "entities", [entity(first + number) for number in range(20)], block_items=2)
            accept(conn, owner, "events", [event(first + number) for number in range(20)], block_items=2)
    work = threading.Thread(target=run_pending, args=(pool, redis_url))
    work.start()
    seen = []
    while work.is_alive():
        seen.append(found(database_url))
    work.join()
    assert seen
    assert all(counts == {} for counts in seen)


def test_a_block_whose_job_has_lost_its_parent_to_retention_is_well(
    database_url: str, observer: Connection, pool: Pool, owner: Tenant, half: UUID
) -> None:
    root, parent = uuid7(), uuid7()
    with transaction(pool) as conn:
        child = accept(conn, owner, "entities", [entity()])
    observer.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (parent, half))
    change = """UPDATE jobs SET options = '{"picked": "unprocessed"}', parent_job_id = %s WHERE id = %s"""
    observer.execute(change, (root, child))
    observer.execute("UPDATE job_blocks SET retried_in = %s WHERE job_id = %s AND no = 2", (child, half))
    assert found(database_url) == {}


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("first", ["events", "event_entities"])
def test_what_a_purge_has_torn_for_a_while_is_no_finding(
    database_url: str, observer: Connection, owner: Tenant, first: str
) -> None:
    tenants.configure(observer, owner.id, {"data_retention_days": 30})
    for table in ("events", "event_entities"):
        observer.execute(f"UPDATE {table} SET occurred_at = occurred_at - interval '31 days'".encode())
    observer.execute(f"DELETE FROM {first}".encode())
    assert found(database_url) == {}
