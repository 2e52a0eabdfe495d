import msgspec

from ingest.db.connection.pool import Connection
from ingest.db.data import entities, entity_lookup, entity_rows
from ingest.db.tenants.tenants import Tenant
from ingest.items.entities import SCOPE, Entity


def put(conn: Connection, tenant: Tenant, external_id: str) -> int:
    entities.upsert(conn, tenant.id, [Entity(external_id, "player", msgspec.Raw(b"{}"))], merge=False)
    found = entity_rows.read(conn, tenant.id, external_id)
    assert found is not None
    return found.id


def test_only_those_that_exist_are_resolved(conn: Connection, tenant: Tenant) -> None:
    p1, _ = put(conn, tenant, "p1"), put(conn, tenant, "p2")
    found = entity_lookup.resolve(conn, tenant.id, {SCOPE: {"p1", "p3"}, "player": {"p1"}})
    assert found == {SCOPE: {"p1": p1}, "player": {}}
    assert entity_lookup.resolve(conn, tenant.id, {}) == {}


def test_each_id_is_resolved_to_its_own_entity_whatever_the_order_of_its_characters(
    conn: Connection, tenant: Tenant
) -> None:
    names = ["\U0001f600", "\uffff", "\ue000", "z", "a", "A", "a ", "a\t", "a-", "a.", "aa", "\u0001", "é", "e\u0301"]
    expected = {name: put(conn, tenant, name) for name in names}
    assert entity_lookup.resolve(conn, tenant.id, {SCOPE: names}) == {SCOPE: expected}
    assert entity_lookup.resolve(conn, tenant.id, {SCOPE: [*names, "b"]}) == {SCOPE: expected}
