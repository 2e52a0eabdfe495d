import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import msgspec
import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import entities, entity_lookup, entity_rows, erasure
from ingest.db.data.entity_rows import EntityRow
from ingest.db.tenants.tenants import Tenant
from ingest.items.entities import SCOPE, Entity
from ingest.jobs import Effect
from tests.support.factories import make_tenant


def an_entity(data: Any, external_id: str = "p1", *, type: str = "player") -> Entity:  # noqa: A002 # the field's name
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Entity(external_id, type, msgspec.Raw(text))


def put(conn: Connection, tenant: Tenant, item: Entity, *, merge: bool = False) -> Effect:
    [effect] = entities.upsert(conn, tenant.id, [item], merge=merge)
    return effect


def row(conn: Connection, tenant: Tenant, external_id: str = "p1") -> EntityRow:
    found = entity_rows.read(conn, tenant.id, external_id)
    assert found is not None
    return found


def stored(conn: Connection, tenant: Tenant, external_id: str = "p1") -> Any:
    return json.loads(row(conn, tenant, external_id).properties)


def backdate(conn: Connection) -> None:
    """Within one transaction now() stands still; so that a change of time can be seen, let all that is there be old."""
    conn.execute(
        "UPDATE entities SET created_at = created_at - interval '1 day', updated_at = updated_at - interval '1 day'"
    )


def test_an_entity_is_created_then_unchanged_then_updated(conn: Connection, tenant: Tenant) -> None:
    assert put(conn, tenant, an_entity({"a": 1})) is Effect.CREATED
    public_id = row(conn, tenant).public_id
    assert put(conn, tenant, an_entity({"a": 1})) is Effect.UNCHANGED
    assert put(conn, tenant, an_entity({"a": 2})) is Effect.UPDATED
    assert put(conn, tenant, an_entity({"a": 1})) is Effect.UPDATED
    assert row(conn, tenant).public_id == public_id


def test_what_is_unchanged_is_not_written(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity({"a": 1, "b": [2.0]}))
    backdate(conn)
    before = row(conn, tenant)
    assert put(conn, tenant, an_entity(b'{"b": [2.0], "a": 1e0}')) is Effect.UNCHANGED
    assert put(conn, tenant, an_entity({}), merge=True) is Effect.UNCHANGED
    assert row(conn, tenant) == before
    assert put(conn, tenant, an_entity({"a": 2}), merge=True) is Effect.UPDATED
    changed = row(conn, tenant)
    assert changed.created_at == before.created_at
    assert changed.updated_at > before.updated_at


def test_replacing_leaves_nothing_of_the_old(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity({"a": 1, "b": 2}))
    put(conn, tenant, an_entity({"b": None, "c": {"d": None}}))
    assert stored(conn, tenant) == {"b": None, "c": {"d": None}}


def test_merging_keeps_what_is_not_named_and_removes_what_is_null_at_the_top_alone(
    conn: Connection, tenant: Tenant
) -> None:
    put(conn, tenant, an_entity({"a": 1, "b": {"x": 1, "y": 2}, "c": 3, "d": 4}))
    put(conn, tenant, an_entity({"b": {"x": None}, "c": None, "e": [None], "gone": None}), merge=True)
    assert stored(conn, tenant) == {"a": 1, "b": {"x": None}, "d": 4, "e": [None]}


def test_a_null_that_a_replacement_stored_stays_through_a_merge_that_does_not_name_it(
    conn: Connection, tenant: Tenant
) -> None:
    put(conn, tenant, an_entity({"a": None, "b": 1}))
    put(conn, tenant, an_entity({"b": None, "c": 2}), merge=True)
    assert stored(conn, tenant) == {"a": None, "c": 2}


def test_a_merge_that_creates_has_its_nulls_removed_too(conn: Connection, tenant: Tenant) -> None:
    items = [an_entity({"a": 1, "b": None, "c": {"d": None}}, "p1"), an_entity({"a": 1}, "p2")]
    assert entities.upsert(conn, tenant.id, items, merge=True) == [Effect.CREATED, Effect.CREATED]
    assert stored(conn, tenant, "p1") == {"a": 1, "c": {"d": None}}
    assert put(conn, tenant, an_entity({"b": None}), merge=True) is Effect.UNCHANGED


def test_nulls_of_one_item_remove_nothing_from_another(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity({"a": 1}, "p1"))
    put(conn, tenant, an_entity({"a": 1, "b": None}, "p2"))
    entities.upsert(conn, tenant.id, [an_entity({"a": None}, "p1"), an_entity({"c": 1}, "p2")], merge=True)
    assert stored(conn, tenant, "p1") == {}
    assert stored(conn, tenant, "p2") == {"a": 1, "b": None, "c": 1}


@pytest.mark.parametrize("merge", [False, True])
def test_a_new_type_replaces_the_old_one(conn: Connection, tenant: Tenant, *, merge: bool) -> None:
    put(conn, tenant, an_entity({"a": 1}))
    public_id = row(conn, tenant).public_id
    assert put(conn, tenant, an_entity({"a": 1}, type="operator"), merge=merge) is Effect.UPDATED
    assert (row(conn, tenant).type, row(conn, tenant).public_id) == ("operator", public_id)


