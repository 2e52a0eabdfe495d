import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ingest.db.connection.pool import Connection
from ingest.db.data import entities, entity_lookup, erasure, event_rows, events
from ingest.db.data.event_links import Links
from ingest.db.tenants.tenants import Tenant
from ingest.items.entities import SCOPE, Entity
from ingest.items.events import Event
from tests.support.factories import make_tenant

_NOON = datetime(2026, 4, 6, 12, tzinfo=UTC)


def known(conn: Connection, tenant: Tenant, *external_ids: str) -> dict[str, int]:
    items = [Entity(external_id, "operator", msgspec.Raw(b"{}")) for external_id in external_ids]
    entities.upsert(conn, tenant.id, items, merge=False)
    return entity_lookup.resolve(conn, tenant.id, {SCOPE: external_ids})[SCOPE]


def an_event(data: Any = None, at: datetime | None = None, *, of: str = "p1", name: str = "session") -> Event:
    text = data if isinstance(data, bytes) else json.dumps(data or {}).encode()
    return Event(of, name, msgspec.Raw(text), at)


def append(conn: Connection, tenant: Tenant, *items: Event) -> list[UUID]:
    ids = known(conn, tenant, *{item.external_id for item in items})
    links = Links(range(len(items)), [ids[item.external_id] for item in items], [""] * len(items))
    return [UUID(bytes=public_id) for public_id in events.append(conn, tenant.id, items, lambda _: links).public_ids]


def numbers(conn: Connection, tenant: Tenant, external_id: str = "p1", **options: Any) -> list[Any]:
    page = event_rows.of_entity(conn, tenant.id, external_id, **{"limit": 100, **options})
    return [json.loads(row.properties)["n"] for row in page]


def test_an_event_is_read_back_as_it_was_sent(conn: Connection, tenant: Tenant) -> None:
    data = b'{"amount": 145.50, "n": %s, "nothing": null}' % (b"9" * 40)
    [public_id] = append(conn, tenant, an_event(data, _NOON))
    [row] = event_rows.of_entity(conn, tenant.id, "p1", limit=10)
    assert (row.public_id, row.type, row.occurred_at) == (public_id, "session", _NOON)
    assert row.properties == '{"n": %s, "amount": 145.50, "nothing": null}' % ("9" * 40)


def test_without_a_time_an_event_occurs_now(conn: Connection, tenant: Tenant) -> None:
    append(conn, tenant, an_event())
    [row] = event_rows.of_entity(conn, tenant.id, "p1", limit=10)
    assert row.occurred_at == row.created_at


@pytest.mark.parametrize(
    "timestamp", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
)
def test_the_first_and_the_last_timestamp_read_back(conn: Connection, tenant: Tenant, timestamp: datetime) -> None:
    append(conn, tenant, an_event(at=timestamp))
    [row] = event_rows.of_entity(conn, tenant.id, "p1", limit=10)
    assert row.occurred_at == timestamp


def test_ids_are_in_the_order_given_and_each_event_is_linked_to_its_entity(conn: Connection, tenant: Tenant) -> None:
    sent = [an_event({"n": n}, _NOON, of=f"p{n % 3}") for n in range(9)]
    public_ids = append(conn, tenant, *sent)
    rows = conn.execute(
        "SELECT v.public_id, v.properties ->> 'n', e.external_id, l.occurred_at, l.qualifier"
        " FROM events v JOIN event_entities l ON l.event_id = v.id JOIN entities e ON e.id = l.entity_id"
        " WHERE v.tenant_id = %s ORDER BY v.id",
        (tenant.id,),
    )
    assert rows.fetchall() == [(public_ids[n], str(n), f"p{n % 3}", _NOON, "") for n in range(9)]
    assert public_ids == sorted(public_ids)


@pytest.mark.parametrize("increment", [1, 4, 9, 8192])
def test_ids_are_nobody_elses_and_in_the_order_sent_however_many_are_drawn_at_once(
    conn: Connection, tenant: Tenant, increment: int
) -> None:
    conn.execute(f"ALTER SEQUENCE events_id_seq INCREMENT BY {increment}".encode())
    public_ids = [
        public_id for _ in range(2) for public_id in append(conn, tenant, *[an_event({"n": n}) for n in range(9)])
    ]
    rows = conn.execute("SELECT public_id, id < nextval('events_id_seq') FROM events ORDER BY id").fetchall()
    assert rows == [(public_id, True) for public_id in public_ids]


def test_equal_events_are_two_events(conn: Connection, tenant: Tenant) -> None:
    assert len(set(append(conn, tenant, an_event({"n": 1}, _NOON), an_event({"n": 1}, _NOON)))) == 2
    assert numbers(conn, tenant) == [1, 1]


def test_events_are_listed_newest_first_and_of_one_time_the_last_sent_first(conn: Connection, tenant: Tenant) -> None:
    later = _NOON + timedelta(hours=1)
    append(conn, tenant, *[an_event({"n": n}, at) for n, at in enumerate([_NOON, later, _NOON, later])])
    assert numbers(conn, tenant) == [3, 1, 2, 0]


def test_pages_follow_one_another_without_a_gap_or_a_repeat(conn: Connection, tenant: Tenant) -> None:
    append(conn, tenant, *[an_event({"n": n}, _NOON + timedelta(seconds=n // 3)) for n in range(10)])
    seen: list[Any] = []
    before = None
    while page := event_rows.of_entity(conn, tenant.id, "p1", limit=4, before=before):
        seen += [json.loads(row.properties)["n"] for row in page]
        before = (page[-1].occurred_at, page[-1].id)
    assert seen == list(range(9, -1, -1))


def test_events_can_be_listed_by_type(conn: Connection, tenant: Tenant) -> None:
    append(conn, tenant, *[an_event({"n": n}, _NOON, name=("session", "bonus")[n % 2]) for n in range(4)])
    assert numbers(conn, tenant, event_type="bonus") == [3, 1]
    assert numbers(conn, tenant, event_type="launch") == []


def test_a_deleted_entitys_events_are_kept_and_seen_again_when_it_is_back(conn: Connection, tenant: Tenant) -> None:
    append(conn, tenant, an_event({"n": 1}))
    erasure.delete(conn, tenant.id, "p1")
    assert numbers(conn, tenant) == []
    known(conn, tenant, "p1")
    assert numbers(conn, tenant) == [1]


def test_no_tenant_sees_anothers_events(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    append(conn, tenant, an_event({"n": 1}))
    append(conn, other, an_event({"n": 2}))
    assert (numbers(conn, tenant), numbers(conn, other), numbers(conn, tenant, "p2")) == ([1], [2], [])
