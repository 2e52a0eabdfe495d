"""The place of a pending job in the queue: what it waits for, what comes before it, and when it may end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control, lookup, queue
from ingest.db.jobs.queue import Place, Run
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobState
from tests.support.factories import accept, entity, event, make_tenant, state

_NOON = datetime(2026, 4, 6, 12, tzinfo=UTC)


def _run(items: int, began: float, until: float) -> Run:
    return Run(items, _NOON + timedelta(seconds=began), _NOON + timedelta(seconds=until))


def _place(conn: Connection, job_id: UUID) -> Place:
    job = lookup.show(conn, job_id)
    assert job is not None
    return queue.places_of(conn, [job])[job_id]


def _entities(conn: Connection, tenant: Tenant, items: int = 1, **options: Any) -> UUID:
    return accept(conn, tenant, "entities", [entity(number) for number in range(items)], **options)


@pytest.mark.parametrize(
    ("runs", "rate"),
    [
        ([], None),
        ([_run(0, 0, 10)], None),
        ([_run(10, 5, 5)], None),
        ([_run(100, 0, 10)], 10),
        ([_run(100, 0, 10), _run(100, 0, 10)], 20),
        ([_run(100, 10, 20), _run(100, 0, 10)], 10),
        ([_run(100, 0, 10), _run(100, 50, 60)], 10),
        ([_run(300, 0, 30), _run(100, 10, 20)], 400 / 30),
    ],
)
def test_the_speed_is_that_of_all_workers_while_any_of_them_ran(runs: list[Run], rate: float | None) -> None:
    assert queue.items_a_second(runs) == rate


def test_a_job_that_nothing_precedes_is_next(conn: Connection, tenant: Tenant) -> None:
    assert _place(conn, _entities(conn, tenant)) == Place(None, 0, None)


def test_the_items_of_earlier_jobs_come_before_and_those_of_later_ones_do_not(conn: Connection, tenant: Tenant) -> None:
    begun, waiting, mine = (_entities(conn, tenant, items, block_items=2) for items in (4, 3, 2))
    _entities(conn, tenant, 5)
    assert claims.claim(conn, begun)
    conn.execute("UPDATE jobs SET unprocessed = 2, created = 2 WHERE id = %s", (begun,))
    assert _place(conn, mine).queue_ahead == 2 + 3
    control.cancel(conn, waiting)
    assert _place(conn, mine).queue_ahead == 2


def test_others_run_no_more_before_a_job_than_its_own_tenant_and_a_turn(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    small, _ = make_tenant(conn)
    _entities(conn, small, 7)
    busy = _entities(conn, other, 1)
    conn.execute("UPDATE jobs SET total = 300000, unprocessed = 300000 WHERE id = %s", (busy,))
    _entities(conn, tenant, 30)
    assert _place(conn, _entities(conn, tenant)).queue_ahead == 30 + 7 + 1_030


def test_a_long_queue_is_counted_as_far_as_a_look_goes_and_no_time_is_guessed(conn: Connection, tenant: Tenant) -> None:
    done = _entities(conn, tenant)
    control.cancel(conn, done)
    conn.execute(
        "UPDATE jobs SET started_at = now() - interval '1 second', ended_at = now(), created = 1, unprocessed = 0"
    )
    first = _entities(conn, tenant)
    place = _place(conn, _entities(conn, tenant))
    assert (place.queue_ahead, place.eta_seconds) == (1, 2)
    copies = "gen_random_uuid(), tenant_id, kind, merge, template_id, request_id, awaited, 3, 3, 1"
    columns = "id, tenant_id, kind, merge, template_id, request_id, awaited, total, unprocessed, blocks_open"
    conn.execute(
        f"INSERT INTO jobs ({columns}) SELECT {copies} FROM jobs, generate_series(1, 1000) WHERE id = %s".encode(),
        (first,),
    )
    place = _place(conn, _entities(conn, tenant))
    assert (place.queue_ahead, place.eta_seconds) == (1 + 1 + 3 * 398, None)


def test_a_job_waits_for_the_earliest_of_the_jobs_that_keep_it_from_beginning(conn: Connection, tenant: Tenant) -> None:
    players = _entities(conn, tenant)
    later = _entities(conn, tenant)
    events = accept(conn, tenant, "events", [event(1)])
    balances = accept(conn, tenant, "states", [state(1)])
    free = accept(conn, tenant, "events", [event(1)], ordered=False)
    after = accept(conn, tenant, "events", [event(1)], ordered=False, after_job_id=balances)
    blockers = {job_id: _place(conn, job_id).blocked_by for job_id in (players, later, events, balances, free, after)}
    assert blockers == {
        players: None,
        later: players,
        events: players,
        balances: players,
        free: None,
        after: balances,
    }
    for ended in (players, later):
        control.cancel(conn, ended)
    assert [_place(conn, job_id).blocked_by for job_id in (events, balances, after)] == [None, None, balances]
    control.cancel(conn, balances)
    assert _place(conn, after).blocked_by is None


def test_a_job_that_has_begun_or_ended_is_in_no_queue(pool: Pool, owner: Tenant) -> None:
    with transaction(pool) as conn:
        first = _entities(conn, owner, 2, block_items=1)
        second = _entities(conn, owner)
        assert claims.claim(conn, first)
        control.cancel(conn, second)
        assert _place(conn, first) == Place(None, None, None)
        assert _place(conn, second) == Place(None, None, 0)


def test_the_places_of_a_page_are_those_of_its_jobs_one_by_one(conn: Connection, tenant: Tenant) -> None:
    ids = [_entities(conn, tenant, items) for items in (1, 2, 3)]
    ids.append(accept(conn, tenant, "events", [event(1)], after_job_id=ids[1]))
    jobs = [job for job in (lookup.show(conn, job_id) for job_id in ids) if job is not None]
    assert {job.status for job in jobs} == {JobState.PENDING}
    assert queue.places_of(conn, jobs) == {job_id: _place(conn, job_id) for job_id in ids}


def test_a_job_names_the_jobs_that_retried_it_the_first_hundred(conn: Connection, tenant: Tenant) -> None:
    root, child = _entities(conn, tenant), _entities(conn, tenant)
    conn.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (root, child))
    shown, shown_child = lookup.show(conn, root), lookup.show(conn, child)
    assert shown is not None
    assert shown_child is not None
    assert (shown.parent_job_id, shown.retried_by) == (None, [child])
    assert (shown_child.parent_job_id, shown_child.retried_by) == (root, [])
    for _ in range(lookup.MOST_RETRIES_SHOWN):
        made = _entities(conn, tenant)
        conn.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (root, made))
    shown = lookup.show(conn, root)
    assert shown is not None
    assert (len(shown.retried_by), shown.retried_by[0]) == (lookup.MOST_RETRIES_SHOWN, child)
