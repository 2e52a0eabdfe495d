"""A block ends as if its items had come one after the other, and what the database refuses sinks nothing else."""

import dataclasses
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Barrier
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import entity_rows, erasure, states
from ingest.db.data.entity_repeats import upsert_in_turn
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS
from ingest.engine.outcomes import Outcomes
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.errors import TryAgain, WriteRefused
from ingest.items.entities import Entity
from ingest.items.events import Event
from ingest.items.states import State
from ingest.jobs import Effect
from tests.support.factories import make_tenant

# Each example is rolled back, so the transaction may be shared.
on_one_connection = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)

# More digits than a numeric has: JSON that Postgres cannot store.
_REFUSED = b'{"n": 1e200000}'


def an_entity(external_id: str, data: Any, entity_type: str = "operator") -> Entity:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Entity(external_id, entity_type, msgspec.Raw(text))


def outcomes(conn: Connection, tenant: Tenant, kind: str, items: Sequence[Any], *, merge: bool = False) -> Outcomes:
    found = write(conn, KINDS[kind], Target(tenant.id, merge), items)
    assert [place for place, effect in enumerate(found.effects) if effect is Effect.FAILED] == sorted(found.refusals)
    assert len(found.effects) == len(items)
    return found


def effects(conn: Connection, tenant: Tenant, kind: str, items: Sequence[Any], *, merge: bool = False) -> list[Effect]:
    return outcomes(conn, tenant, kind, items, merge=merge).effects


_IDS = st.sampled_from("abc")
_DATA = st.dictionaries(
    st.sampled_from("xyz"), st.none() | st.integers(0, 1) | st.fixed_dictionaries({"n": st.none() | st.just(1)})
)
_SENT = st.lists(st.tuples(_IDS, st.sampled_from(["operator", "game"]), _DATA), max_size=12)


def one_after_the_other(
    sent: list[tuple[str, str, dict[str, Any]]], *, merge: bool
) -> tuple[list[Effect], dict[str, tuple[str, Any]]]:
    """Return the results that single writes in order would have: each effect, and the stored rows in the end."""
    found: list[Effect] = []
    stored: dict[str, tuple[str, Any]] = {}
    for key, entity_type, data in sent:
        old = stored.get(key)
        new = {**(old[1] if old else {}), **data} if merge else data
        if merge:
            new = {name: value for name, value in new.items() if name not in data or value is not None}
        stored[key] = (entity_type, new)
        found.append(Effect.CREATED if old is None else Effect.UPDATED if old != stored[key] else Effect.UNCHANGED)
    return found, stored


@pytest.mark.parametrize("merge", [False, True])
@on_one_connection
@given(sent=_SENT)
def test_equal_ids_in_a_block_end_as_if_sent_one_after_the_other(
    conn: Connection,
    *,
    merge: bool,
    sent: list[tuple[str, str, dict[str, Any]]],
) -> None:
    items = [an_entity(key, data, entity_type) for key, entity_type, data in sent]
    with conn.transaction(force_rollback=True):
        tenant = make_tenant(conn)[0]
        found = effects(conn, tenant, "entities", items, merge=merge)
        rows = [(key, entity_rows.read(conn, tenant.id, key)) for key in "abc"]
        stored = {key: (row.type, json.loads(row.properties)) for key, row in rows if row is not None}
    assert (found, stored) == one_after_the_other(sent, merge=merge)


_VALUES = st.sampled_from([None, 0, 1, [None], {"a": 1}])


@on_one_connection
@given(sent=st.lists(st.tuples(_IDS, st.sampled_from(["balance", "mood"]), _VALUES), max_size=12))
def test_equal_state_keys_in_a_block_end_as_if_sent_one_after_the_other(
    conn: Connection, sent: list[tuple[str, str, Any]]
) -> None:
    expected: list[Effect] = []
    last: dict[tuple[str, str], Any] = {}
    for external_id, key, value in sent:
        place = (external_id, key)
        expected.append(
            Effect.CREATED if place not in last else Effect.UNCHANGED if last[place] == value else Effect.UPDATED
        )
        last[place] = value
    items = [State(external_id, key, msgspec.Raw(json.dumps(value).encode())) for external_id, key, value in sent]
    with conn.transaction(force_rollback=True):
        tenant = make_tenant(conn)[0]
        effects(conn, tenant, "entities", [an_entity(key, {}) for key in "abc"])
        found = effects(conn, tenant, "states", items)
        stored = {
            (external_id, row.key): json.loads(row.value)
            for external_id in "abc"
            for row in states.of_entity(conn, tenant.id, external_id)
        }
    assert (found, stored) == (expected, last)


# Numbers that are equal to jsonb, and texts that are not.
_NUMBERS = st.sampled_from(["null", "0", "0.0", "1", "1.0", "1e0", "[1.50]", "[1.5]", '{"n": 1.0, "m": null}', '"1"'])
_VERSIONS = st.lists(
    st.tuples(_IDS, st.sampled_from(["operator", "game"]), st.dictionaries(st.sampled_from(["", "x"]), _NUMBERS)),
    max_size=10,
)


