"""States in Postgres: the present value of each key of an entity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from psycopg.rows import class_row

from ingest.db import binary
from ingest.db.arrivals import arrived
from ingest.db.binary import Array, BigintArray, Field, JsonbArray, TextArray
from ingest.db.effects import counted, effects
from ingest.db.entities import SCOPE
from ingest.db.pool import Connection
from ingest.jobs import Effect
from ingest.states import State

# A group a key: its name, and the entities whose value it is to be.
_KNOWN = f"""
SELECT EXISTS (
    SELECT FROM {binary.GROUPS} AS g (name, first, last)
    CROSS JOIN LATERAL (
        SELECT FROM states WHERE entity_id = ANY((%(members)b::bigint[])[g.first:g.last]) AND key = g.name LIMIT 1) s)
"""
_COPY = "COPY states (entity_id, key, value) FROM STDIN (FORMAT BINARY)"

# Rows that say the same already are not written, and not returned.
_UPSERT = counted("""
INSERT INTO states AS s (entity_id, key, value)
SELECT i.entity_id, i.key, i.value
FROM unnest(%(entity_ids)b::bigint[], %(keys)b::text[], %(values)b::jsonb[]) AS i (entity_id, key, value)
ON CONFLICT ON CONSTRAINT states_pkey DO UPDATE
SET value = excluded.value, revision = s.revision + 1, updated_at = now()
WHERE s.value <> excluded.value
RETURNING s.entity_id AS first, s.key AS second, s.revision = 0 AS created
""")


def upsert(conn: Connection, tenant_id: int, states: Sequence[State], entity_ids: Sequence[int]) -> list[Effect]:
    """Set states, each key of an entity at most once.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        states: in any order; they are locked in the order of their entities and keys, so that two writers cannot
            deadlock.
        entity_ids: the internal id of the entity of each.

    Returns:
        What became of each, in the order given.
    """
    keys = [state.key for state in states]
    order = sorted(sorted(range(len(states)), key=keys.__getitem__), key=entity_ids.__getitem__)

    def columns() -> tuple[Iterable[Field], ...]:
        return (
            binary.bigints(entity_ids[place] for place in order),
            binary.names([keys[place] for place in order]),
            binary.documents(states[place].value for place in order),
        )

    def sought() -> dict[str, Array]:
        return _by_key(keys, entity_ids)

    if len(states) > 1 and arrived(
        conn, tenant_id, known=_KNOWN, keys=sought, copy=_COPY, count=len(states), columns=columns
    ):
        return [Effect.CREATED] * len(states)
    kinds: dict[str, type[Array]] = {"entity_ids": BigintArray, "keys": TextArray, "values": JsonbArray}
    values = {name: binary.array(kind, column) for (name, kind), column in zip(kinds.items(), columns(), strict=True)}
    return effects(conn, _UPSERT, values, zip(entity_ids, keys, strict=True))


def _by_key(keys: Sequence[str], entity_ids: Sequence[int]) -> dict[str, Array]:
    """Parameters that say which key of which entities is looked for."""
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
FROM entities e JOIN states s ON s.entity_id = e.id
WHERE e.tenant_id = %(tenant_id)s AND e.scope = %(scope)s AND e.external_id = %(external_id)s
  AND e.deleted_at IS NULL AND (%(key)s::text IS NULL OR s.key = %(key)s)
ORDER BY s.key
"""


def of_entity(conn: Connection, tenant_id: int, external_id: str, *, key: str | None = None) -> list[StateRow]:
    """An entity's states in the order of their keys, or that of one key; none where the entity does not exist."""
    values = {"tenant_id": tenant_id, "scope": SCOPE, "external_id": external_id, "key": key}
    with conn.cursor(row_factory=class_row(StateRow)) as cursor:
        return cursor.execute(_OF_ENTITY, values).fetchall()
