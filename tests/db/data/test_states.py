import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import msgspec
import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import entities, entity_lookup, erasure, states
from ingest.db.tenants.tenants import Tenant
from ingest.items.entities import SCOPE, Entity
from ingest.items.states import State
from ingest.jobs import Effect
from tests.support.factories import make_tenant


def known(conn: Connection, tenant: Tenant, *external_ids: str) -> dict[str, int]:
    items = [Entity(external_id, "operator", msgspec.Raw(b"{}")) for external_id in external_ids]
    entities.upsert(conn, tenant.id, items, merge=False)
    return entity_lookup.resolve(conn, tenant.id, {SCOPE: external_ids})[SCOPE]


def put(conn: Connection, tenant: Tenant, *sent: tuple[str, str, bytes]) -> list[Effect]:
    ids = known(conn, tenant, *{external_id for external_id, _, _ in sent})
    items = [State(external_id, key, msgspec.Raw(value)) for external_id, key, value in sent]
    return states.upsert(conn, tenant.id, items, [ids[external_id] for external_id, _, _ in sent])


def stored(conn: Connection, tenant: Tenant, external_id: str = "p1", **options: Any) -> dict[str, Any]:
    return {row.key: json.loads(row.value) for row in states.of_entity(conn, tenant.id, external_id, **options)}


def test_a_state_is_created_then_unchanged_then_updated(conn: Connection, tenant: Tenant) -> None:
    assert put(conn, tenant, ("p1", "balance", b"1")) == [Effect.CREATED]
    assert put(conn, tenant, ("p1", "balance", b" 1e0")) == [Effect.UNCHANGED]
    assert put(conn, tenant, ("p1", "balance", b"2")) == [Effect.UPDATED]
    assert put(conn, tenant, ("p1", "balance", b"1")) == [Effect.UPDATED]
    assert stored(conn, tenant) == {"balance": 1}


@pytest.mark.parametrize(
    "value", [b"null", b"0", b"false", b'""', b"[]", b"{}", b'{"a": {"b": null}}', b'"\\ud83d\\ude00"']
)
def test_any_value_is_stored_null_included(conn: Connection, tenant: Tenant, value: bytes) -> None:
    assert put(conn, tenant, ("p1", "balance", b'"before"')) == [Effect.CREATED]
    assert put(conn, tenant, ("p1", "balance", value)) == [Effect.UPDATED]
    assert put(conn, tenant, ("p1", "balance", value)) == [Effect.UNCHANGED]
    assert stored(conn, tenant) == {"balance": json.loads(value)}


@pytest.mark.parametrize("number", ["145.50", "9" * 40, "0.1", "0.10000000000000000000000000000000000000000000001"])
def test_a_number_reads_back_digit_by_digit(conn: Connection, tenant: Tenant, number: str) -> None:
    put(conn, tenant, ("p1", "balance", number.encode()))
    [row] = states.of_entity(conn, tenant.id, "p1")
    assert row.value == number


def test_what_is_unchanged_is_not_written(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, ("p1", "balance", b"1"))
    conn.execute("UPDATE states SET updated_at = updated_at - interval '1 day'")
    [before] = states.of_entity(conn, tenant.id, "p1")
    put(conn, tenant, ("p1", "balance", b"1"))
    assert states.of_entity(conn, tenant.id, "p1") == [before]
    put(conn, tenant, ("p1", "balance", b"2"))
    [after] = states.of_entity(conn, tenant.id, "p1")
    assert after.updated_at > before.updated_at


def test_effects_are_in_the_order_given(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, ("p2", "balance", b"1"), ("p1", "kyc_status", b"1"))
    sent = [("p2", "balance", b"1"), ("p1", "balance", b"1"), ("p1", "kyc_status", b"2"), ("p2", "kyc_status", b"1")]
    assert put(conn, tenant, *sent) == [Effect.UNCHANGED, Effect.CREATED, Effect.UPDATED, Effect.CREATED]


def test_states_are_read_in_the_order_of_their_keys_or_one_by_one(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, ("p1", "b", b"2"), ("p1", "a", b"1"), ("p1", "B", b"3"), ("p2", "a", b"9"))
    assert list(stored(conn, tenant).items()) == [("B", 3), ("a", 1), ("b", 2)]
    assert stored(conn, tenant, key="b") == {"b": 2}
    assert stored(conn, tenant, key="c") == {}
    assert stored(conn, tenant, "p3") == {}


def test_the_states_of_a_deleted_entity_are_gone_for_good_and_no_others(conn: Connection, tenant: Tenant) -> None:
    put(conn, tenant, ("p1", "balance", b"1"), ("p1", "kyc_status", b"1"), ("p2", "balance", b"2"))
    erasure.delete(conn, tenant.id, "p1")
    assert (stored(conn, tenant), stored(conn, tenant, "p2")) == ({}, {"balance": 2})
    known(conn, tenant, "p1")
    assert stored(conn, tenant) == {}
    assert put(conn, tenant, ("p1", "balance", b"1")) == [Effect.CREATED]


def test_no_tenant_sees_anothers_states(conn: Connection, tenant: Tenant) -> None:
    other, _ = make_tenant(conn)
    put(conn, tenant, ("p1", "balance", b"1"))
    put(conn, other, ("p1", "balance", b"2"))
    assert (stored(conn, tenant), stored(conn, other)) == ({"balance": 1}, {"balance": 2})


def test_two_writers_of_the_same_keys_in_opposite_orders_never_deadlock(pool: Pool, owner: Tenant) -> None:
    rounds, ready = 15, Barrier(2, timeout=30)
    names = [f"p{number:03}" for number in range(250)]
    with transaction(pool) as conn:
        ids = known(conn, owner, *names)
    keys = [(name, key) for name in names for key in ("balance", "kyc_status")]

    def write(order: list[tuple[str, str]], sign: int) -> None:
        for number in range(1, rounds + 1):
            value = msgspec.Raw(str(sign * number).encode())
            items = [State(name, key, value) for name, key in order]
            ready.wait()
            with transaction(pool) as conn:
                assert Effect.UNCHANGED not in states.upsert(conn, owner.id, items, [ids[name] for name, _ in order])

    with ThreadPoolExecutor(2) as threads:
        for writer in [threads.submit(write, keys, 1), threads.submit(write, keys[::-1], -1)]:
            writer.result()
