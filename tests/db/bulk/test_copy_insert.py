"""New rows are stored by COPY, or by the upsert where another writer was first; the result is the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import msgspec
import pytest

from ingest.db.bulk import binary
from ingest.db.bulk.binary import BigintArray, IntegerArray, JsonbArray, TextArray
from ingest.db.bulk.copy_rows import copy_rows, target
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import entities, entity_lookup, erasure, states
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.items.entities import SCOPE, Entity
from ingest.items.states import State
from ingest.jobs import Effect
from tests.support.factories import make_tenant

_NAMES = [f"p{number:02}" for number in range(30)]


def people(names: list[str], data: bytes = b'{"a": 1.50}') -> list[Entity]:
    return [Entity(name, "player", msgspec.Raw(data)) for name in names]


def balances(
    conn: Connection, tenant: Tenant, ids: dict[str, int], names: list[str], value: bytes = b"1"
) -> list[Effect]:
    sent = [State(name, "balance", msgspec.Raw(value)) for name in names]
    return states.upsert(conn, tenant.id, sent, [ids[name] for name in names])


def known(conn: Connection, tenant: Tenant, names: list[str]) -> dict[str, int]:
    entities.upsert(conn, tenant.id, people(names), merge=False)
    return entity_lookup.resolve(conn, tenant.id, {SCOPE: names})[SCOPE]


def stored(conn: Connection) -> list[Any]:
    return conn.execute(
        "SELECT scope, external_id, type, properties::text, revision, deleted_at, created_at = updated_at FROM entities"
        " ORDER BY external_id"
    ).fetchall()


@pytest.mark.parametrize("merge", [False, True])
def test_rows_that_arrive_together_are_as_if_they_had_come_singly(
    conn: Connection, tenant: Tenant, *, merge: bool
) -> None:
    assert entities.upsert(conn, tenant.id, people(_NAMES[::-1]), merge=merge) == [Effect.CREATED] * len(_NAMES)
    together = stored(conn)
    conn.execute("DELETE FROM entities")
    for person in people(_NAMES):
        assert entities.upsert(conn, tenant.id, [person], merge=merge) == [Effect.CREATED]
    assert stored(conn) == together


def test_one_known_key_among_the_new_ones_is_updated(conn: Connection, tenant: Tenant) -> None:
    ids = known(conn, tenant, ["p07"])
    expected = [Effect.UPDATED if name == "p07" else Effect.CREATED for name in _NAMES]
    assert entities.upsert(conn, tenant.id, people(_NAMES, b'{"b": 2}'), merge=True) == expected
    ids = known(conn, tenant, _NAMES)
    balances(conn, tenant, ids, ["p29"])
    expected = [Effect.UPDATED if name == "p29" else Effect.CREATED for name in _NAMES]
    assert balances(conn, tenant, ids, _NAMES, b"2") == expected


def test_a_deleted_entity_among_the_new_ones_comes_back(conn: Connection, tenant: Tenant) -> None:
    known(conn, tenant, ["p07"])
    assert erasure.delete(conn, tenant.id, "p07")
    assert entities.upsert(conn, tenant.id, people(_NAMES), merge=False) == [Effect.CREATED] * len(_NAMES)
    assert all(deleted_at is None for *_, deleted_at, _ in stored(conn))


def test_entities_that_another_writer_just_inserted_are_not_inserted_again(
    pool: Pool, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn, ThreadPoolExecutor(1) as thread:
        entities.upsert(conn, owner.id, people(["p07"]), merge=True)
        late = thread.submit(entities.upsert, other, owner.id, people(_NAMES, b'{"b": 2}'), merge=True)
        until_blocked(other)
        conn.commit()
        assert late.result() == [Effect.UPDATED if name == "p07" else Effect.CREATED for name in _NAMES]
        other.commit()


def test_states_that_another_writer_just_inserted_are_not_inserted_again(
    pool: Pool, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        ids = known(conn, owner, _NAMES)
    with transaction(pool) as conn, ThreadPoolExecutor(1) as thread:
        balances(conn, owner, ids, ["p07"])
        late = thread.submit(balances, other, owner, ids, _NAMES)
        until_blocked(other)
        conn.commit()
        assert late.result() == [Effect.UNCHANGED if name == "p07" else Effect.CREATED for name in _NAMES]
        other.commit()


def test_a_refused_row_among_new_ones_is_refused_alone(conn: Connection, tenant: Tenant) -> None:
    items = people(_NAMES)
    items[13] = Entity("p13", "player", msgspec.Raw(b'{"n": 1e400000}'))
    written = write(conn, KINDS["entities"], Target(tenant.id, merge=False), items)
    assert list(written.refusals) == [13]
    assert [place for place, effect in enumerate(written.effects) if effect is not Effect.CREATED] == [13]
    assert [external_id for _, external_id, *_ in stored(conn)] == [name for name in _NAMES if name != "p13"]


def test_plans_that_were_made_while_tables_were_empty_read_no_whole_table_later(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    observer.execute("VACUUM ANALYZE entities, states")
    for number in range(8):  # psycopg prepares a statement at its sixth time
        ids = known(other, owner, [f"early{number}", f"early{number}b"])
        balances(other, owner, ids, list(ids))
        other.commit()
    many = [f"many{number}" for number in range(3_000)]
    with transaction(pool) as conn:
        balances(conn, owner, known(conn, owner, many), many)
    read = "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('entities', 'states')"
    fetched = "SELECT sum(idx_tup_fetch) FROM pg_stat_user_tables WHERE relname IN ('entities', 'states')"
    before = _flushed(other, read)
    balances(other, owner, known(other, owner, many), many, b"2")
    other.commit()
    assert _flushed(other, read) == before
    before_it = _flushed(other, fetched)
    balances(other, owner, known(other, owner, many[:2]), many[:2], b"3")
    other.commit()
    assert _flushed(other, fetched) - before_it < len(many)


def test_who_loads_is_not_looked_up_until_one_of_the_keys_is_known(
    pool: Pool, owner: Tenant, observer: Connection
) -> None:
    looks = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'entities_external_id_key'"

    def looked(names: list[str], expected: list[Effect], *, of: int = owner.id) -> bool:
        before = _flushed(observer, looks)
        with transaction(pool) as conn:
            assert entities.upsert(conn, of, people(names), merge=False) == expected
            conn.execute("SELECT pg_stat_force_next_flush()")
        return _flushed(observer, looks) > before

    batches = [[f"{batch}-{number}" for number in range(2_000)] for batch in range(8)]
    created = [Effect.CREATED] * 2_000
    assert [looked(batch, created) for batch in batches[:6]] == [True] * 5 + [False]
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn)
    assert looked(batches[0], created, of=stranger.id)
    again = [*batches[0][:1], *batches[6][1:]]
    assert looked(again, [Effect.UNCHANGED, *created[1:]])
    assert looked(batches[7], created)
    assert len(stored(observer)) == 8 * 2_000 + 1_999


def test_of_states_that_are_loaded_one_that_is_known_is_updated(conn: Connection, tenant: Tenant) -> None:
    names = [f"p{number:05}" for number in range(12_001)]
    ids = known(conn, tenant, names)
    assert balances(conn, tenant, ids, names[:12_000]) == [Effect.CREATED] * 12_000
    expected = [Effect.UPDATED, Effect.CREATED]
    assert balances(conn, tenant, ids, [names[0], names[-1]], b"2") == expected


def test_a_column_that_is_too_short_stores_nothing(conn: Connection, tenant: Tenant) -> None:
    ids = known(conn, tenant, _NAMES)
    fields = [
        binary.same_integer(tenant.id),
        binary.bigints(ids.values()),
        binary.names(["balance"] * 30),
        binary.documents([msgspec.Raw(b"1")] * 29),
    ]
    wanted = target("states", tenant_id=IntegerArray, entity_id=BigintArray, key=TextArray, value=JsonbArray)
    with pytest.raises(RuntimeError, match="29 rows"), conn.transaction(), copy_rows(conn, wanted, 30, fields):
        pass
    assert conn.execute("SELECT count(*) FROM states").fetchall() == [(0,)]


def _flushed(conn: Connection, query: LiteralString) -> int:
    conn.execute("SELECT pg_stat_force_next_flush()")
    conn.commit()
    [(found,)] = conn.execute(query).fetchall()
    conn.commit()
    return int(found)  # type: ignore[call-overload,no-any-return] # a sum
