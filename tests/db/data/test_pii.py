"""Entities with personal data are upserted as others are, and no plain value stands in their rows."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.data import entities, entity_rows, erasure, growth
from ingest.db.tenants.tenants import Tenant
from ingest.errors import TooLarge
from ingest.items import personal
from ingest.items.entities import Entity
from ingest.items.personal import Protection
from ingest.jobs import Effect

_OLD, _NEW = (f"{kid}:{base64.b64encode(bytes([number] * 32)).decode()}" for number, kid in enumerate(("old", "new")))
_FIELDS = {"player": ("email", "phone")}


def put(
    conn: Connection,
    tenant: Tenant,
    *sent: dict[str, Any] | bytes,
    merge: bool = False,
    keys: str = _OLD,
    fields: dict[str, Sequence[str]] | None = None,
    names: str = "",
    most_bytes: int = growth.MOST_BYTES,
) -> list[Effect]:
    """Upsert entities: one that is sent several times, or one each where they have names."""
    items = [
        Entity(
            names[place] if names else "p1",
            "player",
            msgspec.Raw(data if isinstance(data, bytes) else json.dumps(data).encode()),
        )
        for place, data in enumerate(sent)
    ]
    called = _FIELDS if fields is None else fields
    protection = Protection(MasterKeys.parse(keys), tenant.id, called) if called else None
    with translated():
        return entities.upsert(conn, tenant.id, items, merge=merge, most_bytes=most_bytes, protection=protection)


def clear(conn: Connection, tenant: Tenant, name: str = "p1") -> Any:
    found = entity_rows.read(conn, tenant.id, name)
    assert found is not None
    return json.loads(found.properties)


def hidden(conn: Connection, tenant: Tenant, name: str = "p1", *, keys: str = f"{_NEW},{_OLD}") -> Any:
    found = entity_rows.read(conn, tenant.id, name)
    assert found is not None
    if found.pii is None:
        assert conn.execute("SELECT pii_digests FROM entities WHERE id = %s", (found.id,)).fetchone() == (None,)
        return {}
    opened = personal.opened(MasterKeys.parse(keys), tenant.id, name, found.pii)
    [(digests,)] = conn.execute("SELECT pii_digests FROM entities WHERE id = %s", (found.id,)).fetchall()
    assert set(digests) == set(opened)
    return {field: json.loads(bytes(value)) for field, value in opened.items()}


@pytest.fixture(params=[1, 3], ids=["one", "copied"])
def many(request: pytest.FixtureRequest) -> str:
    """Names of so many entities of a block: several new ones come by COPY."""
    return "abc"[: request.param]


@pytest.mark.parametrize("merge", [False, True])
def test_new_rows_hold_no_plain_value(conn: Connection, tenant: Tenant, many: str, *, merge: bool) -> None:
    sent = [{"email": f"hunter2 {name}", "vip_level": 1} for name in many]
    assert put(conn, tenant, *sent, names=many, merge=merge) == [Effect.CREATED] * len(many)
    assert conn.execute("SELECT FROM entities e WHERE e::text LIKE '%hunter2%'").rowcount == 0
    for name in many:
        assert (clear(conn, tenant, name), hidden(conn, tenant, name)) == (
            {"vip_level": 1},
            {"email": f"hunter2 {name}"},
        )


@pytest.mark.parametrize("merge", [False, True])
def test_an_equal_value_is_unchanged_and_another_one_updates(
    conn: Connection, tenant: Tenant, many: str, *, merge: bool
) -> None:
    def send(email: Any, **more: Any) -> list[Effect]:
        return put(conn, tenant, *[{"email": email, "n": 1, **more}] * len(many), names=many, merge=merge)

    assert send("a") == [Effect.CREATED] * len(many)
    before = conn.execute("SELECT ctid, pii FROM entities ORDER BY id").fetchall()
    assert send("a") == [Effect.UNCHANGED] * len(many)
    assert conn.execute("SELECT ctid, pii FROM entities ORDER BY id").fetchall() == before
    assert send("b") == [Effect.UPDATED] * len(many)
    assert send("b", phone=[1]) == [Effect.UPDATED] * len(many)
    assert hidden(conn, tenant, "a") == {"email": "b", "phone": [1]}


def test_a_merge_keeps_the_values_that_it_does_not_name(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, {"email": "a", "n": 1})
    assert put(conn, tenant, {"phone": "1"}, merge=True) == [Effect.UPDATED]
    assert put(conn, tenant, {"m": 2}, merge=True) == [Effect.UPDATED]
    assert put(conn, tenant, {"email": "a", "n": 1}, merge=True) == [Effect.UNCHANGED]
    assert (clear(conn, tenant), hidden(conn, tenant)) == ({"n": 1, "m": 2}, {"email": "a", "phone": "1"})


def test_a_replacement_keeps_nothing(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, {"email": "a", "phone": "1"})
    assert put(conn, tenant, {"email": "a"}) == [Effect.UPDATED]
    assert hidden(conn, tenant) == {"email": "a"}
    assert put(conn, tenant, {"n": 1}) == [Effect.UPDATED]
    assert hidden(conn, tenant) == {}
    assert put(conn, tenant, {"n": 1}) == [Effect.UNCHANGED]


def test_a_null_removes_a_field_by_a_merge_and_is_a_value_otherwise(conn: Connection, tenant: Tenant) -> None:
    assert put(conn, tenant, {"email": "a", "phone": None}) == [Effect.CREATED]
    assert hidden(conn, tenant) == {"email": "a", "phone": None}
    assert put(conn, tenant, {"email": None, "phone": None}, merge=True) == [Effect.UPDATED]
    assert (clear(conn, tenant), hidden(conn, tenant)) == ({}, {})
    assert put(conn, tenant, {"email": None}, merge=True) == [Effect.UNCHANGED]
    assert put(conn, tenant, {"email": None, "phone": "1"}, merge=True, names="q") == [Effect.CREATED]
    assert (clear(conn, tenant, "q"), hidden(conn, tenant, "q")) == ({}, {"phone": "1"})


@pytest.mark.parametrize("merge", [False, True])
def test_an_entity_several_times_in_a_block_has_the_effect_of_each(
    conn: Connection, tenant: Tenant, *, merge: bool
) -> None:
    C, U, N = Effect.CREATED, Effect.UPDATED, Effect.UNCHANGED  # noqa: N806 # a table of effects
    assert put(conn, tenant, {"email": "a"}, {"email": "a"}, {"email": "b"}, {"email": "b"}, merge=merge) == [
        C,
        N,
        U,
        N,
    ]
    assert hidden(conn, tenant) == {"email": "b"}
    sent = [{"email": "b"}, {"email": "b", "phone": "1"}, {"email": "b"}]
    assert put(conn, tenant, *sent, merge=merge) == [N, U, N if merge else U]
    assert hidden(conn, tenant) == ({"email": "b", "phone": "1"} if merge else {"email": "b"})


def test_nulls_of_merges_in_one_block_remove_in_turn(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, {"email": "a", "n": 1})
    sent = [{"email": None}, {"email": None}, {"email": "b"}, {"n": None, "phone": "1"}]
    assert put(conn, tenant, *sent, merge=True) == [
        Effect.UPDATED,
        Effect.UNCHANGED,
        Effect.UPDATED,
        Effect.UPDATED,
    ]
    assert (clear(conn, tenant), hidden(conn, tenant)) == ({}, {"email": "b", "phone": "1"})


@pytest.mark.parametrize("merge", [False, True])
def test_a_value_in_the_clear_is_sealed_when_it_is_sent_as_personal_data(
    conn: Connection, tenant: Tenant, *, merge: bool
) -> None:
    put(conn, tenant, {"email": "hunter2", "phone": "hunter2", "n": 1}, fields={})
    assert put(conn, tenant, {"email": "hunter2", "n": 1}, merge=merge) == [Effect.UPDATED]
    assert hidden(conn, tenant) == {"email": "hunter2"}
    # A merge seals what it names, and loses nothing.
    assert clear(conn, tenant) == ({"n": 1, "phone": "hunter2"} if merge else {"n": 1})


@pytest.mark.parametrize("fields", [{}, {"player": ("phone",)}])
@pytest.mark.parametrize("merge", [False, True])
def test_a_field_that_is_not_personal_any_more_stands_in_the_clear_once_it_is_sent(
    conn: Connection, tenant: Tenant, *, merge: bool, fields: dict[str, Sequence[str]]
) -> None:
    put(conn, tenant, {"email": "a", "phone": "1"})
    assert put(conn, tenant, {"email": "a"}, merge=merge, fields=fields) == [Effect.UPDATED]
    assert clear(conn, tenant) == {"email": "a"}
    assert hidden(conn, tenant) == ({"phone": "1"} if merge else {})
    assert put(conn, tenant, {"email": "a"}, merge=merge, fields=fields) == [Effect.UNCHANGED]


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("merge", [False, True])
def test_a_value_under_a_former_key_is_known_and_stays_until_it_changes(
    conn: Connection, tenant: Tenant, *, merge: bool, repeated: bool
) -> None:
    both = f"{_NEW},{_OLD}"
    put(conn, tenant, {"email": "a", "phone": "1", "n": 1})
    sent = [{"email": "a", "phone": "1", "n": 1}] * (2 if repeated else 1)
    assert put(conn, tenant, *sent, merge=merge, keys=both) == [Effect.UNCHANGED] * len(sent)
    assert put(conn, tenant, {"email": "b", "phone": "1", "n": 1}, merge=merge, keys=both) == [Effect.UPDATED]
    assert hidden(conn, tenant) == {"email": "b", "phone": "1"}
    assert put(conn, tenant, {"m": 1}, merge=True, keys=both) == [Effect.UPDATED]
    assert put(conn, tenant, {"email": "b"}, merge=True, keys=both) == [Effect.UNCHANGED]


def test_a_deletion_erases_personal_data(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, {"email": "a"})
    assert erasure.delete(conn, tenant.id, "p1")
    assert conn.execute("SELECT properties, pii, pii_digests FROM entities").fetchall() == [({}, None, None)]
    assert put(conn, tenant, {"phone": "1"}, merge=True) == [Effect.CREATED]
    assert hidden(conn, tenant) == {"phone": "1"}


def test_merges_let_personal_data_grow_no_larger_than_other_data(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, {"email": "x" * 3_000})
    with pytest.raises(TooLarge), conn.transaction():
        put(conn, tenant, {"phone": "x" * 3_000}, merge=True, most_bytes=5_700)
    # In base64, these are over 6,000 bytes.
    assert put(conn, tenant, {"phone": "x" * 2_000}, merge=True, most_bytes=5_700) == [Effect.UPDATED]
