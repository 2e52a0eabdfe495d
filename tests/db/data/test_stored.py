"""Stored rows read page by page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import erasure, stored
from ingest.db.data.stored import Place, StoredRow
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from tests.support.factories import entity, event, make_tenant, state

Submit = Callable[..., UUID]


def walk(conn: Connection, tenant: Tenant, *, limit: int) -> list[tuple[str, StoredRow]]:
    """Return all rows behind one another, each with its kind."""
    with conn.transaction():
        return _walk(conn, tenant, limit=limit)


def _walk(conn: Connection, tenant: Tenant, *, limit: int) -> list[tuple[str, StoredRow]]:
    found: list[tuple[str, StoredRow]] = []
    place: Place | None = Place()
    while place is not None:
        page = stored.page(conn, tenant.id, place, limit=limit)
        assert len(page.rows) <= limit
        found += [(place.kind, row) for row in page.rows]
        place = page.next_place
    return found


def named(rows: list[tuple[str, StoredRow]]) -> list[tuple[str, str, str, str]]:
    return [(kind, row.external_id, row.name, row.document) for kind, row in rows]


@pytest.fixture
def rows(submit: Submit, executor: Executor, pool: Pool, owner: Tenant) -> list[tuple[str, str, str, str]]:
    """Entities of which some have states, some many events, one is deleted, and one has no more than itself."""
    events = [event(1, data={"type": "t", "amount": n, "currency": "EUR"}, timestamp=_time(n)) for n in range(7)]
    events += [event(number, data={"type": "t", "amount": 1, "currency": "EUR"}) for number in (3, 4)]
    states = [state(1), state(1, stateKey="kyc_status"), state(1, stateKey="risk_score"), state(3), state(4)]
    batches: dict[str, list[Any]] = {
        "entities": [entity(number, data={"email": "x", "n": 1}) for number in range(1, 6)],
        "events": events,
        "states": states,
    }
    for kind, items in batches.items():
        executor.run(submit(kind, items), seconds=60)
    with transaction(pool) as conn:
        assert erasure.delete(conn, owner.id, "player_000004")
    kept = [state for state in states if state["externalId"] != "player_000004"]
    return [
        *(("entities", f"player_{number:06}", "player", '{"n": 1}') for number in (1, 2, 3, 5)),
        *(("states", state["externalId"], state["stateKey"], str(state["value"])) for state in kept),
        *(("events", event["externalId"], "transaction", _document(event["data"])) for event in events),
    ]


@pytest.fixture
def other_tenant(pool: Pool) -> Tenant:
    with transaction(pool) as conn:
        return make_tenant(conn)[0]


def _time(number: int) -> str:
    return f"2026-04-06T12:00:0{number // 2}Z"  # some at the same time


def _document(data: dict[str, Any]) -> str:
    return f'{{"type": "{data["type"]}", "amount": {data["amount"]}, "currency": "{data["currency"]}"}}'


@pytest.mark.parametrize("limit", [2, 3, 4, 100])
def test_pages_hold_each_row_once_in_the_same_order(
    rows: list[tuple[str, str, str, str]], observer: Connection, owner: Tenant, limit: int
) -> None:
    assert named(walk(observer, owner, limit=limit)) == rows


def test_events_are_named_by_their_public_ids(
    rows: list[tuple[str, str, str, str]], observer: Connection, owner: Tenant
) -> None:
    found = {row.public_id for kind, row in walk(observer, owner, limit=3) if kind == "events"}
    assert found == {row[0] for row in observer.execute("SELECT public_id FROM events")}
    assert len(found) == len([kind for kind, *_ in rows if kind == "events"])


def test_rows_of_another_tenant_or_of_the_public_api_are_in_no_page(
    submit: Submit, executor: Executor, observer: Connection, owner: Tenant, other_tenant: Tenant
) -> None:
    named_event = {"event": "e", "timestamp": "2026-01-01T00:00:00Z", "objects": [{"type": "a", "id": "1"}]}
    executor.run(submit("object_events", [named_event], merge=True, template_id=None), seconds=60)
    executor.run(submit("entities", [entity(1)]), seconds=60)
    assert [(kind, row.external_id) for kind, row in walk(observer, owner, limit=2)] == [("entities", "player_000001")]
    assert walk(observer, other_tenant, limit=2) == []


def test_a_page_of_large_documents_ends_early_and_holds_one_at_least(
    submit: Submit, executor: Executor, observer: Connection, owner: Tenant
) -> None:
    executor.run(submit("entities", [entity(number) for number in range(4)]), seconds=60)
    # Hexadecimal digits of hashes hardly compress: 600 kB each.
    observer.execute(
        "UPDATE entities SET properties = jsonb_build_object('x', (SELECT string_agg(sha512(n::text::bytea)::text, '')"
        " FROM generate_series(1, 9000) n))"
    )
    pages: list[int] = []
    place: Place | None = Place()
    while place is not None and place.kind == "entities":
        with observer.transaction():
            page = stored.page(observer, owner.id, place)
        pages.append(len(page.rows))
        place = page.next_place
    assert pages[-1] == 0
    assert sum(pages) == 4
    assert max(pages) < 4


def test_the_estimate_is_one_at_least_and_near_the_count_of_what_was_analysed(
    rows: list[tuple[str, str, str, str]], observer: Connection, owner: Tenant, other_tenant: Tenant
) -> None:
    observer.execute("ANALYZE entities, states, events")
    assert stored.estimated_count(observer, owner.id) == pytest.approx(len(rows), abs=3)
    assert stored.estimated_count(observer, other_tenant.id) >= 1
