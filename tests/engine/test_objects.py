"""Objects in Postgres: entities whose ids are unique within their type."""

import json
from typing import Any

import msgspec
import pytest

from ingest.db.connection.pool import Connection
from ingest.db.data import entities, entity_lookup, entity_rows, linked_objects
from ingest.engine.kinds import KINDS
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.items.entities import Entity
from ingest.items.objects import Object
from ingest.jobs import Effect
from tests.support.factories import make_tenant


def obj(type_: str, id_: str, **properties: Any) -> Entity:
    return Object(id_, type_, msgspec.Raw(json.dumps(properties).encode()))


def properties(conn: Connection, tenant_id: int, type_: str, id_: str) -> Any:
    row = entity_rows.read(conn, tenant_id, id_, scope=type_)
    return None if row is None else json.loads(row.properties)


@pytest.fixture
def tenant_id(conn: Connection) -> int:
    return make_tenant(conn)[0].id


def test_one_id_in_two_types_and_on_the_other_api_is_three_entities(conn: Connection, tenant_id: int) -> None:
    player = Entity("1", "Order", msgspec.Raw(b"{}"))
    written = entities.upsert(conn, tenant_id, [obj("Order", "1"), obj("order", "1"), player], merge=True)
    assert written == [Effect.CREATED] * 3
    found = entity_lookup.public_ids(conn, tenant_id, {scope: ["1"] for scope in ("Order", "order", "")})
    assert len({found[scope]["1"] for scope in found}) == 3


def test_an_object_that_nothing_changes_keeps_its_id_and_tells_it(conn: Connection, tenant_id: int) -> None:
    kind, target = KINDS["objects"], Target(tenant_id, merge=True)
    outcomes = write(conn, kind, target, [obj("a", "1", **({"n": 1} if n < 2 else {})) for n in range(3)])
    assert outcomes.effects == [Effect.CREATED, Effect.UNCHANGED, Effect.UNCHANGED]
    [(public_id,)] = conn.execute("SELECT public_id FROM entities").fetchall()
    assert outcomes.ids == [public_id.bytes] * 3  # type: ignore[attr-defined] # a uuid column


def test_ensure_creates_what_is_missing_and_merges_in_the_order_given(conn: Connection, tenant_id: int) -> None:
    entities.upsert(conn, tenant_id, [obj("a", "old", keep=1, gone=1, back=1)], merge=True)
    ids = linked_objects.ensure(
        conn,
        tenant_id,
        [
            obj("a", "old", gone=None, back=None, n=1),
            obj("a", "new", n=1, gone=1),
            obj("a", "old", back=2, n=2),
            obj("a", "new", gone=None, never=None),
            obj("b", "new"),
        ],
    )
    found = entity_lookup.resolve(conn, tenant_id, {"a": {"old", "new"}, "b": {"new"}})
    old, new, other = found["a"]["old"], found["a"]["new"], found["b"]["new"]
    assert ids == [old, new, old, new, other]
    assert len({old, new, other}) == 3
    assert properties(conn, tenant_id, "a", "old") == {"keep": 1, "back": 2, "n": 2}
    assert properties(conn, tenant_id, "a", "new") == {"n": 1}
    assert properties(conn, tenant_id, "b", "new") == {}


def test_ensure_writes_nothing_where_nothing_is_said(conn: Connection, tenant_id: int) -> None:
    entities.upsert(conn, tenant_id, [obj("a", "1", n=1)], merge=True)
    before = conn.execute("SELECT id, xmin, ctid FROM entities").fetchall()
    assert len(set(linked_objects.ensure(conn, tenant_id, [obj("a", "1"), obj("a", "1")]))) == 1
    assert conn.execute("SELECT id, xmin, ctid FROM entities").fetchall() == before


def test_ensure_does_not_see_another_tenants_objects(conn: Connection, tenant_id: int) -> None:
    other, _ = make_tenant(conn)
    theirs = linked_objects.ensure(conn, other.id, [obj("a", "1", n=1)])
    ours = linked_objects.ensure(conn, tenant_id, [obj("a", "1")])
    assert theirs != ours
    assert properties(conn, tenant_id, "a", "1") == {}


def test_numbers_are_merged_as_they_were_sent(conn: Connection, tenant_id: int) -> None:
    for text in (b'{"n": 1.50}', b'{"m": 123456789012345678901234567890.10}'):
        linked_objects.ensure(conn, tenant_id, [Object("1", "a", msgspec.Raw(text))] * 2)
    row = entity_rows.read(conn, tenant_id, "1", scope="a")
    assert row is not None
    assert row.properties == '{"m": 123456789012345678901234567890.10, "n": 1.50}'