@pytest.mark.parametrize("merge", [False, True])
@on_one_connection
@given(before=_VERSIONS, deleted=st.sets(_IDS), sent=_VERSIONS)
def test_a_batch_over_rows_of_every_kind_does_what_single_writes_do(
    conn: Connection,
    *,
    merge: bool,
    before: list[tuple[str, str, dict[str, str]]],
    deleted: set[str],
    sent: list[tuple[str, str, dict[str, str]]],
) -> None:
    def version(key: str, entity_type: str, members: dict[str, str]) -> Entity:
        text = ",".join(f'"{name}":{value}' for name, value in members.items())
        return an_entity(key, f"{{{text}}}".encode(), entity_type)

    def end(*, at_once: bool) -> object:
        tenant = make_tenant(conn)[0]
        for one in before:
            effects(conn, tenant, "entities", [version(*one)], merge=merge)
        for key in deleted:
            erasure.delete(conn, tenant.id, key)
        parts = [sent] if at_once else [[one] for one in sent]
        found = [effects(conn, tenant, "entities", [version(*one) for one in part], merge=merge) for part in parts]
        rows = [entity_rows.read(conn, tenant.id, key) for key in "abc"]
        return [*chain(*found)], [row and (row.type, row.properties) for row in rows]

    with conn.transaction(force_rollback=True):
        assert end(at_once=True) == end(at_once=False)


@on_one_connection
@given(before=st.lists(st.tuples(_IDS, _NUMBERS)), sent=st.lists(st.tuples(_IDS, _NUMBERS), max_size=12))
def test_a_batch_of_states_does_what_single_writes_do(
    conn: Connection, before: list[tuple[str, str]], sent: list[tuple[str, str]]
) -> None:
    def end(*, at_once: bool) -> object:
        tenant = make_tenant(conn)[0]
        effects(conn, tenant, "entities", [an_entity(key, {}) for key in "abc"])
        items = [State(key, "balance", msgspec.Raw(value.encode())) for key, value in before + sent]
        parts = [[item] for item in items[: len(before)]]
        parts += [items[len(before) :]] if at_once else [[item] for item in items[len(before) :]]
        found = [effects(conn, tenant, "states", part) for part in parts]
        return [*chain(*found)], [row.value for key in "abc" for row in states.of_entity(conn, tenant.id, key)]

    with conn.transaction(force_rollback=True):
        assert end(at_once=True) == end(at_once=False)


def test_many_writes_of_one_key_write_its_row_once(pool: Pool, owner: Tenant) -> None:
    sent = [an_entity("p", {f"field{n}": n}) for n in range(100)]
    values = [State("p", "balance", msgspec.Raw(str(n).encode())) for n in range(100)]
    with transaction(pool) as conn:
        effects(conn, owner, "entities", [an_entity("p", {})])
        effects(conn, owner, "states", values[:1])
    counted = "SELECT pg_stat_get_xact_tuples_updated(%s::text::regclass)"
    with transaction(pool) as conn:
        assert effects(conn, owner, "entities", sent, merge=True) == [Effect.UPDATED] * 100
        assert effects(conn, owner, "states", values) == [Effect.UNCHANGED, *[Effect.UPDATED] * 99]
        assert [conn.execute(counted, (table,)).fetchone() for table in ("entities", "states")] == [(1,), (1,)]


