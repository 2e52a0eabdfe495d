"""Entities in Postgres: upserted a block at a time."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from ingest import rawjson
from ingest.db import binary
from ingest.db.arrivals import arrived
from ingest.db.binary import JsonbArray, TextArray, UuidArray
from ingest.db.pool import Connection
from ingest.entities import Entity
from ingest.ids import uuid7s
from ingest.jobs import Effect

# On the operator face an external id is unique across types.
SCOPE = ""

# What tells a tenant's entities apart: scope and external id.
Key = tuple[str, str]

# In the order of the keys, neighbours share a page of the index. LATERAL … LIMIT has each looked up by it, whatever the
# planner thinks of a table that was never analysed: a join the other way round took 8 s.
_LOOK_UP = """
FROM unnest(%(scopes)b::text[], %(external_ids)b::text[]) WITH ORDINALITY AS k (scope, external_id, no)
CROSS JOIN LATERAL (
    SELECT id, public_id, deleted_at FROM entities
    WHERE tenant_id = %(tenant_id)s AND scope = k.scope AND external_id = k.external_id LIMIT 1) e
"""
_KNOWN = f"SELECT EXISTS (SELECT {_LOOK_UP})"
_COPY = "COPY entities (public_id, tenant_id, scope, external_id, type, properties) FROM STDIN (FORMAT BINARY)"

# Rows that say the same already are not written, and not returned. A deleted one comes back as if new.
_UPSERT = """
INSERT INTO entities AS e (public_id, tenant_id, scope, external_id, type, properties)
SELECT i.public_id, %(tenant_id)s, i.scope, i.external_id, i.type, i.properties
FROM unnest(%(public_ids)b::uuid[], %(scopes)b::text[], %(external_ids)b::text[], %(types)b::text[],
            %(properties)b::jsonb[]) AS i (public_id, scope, external_id, type, properties)
ON CONFLICT ON CONSTRAINT entities_external_id_key DO UPDATE
SET type = excluded.type, properties = {new}, updated_at = now(), deleted_at = NULL,
    revision = CASE WHEN e.deleted_at IS NULL THEN e.revision + 1 ELSE 0 END,
    created_at = CASE WHEN e.deleted_at IS NULL THEN e.created_at ELSE now() END
WHERE e.deleted_at IS NOT NULL OR e.type <> excluded.type OR e.properties <> {new}
RETURNING e.scope, e.external_id, e.revision = 0 AS created
"""
_REPLACE = _UPSERT.format(new="excluded.properties")
_MERGE = _UPSERT.format(new="(e.properties || excluded.properties)")
# Top level only: a null inside of a value is data. Taken only where a block has nulls, since it costs 29 %.
_MERGE_REMOVING = _UPSERT.format(
    new="((e.properties || excluded.properties)"
    " - ARRAY(SELECT key FROM jsonb_each(excluded.properties) WHERE value = 'null'))"
)
# A merge that created its entity had nothing to remove the nulls from.
_WITHOUT_NULLS = """
UPDATE entities SET properties = properties - ARRAY(SELECT key FROM jsonb_each(properties) WHERE value = 'null')
WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s
"""


def upsert(conn: Connection, tenant_id: int, entities: Sequence[Entity], *, merge: bool) -> list[Effect]:
    """Write entities, each scope and external id at most once.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in any order; they are locked in the order of their keys, so that two writers cannot deadlock.
        merge: merge top-level fields and remove those that are null, instead of replacing all of `data`.

    Returns:
        What became of each, in the order given.
    """
    rows = sorted(entities, key=_key)
    public_ids = binary.uuids(uuid7s(len(rows)))
    scopes = binary.texts(row.scope for row in rows)
    external_ids = binary.texts(row.external_id for row in rows)
    types = binary.texts(row.type for row in rows)
    properties = binary.documents(row.data for row in rows)
    with_nulls = [_key(row) for row in rows if row.nulls] if merge else []
    keys = {
        "tenant_id": tenant_id,
        "scopes": binary.array(TextArray, scopes),
        "external_ids": binary.array(TextArray, external_ids),
    }

    def new() -> bytes:
        tenant = binary.same_integer(tenant_id)
        return binary.rows(public_ids, tenant, scopes, external_ids, types, properties)

    if len(rows) > 1 and not with_nulls and arrived(conn, known=_KNOWN, keys=keys, copy=_COPY, rows=new):
        return [Effect.CREATED] * len(rows)
    values = {
        "public_ids": binary.array(UuidArray, public_ids),
        "types": binary.array(TextArray, types),
        "properties": binary.array(JsonbArray, properties),
    }
    statement = (_MERGE_REMOVING if with_nulls else _MERGE) if merge else _REPLACE
    written = {
        (scope, external_id): Effect.CREATED if created else Effect.UPDATED
        for scope, external_id, created in conn.execute(statement, {**keys, **values}).fetchall()
    }
    for scope, external_id in with_nulls:
        if written.get((scope, external_id)) is Effect.CREATED:
            conn.execute(_WITHOUT_NULLS, {"tenant_id": tenant_id, "scope": scope, "external_id": external_id})
    return [written.get(_key(entity), Effect.UNCHANGED) for entity in entities]


_RESOLVE_IDS = f"SELECT k.no, e.id {_LOOK_UP} WHERE e.deleted_at IS NULL"
_RESOLVE_PUBLIC_IDS = f"SELECT k.no, e.public_id {_LOOK_UP} WHERE e.deleted_at IS NULL"


def resolve(conn: Connection, tenant_id: int, keys: AbstractSet[Key]) -> dict[Key, int]:
    """The internal ids of those of a tenant's entities that exist."""
    return _resolve(conn, _RESOLVE_IDS, tenant_id, keys)