@pytest.mark.parametrize("merge", [False, True])
def test_a_deleted_entity_comes_back_as_if_new(conn: Connection, tenant: Tenant, *, merge: bool) -> None:
    put(conn, tenant, an_entity({"a": 1}))
    put(conn, tenant, an_entity({"a": 2}))
    backdate(conn)
    old = row(conn, tenant)
    assert erasure.delete(conn, tenant.id, "p1")
    assert entity_rows.read(conn, tenant.id, "p1") is None
    assert entity_lookup.resolve(conn, tenant.id, {SCOPE: ["p1"]}) == {SCOPE: {}}
    assert not erasure.delete(conn, tenant.id, "p1")
    assert put(conn, tenant, an_entity({"b": 1, "c": None}), merge=merge) is Effect.CREATED
    assert row(conn, tenant).public_id == old.public_id
    assert stored(conn, tenant) == ({"b": 1} if merge else {"b": 1, "c": None})
    assert row(conn, tenant).created_at > old.created_at
    assert put(conn, tenant, an_entity({"b": 2}), merge=merge) is Effect.UPDATED


def test_deleting_erases_the_properties(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity({"email": "a@b.example"}))
    erasure.delete(conn, tenant.id, "p1")
    kept = conn.execute("SELECT properties::text FROM entities WHERE tenant_id = %s", (tenant.id,)).fetchall()
    assert kept == [("{}",)]


_NUMBERS = [
    "145.50",
    "9" * 40,
    "-" + "9" * 40,
    "0.1",
    "0.10000000000000000000000000000000000000000000001",
    "123456789012345678901234567890.123456789012345678901234567890",
    "1e400",
    "-1e-400",
    "18446744073709551616",
    "9" * 5_000,
]


@pytest.mark.parametrize("number", _NUMBERS, ids=[number[:20] for number in _NUMBERS])
@pytest.mark.parametrize("merge", [False, True])
def test_a_number_reads_back_with_the_value_that_was_sent(
    conn: Connection,
    tenant: Tenant,
    number: str,
    *,
    merge: bool,
) -> None:
    put(conn, tenant, an_entity(b'{"n": %s, "null": null}' % number.encode()), merge=merge)
    same = conn.execute("SELECT (%s::jsonb -> 'n')::numeric = %s::numeric", (row(conn, tenant).properties, number))
    assert same.fetchone() == (True,)


def test_digits_after_the_point_are_kept(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity(b'{"amount": 145.50}'))
    assert row(conn, tenant).properties == '{"amount": 145.50}'


@pytest.mark.parametrize("text", ["é😀", "a\u2028b", "\\", '"', "\x7f", "null", "'; --"])
def test_text_reads_back_as_it_was_sent(conn: Connection, tenant: Tenant, text: str) -> None:
    put(conn, tenant, an_entity({text: [text, {"t": text}]}, text))
    assert stored(conn, tenant, text) == {text: [text, {"t": text}]}
    assert row(conn, tenant, text).external_id == text


def test_of_equal_members_the_last_is_stored(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity(b'{"a": null, "\\u0061": 1}'), merge=True)
    put(conn, tenant, an_entity(b'{"b": 1, "b": null}', "p2"), merge=True)
    assert (stored(conn, tenant), stored(conn, tenant, "p2")) == ({"a": 1}, {})


def test_outcomes_are_in_the_order_given(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, an_entity({"n": 1}, "b"))
    put(conn, tenant, an_entity({"n": 1}, "d"))
    items = [an_entity({"n": n}, key) for key, n in (("d", 1), ("a", 1), ("c", 1), ("b", 2))]
    effects = entities.upsert(conn, tenant.id, items, merge=False)
    assert effects == [Effect.UNCHANGED, Effect.CREATED, Effect.CREATED, Effect.UPDATED]


def test_ids_compare_code_point_by_code_point(conn: Connection, tenant: Tenant) -> None:
    names = ["a", "A", "a ", " a", "á", "a\u0301", "\uff41", "ß", "ss"]
    effects = entities.upsert(conn, tenant.id, [an_entity({}, n) for n in names], merge=False)
    assert effects == [Effect.CREATED] * len(names)


def test_no_tenant_sees_or_changes_anothers_entity(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    put(conn, tenant, an_entity({"whose": "mine"}))
    assert entity_rows.read(conn, other.id, "p1") is None
    assert entity_lookup.resolve(conn, other.id, {SCOPE: ["p1"]}) == {SCOPE: {}}
    assert not erasure.delete(conn, other.id, "p1")
    assert put(conn, other, an_entity({"whose": "theirs"})) is Effect.CREATED
    assert put(conn, other, an_entity({"a": None}), merge=True) is Effect.UNCHANGED
    assert (stored(conn, tenant), stored(conn, other)) == ({"whose": "mine"}, {"whose": "theirs"})


def test_two_writers_of_the_same_keys_in_opposite_orders_never_deadlock(pool: Pool, owner: Tenant) -> None:
    rounds, ready = 15, Barrier(2, timeout=30)

    def write(keys: list[str], name: str) -> None:
        for number in range(rounds):
            items = [an_entity({name: number}, key) for key in keys]
            ready.wait()
            with transaction(pool) as conn:
                entities.upsert(conn, owner.id, items, merge=True)

    keys = [f"p{number:03}" for number in range(500)]
    with ThreadPoolExecutor(2) as threads:
        for writer in [threads.submit(write, keys, "up"), threads.submit(write, keys[::-1], "down")]:
            writer.result()
    with transaction(pool) as conn:
        assert stored(conn, owner, "p250") == {"up": rounds - 1, "down": rounds - 1}
