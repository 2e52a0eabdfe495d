"""Warnings of a job: all are counted, the first are kept, and a block's stand or fall with it."""

from collections.abc import Callable
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.jobs import item_warnings, lookup
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.jobs import MOST_WARNINGS_KEPT, Effect, ItemWarning
from ingest.notify.listener import Listener
from tests.support.factories import accept, entity
from tests.support.seen import job_of


def told(number: int) -> ItemWarning:
    return ItemWarning(number // 2, "UNKNOWN_FIELD", "strange", f"/{number}")


def test_all_warnings_are_counted_and_the_first_are_kept(conn: Connection, tenant: Tenant) -> None:
    job_id, other = (accept(conn, tenant, "entities", [entity()]) for _ in range(2))
    most = MOST_WARNINGS_KEPT
    item_warnings.record(conn, {job_id: [told(n) for n in range(most - 5)], other: [told(0)]})
    item_warnings.record(conn, {job_id: [told(n) for n in range(most, most + 20)]})
    item_warnings.record(conn, {job_id: [told(n) for n in range(2 * most, 4 * most)]})
    job, near = lookup.get(conn, job_id), lookup.get(conn, other)
    assert job is not None
    assert near is not None
    assert (job.warnings, near.warnings) == (3 * most + 15, 1)
    kept = item_warnings.of_job(conn, job_id, limit=2 * most)
    assert len(kept) == most
    assert [warning.field for _, warning in kept[-5:]] == [f"/{n}" for n in range(most, most + 5)]


def test_a_page_of_warnings_begins_after_the_place_where_the_last_one_ended(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity()])
    item_warnings.record(conn, {job_id: [told(n) for n in range(5)]})
    first = item_warnings.of_job(conn, job_id, limit=3)
    assert [place for place, _ in first] == [(0, 0), (0, 1), (1, 0)]
    rest = item_warnings.of_job(conn, job_id, limit=9, after=first[-1][0])
    assert [warning for _, warning in [*first, *rest]] == [told(n) for n in range(5)]


def test_what_postgres_cannot_store_of_a_warning_is_told_all_the_same(conn: Connection, tenant: Tenant) -> None:
    job_id = accept(conn, tenant, "entities", [entity()])
    item_warnings.record(conn, {job_id: [ItemWarning(0, "UNKNOWN_FIELD", "a\0b\ud800", "/" + "x" * 10_000)]})
    [(_, warning)] = item_warnings.of_job(conn, job_id, limit=1)
    assert warning.message == "a\N{REPLACEMENT CHARACTER}b?"
    assert warning.field is not None
    assert len(warning.field) < 3_000


@pytest.mark.parametrize("block_items", [2, 1_000])
def test_jobs_that_run_together_keep_their_own_strictness_and_indexes(
    submit: Callable[..., UUID], executor: Executor, redis_url: str, observer: Connection, block_items: int
) -> None:
    items = [entity(1), entity(2, more=1), entity(3), entity(4, more=1)]
    expected = {
        submit("entities", items, block_items=block_items, strict=strict): ([], 2) if strict else ([1, 3], 0)
        for strict in (False, True, False)
    }
    executor.serve(None, Listener(redis_url), seconds=60)
    for job_id, (warned, failed) in expected.items():
        job = job_of(observer, job_id)
        assert (job.status, job.warnings, job.effects[Effect.FAILED]) == ("completed", len(warned), failed)
        assert [warning.index for _, warning in item_warnings.of_job(observer, job_id, limit=9)] == warned
