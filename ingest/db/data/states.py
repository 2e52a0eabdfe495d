"""States in Postgres: the present value of each key of an entity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from psycopg.rows import class_row

from ingest.db.bulk import binary
from ingest.db.bulk.binary import Array, BigintArray, Field, IntegerArray, JsonbArray, TextArray
from ingest.db.bulk.copy_insert import copy_if_all_new
from ingest.db.bulk.copy_rows import target
from ingest.db.bulk.repeats import changing, in_turn
from ingest.db.bulk.upsert import differs, run_upsert, with_counts
from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE
from ingest.items.states import State
from ingest.jobs import Effect

# A group a key: its name, and the entities whose value it is to be.
_KNOWN = f"""
SELECT EXISTS (
    SELECT FROM {binary.GROUPS} AS g (name, first, last)
    CROSS JOIN LATERAL (
        SELECT FROM states
        WHERE tenant_id = %(tenant_id)s AND entity_id = ANY((%(members)b::bigint[])[g.first:g.last]) AND key = g.name
        LIMIT 1) s)
"""
_STORED = target("states", tenant_id=IntegerArray, entity_id=BigintArray, key=TextArray, value=JsonbArray)

# Rows that say the same already are not written, and not returned.
_UPSERT = with_counts(f"""
INSERT INTO states AS s (tenant_id, entity_id, key, value)
SELECT %(tenant_id)s, i.entity_id, i.key, i.value
FROM unnest(%(entity_ids)b::bigint[], %(keys)b::text[], %(values)b::jsonb[]) AS i (entity_id, key, value)
ON CONFLICT ON CONSTRAINT states_pkey DO UPDATE
SET value = excluded.value, revision = s.revision + 1, updated_at = now()
WHERE {differs("s.value", "excluded.value")}
RETURNING s.entity_id AS first, s.key AS second, s.revision = 0 AS created
""")


def upsert(conn: Connection, tenant_id: int, states: Sequence[State], entity_ids: Sequence[int]) -> list[Effect]:
    """Set states as if they had come one after the other.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        states: in the order sent; they are locked in the order of their entities and keys, so that two writers cannot
            deadlock.
        entity_ids: the internal id of the entity of each.

    Returns:
        The effect of each, in the order given.
    """
    keys = list(zip(entity_ids, [state.key for state in states], strict=True))
    if len(set(keys)) < len(keys):
        return _upsert_in_turn(conn, tenant_id, states, keys)
    return _upsert(conn, tenant_id, states, entity_ids)


def _upsert(conn: Connection, tenant_id: int, states: Sequence[State], entity_ids: Sequence[int]) -> list[Effect]:
    """Set states of which no two share a key."""
    keys = [state.key for state in states]
    order = sorted(sorted(range(len(states)), key=keys.__getitem__), key=entity_ids.__getitem__)

    def columns() -> tuple[Iterable[Field], ...]:
        return (
            binary.bigints(entity_ids[place] for place in order),
            binary.names([keys[place] for place in order]),
            binary.documents(states[place].value for place in order),
        )

    def sought() -> dict[str, object]:
        return {"tenant_id": tenant_id, **_by_key(keys, entity_ids)}

    def copied() -> tuple[Iterable[Field], ...]:
        return binary.same_integer(tenant_id), *columns()

    if len(states) > 1 and copy_if_all_new(
        conn, tenant_id, known=_KNOWN, keys=sought, stored=_STORED, count=len(states), columns=copied
    ):
        return [Effect.CREATED] * len(states)
    values = {"tenant_id": tenant_id, **_arrays(columns())}
    return run_upsert(conn, _UPSERT, values, zip(entity_ids, keys, strict=True))


def _arrays(columns: Iterable[Iterable[Field]]) -> dict[str, Array]:
    """Parameters that hold columns of states."""
    kinds: dict[str, type[Array]] = {"entity_ids": BigintArray, "keys": TextArray, "values": JsonbArray}
    return {name: binary.array(kind, column) for (name, kind), column in zip(kinds.items(), columns, strict=True)}


# Rows that are there are locked and not written: the lock comes before the condition (PostgreSQL docs, INSERT).
_INSERT = """
INSERT INTO states AS s (tenant_id, entity_id, key, value)
SELECT %(tenant_id)s, i.entity_id, i.key, i.value
FROM unnest(%(entity_ids)b::bigint[], %(keys)b::text[], %(values)b::jsonb[]) AS i (entity_id, key, value)
ON CONFLICT ON CONSTRAINT states_pkey DO UPDATE SET revision = s.revision WHERE false
RETURNING s.entity_id, s.key
"""
_CHANGING = changing("""
SELECT i.no, i.place, NULL AS name, i.value
FROM unnest(%(nos)b::integer[], %(sent)b::jsonb[]) WITH ORDINALITY AS i (no, value, place)
UNION ALL
SELECT k.no, 0, NULL, s.value
FROM unnest(%(entity_ids)b::bigint[], %(keys)b::text[]) WITH ORDINALITY AS k (entity_id, key, no)
CROSS JOIN LATERAL (
    SELECT value FROM states WHERE tenant_id = %(tenant_id)s AND entity_id = k.entity_id AND key = k.key LIMIT 1) s