def public_ids(conn: Connection, tenant_id: int, keys: AbstractSet[Key]) -> dict[Key, UUID]:
    """The public ids of those of a tenant's entities that exist."""
    return _resolve(conn, _RESOLVE_PUBLIC_IDS, tenant_id, keys)


def _resolve(conn: Connection, query: LiteralString, tenant_id: int, keys: AbstractSet[Key]) -> dict[Key, Any]:
    order = sorted(keys)
    values = {
        "tenant_id": tenant_id,
        "scopes": binary.array(TextArray, binary.texts(scope for scope, _ in order)),
        "external_ids": binary.array(TextArray, binary.texts(external_id for _, external_id in order)),
    }
    return {order[ordinal - 1]: value for ordinal, value in conn.execute(query, values).fetchall()}  # type: ignore[operator] # bigint


def ensure(conn: Connection, tenant_id: int, entities: Sequence[Entity]) -> dict[Key, int]:
    """The internal ids of entities, created where they do not exist, and their data merged into them where they do.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in the order in which to merge; the same one may come several times.
    """
    folded: dict[Key, Entity] = {}
    for entity in entities:
        before = folded.get(_key(entity))
        folded[_key(entity)] = (
            entity if before is None else msgspec.structs.replace(entity, data=_overlaid(before.data, entity.data))
        )
    known = resolve(conn, tenant_id, folded.keys())
    changing = [entity for key, entity in folded.items() if key not in known or bytes(entity.data) != b"{}"]
    if changing:
        upsert(conn, tenant_id, changing, merge=True)
    return known if len(known) == len(folded) else resolve(conn, tenant_id, folded.keys())


def _overlaid(lower: msgspec.Raw, upper: msgspec.Raw) -> msgspec.Raw:
    """One merge that does what two would in turn: nulls stay, since each still removes its field."""
    return msgspec.Raw(msgspec.json.encode({**rawjson.split_object(lower), **rawjson.split_object(upper)}))


_key = attrgetter("scope", "external_id")


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity as it is read back; `properties` is its JSON text, numbers as they were sent."""

    id: int
    public_id: UUID
    external_id: str
    type: str
    properties: str
    created_at: datetime
    updated_at: datetime


_READ = """
SELECT id, public_id, external_id, type, properties::text, created_at, updated_at FROM entities
WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s AND deleted_at IS NULL
"""


def read(conn: Connection, tenant_id: int, external_id: str, *, scope: str = SCOPE) -> EntityRow | None:
    """One entity; None where there is none, or it was deleted."""
    values = {"tenant_id": tenant_id, "scope": scope, "external_id": external_id}
    with conn.cursor(row_factory=class_row(EntityRow)) as cursor:
        return cursor.execute(_READ, values).fetchone()


# All properties go, whichever of them a template calls PII today, and the states too: only events outlive an entity.
_DELETE = """
WITH gone AS (
    UPDATE entities SET deleted_at = now(), properties = '{}'
    WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s AND deleted_at IS NULL
    RETURNING id
), without_states AS (
    DELETE FROM states WHERE entity_id = (SELECT id FROM gone)
)
SELECT id FROM gone
"""


def delete(conn: Connection, tenant_id: int, external_id: str) -> bool:
    """Delete an entity softly: its properties and states are erased, its events kept.

    Returns:
        Whether it was there.
    """
    values = {"tenant_id": tenant_id, "scope": SCOPE, "external_id": external_id}
    return conn.execute(_DELETE, values).rowcount == 1