def test_a_key_sent_a_thousand_times_counts_a_thousand_times(conn: Connection, tenant: Tenant) -> None:
    found = effects(conn, tenant, "entities", [an_entity("same", {"n": n // 2}) for n in range(1_000)])
    assert found == [Effect.CREATED, Effect.UNCHANGED, *[Effect.UPDATED, Effect.UNCHANGED] * 499]


@on_one_connection
@given(count=st.integers(1, 40), data=st.data())
def test_exactly_what_the_database_refuses_is_refused(conn: Connection, count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, count - 1)))
    items = [an_entity(f"p{n % 7}", _REFUSED if n in bad else {"n": n}) for n in range(count)]
    with conn.transaction(force_rollback=True):
        found = outcomes(conn, make_tenant(conn)[0], "entities", items)
    assert set(found.refusals) == bad


def test_a_refusal_says_what_was_wrong_and_shows_no_data(conn: Connection, tenant: Tenant) -> None:
    found = outcomes(conn, tenant, "entities", [an_entity("p0", {}), an_entity("p1", _REFUSED)])
    assert found.refusals == {
        1: ("p1", "WRITE_FAILED", "The database refused this item: a number in it is too large (SQLSTATE 22003)")
    }


def test_a_refused_item_takes_no_part_in_the_layers_of_its_key(conn: Connection, tenant: Tenant) -> None:
    items = [an_entity("p", {"a": 1}), an_entity("p", _REFUSED), an_entity("p", {"a": 1})]
    assert effects(conn, tenant, "entities", items) == [Effect.CREATED, Effect.FAILED, Effect.UNCHANGED]


def test_events_and_states_are_refused_one_by_one_too(conn: Connection, tenant: Tenant) -> None:
    effects(conn, tenant, "entities", [an_entity("p", {})])
    huge, fine = msgspec.Raw(_REFUSED), msgspec.Raw(b"{}")
    sent = [Event("p" if n != 5 else "q", "session", huge if n in {2, 7} else fine) for n in range(9)]
    found = outcomes(conn, tenant, "events", sent)
    assert {n: refusal.code for n, refusal in found.refusals.items()} == {
        2: "WRITE_FAILED",
        5: "NOT_FOUND",
        7: "WRITE_FAILED",
    }
    stored = conn.execute(
        "SELECT count(*) FROM events v JOIN event_entities ON event_id = v.id WHERE v.tenant_id = %s", (tenant.id,)
    )
    assert stored.fetchone() == (6,)
    values = [State("p", f"key{n}", huge if n == 1 else fine) for n in range(4)]
    assert effects(conn, tenant, "states", values) == [Effect.CREATED, Effect.FAILED, Effect.CREATED, Effect.CREATED]


def test_nothing_to_write_is_nothing_written(conn: Connection, tenant: Tenant) -> None:
    assert all(write(conn, kind, Target(tenant.id, merge=False), []).effects == [] for kind in KINDS.values())


_SLOW = """
CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON entities FOR EACH ROW EXECUTE FUNCTION pg_temp.slow();
SET LOCAL statement_timeout = '10ms';
"""


def test_what_may_pass_later_is_not_blamed_on_an_item(conn: Connection, tenant: Tenant) -> None:
    conn.execute(_SLOW)
    with pytest.raises(TryAgain):
        write(conn, KINDS["entities"], Target(tenant.id, merge=False), [an_entity("p", {})])


def test_halves_are_written_in_the_order_in_which_rows_are_locked(conn: Connection) -> None:
    written: list[str] = []

    def refuse_more_than_one(_conn: Connection, _target: Target, items: Sequence[Any]) -> Outcomes:
        if len(items) > 1:
            raise WriteRefused("22003")
        written.append(items[0].external_id)
        return Outcomes([Effect.CREATED])

    kind = dataclasses.replace(KINDS["entities"], write=refuse_more_than_one)
    write(conn, kind, Target(1, merge=False), [an_entity(key, {}) for key in "hbfadgce"])
    assert written == list("abcdefgh")


def test_two_writers_who_both_halve_never_deadlock(pool: Pool, owner: Tenant) -> None:
    rounds, ready = 8, Barrier(2, timeout=30)

    def halve(keys: list[str], name: str) -> None:
        for number in range(rounds):
            items = [an_entity(key, _REFUSED if n == 31 else {name: number}) for n, key in enumerate(keys)]
            ready.wait()
            with transaction(pool) as conn:
                found = effects(conn, owner, "entities", items, merge=True)
                assert found.count(Effect.FAILED) == 1

    keys = [f"p{number:03}" for number in range(64)]
    with ThreadPoolExecutor(2) as threads:
        for writer in [threads.submit(halve, keys, "up"), threads.submit(halve, keys[::-1], "down")]:
            writer.result()


def test_the_rows_of_repeated_keys_stay_locked_once_they_were_compared(
    pool: Pool, observer: Connection, owner: Tenant
) -> None:
    with transaction(pool) as conn:
        effects(conn, owner, "entities", [an_entity("p", {}), an_entity("q", {})])

    def still_locked(last: Sequence[Entity]) -> list[Effect]:
        for entity in last:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                observer.execute("SELECT FROM entities WHERE external_id = %s FOR UPDATE NOWAIT", (entity.external_id,))
        return [Effect.UPDATED] * len(last)

    sent = [an_entity("p", {"n": 1}), an_entity("q", {"n": 1}), an_entity("p", {"n": 2})]
    with transaction(pool) as conn:
        upsert_in_turn(conn, owner.id, sent, merge=False, upsert=still_locked)


def test_two_writers_of_the_same_repeated_keys_never_deadlock(pool: Pool, owner: Tenant) -> None:
    rounds, ready = 8, Barrier(2, timeout=30)
    with transaction(pool) as conn:
        effects(conn, owner, "entities", [an_entity(f"old{number:03}", {}) for number in range(0, 64, 2)])

    def repeat(keys: list[str], name: str) -> None:
        for number in range(rounds):
            items = [an_entity(f"{key}{number}", {name: value}) for key in keys for value in range(3)]
            items += [an_entity(key, {name: f"{number}.{value}"}) for value in range(3) for key in keys]
            ready.wait()
            with transaction(pool) as conn:
                assert effects(conn, owner, "entities", items, merge=True).count(Effect.UPDATED) >= 2 * len(keys)

    keys = [f"old{number:03}" for number in range(64)]
    with ThreadPoolExecutor(2) as threads:
        for writer in [threads.submit(repeat, keys, "up"), threads.submit(repeat, keys[::-1], "down")]:
            writer.result()