""")


def _upsert_in_turn(
    conn: Connection, tenant_id: int, states: Sequence[State], keys: Sequence[tuple[int, str]]
) -> list[Effect]:
    """Set states of which some share a key; each key is the entity's internal id and the state's key."""

    def values(places: Sequence[int]) -> dict[str, object]:
        columns = (
            binary.bigints(keys[place][0] for place in places),
            binary.texts(keys[place][1] for place in places),
            binary.documents(states[place].value for place in places),
        )
        return {"tenant_id": tenant_id, **_arrays(columns)}

    def insert(places: Sequence[int]) -> Iterable[tuple[int, str]]:
        found: Any = conn.execute(_INSERT, values(sorted(places, key=keys.__getitem__)), binary=True)
        return list(found)

    def changing(groups: Sequence[Sequence[int]]) -> Iterable[int]:
        if not groups:
            return []
        places = [place for group in groups for place in group]
        sent = {
            "nos": binary.array(IntegerArray, binary.integers(no for no, group in enumerate(groups, 1) for _ in group)),
            "sent": binary.array(JsonbArray, binary.documents(states[place].value for place in places)),
        }
        found: Any = conn.execute(_CHANGING, {**values([group[0] for group in groups]), **sent}, binary=True)
        return [places[place - 1] for (place,) in found]

    def write(groups: Sequence[Sequence[int]]) -> list[Effect]:
        last = [group[-1] for group in groups]
        return _upsert(conn, tenant_id, [states[place] for place in last], [keys[place][0] for place in last])

    return in_turn(keys, insert=insert, changing=changing, write=write)


def _by_key(keys: Sequence[str], entity_ids: Sequence[int]) -> dict[str, Array]:
    """Return the parameters that say which key of which entities is looked for."""
    groups: dict[str, list[int]] = {}
    for key, entity_id in zip(keys, entity_ids, strict=True):
        groups.setdefault(key, []).append(entity_id)
    sizes = {key: len(members) for key, members in groups.items()}
    return binary.grouped(BigintArray, sizes, binary.bigints(chain.from_iterable(groups.values())))


@dataclass(frozen=True, slots=True)
class StateRow:
    """A state as it is read back; `value` is its JSON text, numbers as they were sent."""

    key: str
    value: str
    updated_at: datetime


_OF_ENTITY = """
SELECT s.key, s.value::text, s.updated_at
FROM entities e JOIN states s ON s.entity_id = ANY (ARRAY[e.id]) AND s.tenant_id = e.tenant_id
WHERE e.tenant_id = %(tenant_id)s AND e.scope = %(scope)s AND e.external_id = %(external_id)s
  AND e.deleted_at IS NULL AND (%(key)s::text IS NULL OR s.key = %(key)s)
ORDER BY s.key
"""


def of_entity(conn: Connection, tenant_id: int, external_id: str, *, key: str | None = None) -> list[StateRow]:
    """Return an entity's states in the order of their keys, or that of one key; none if there is no such entity."""
    values = {"tenant_id": tenant_id, "scope": SCOPE, "external_id": external_id, "key": key}
    with conn.cursor(row_factory=class_row(StateRow)) as cursor:
        # Planned anew: a plan that was kept since there were no entities may go through all of them.
        return cursor.execute(_OF_ENTITY, values, prepare=False).fetchall()
