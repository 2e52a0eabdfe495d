"""Entities in Postgres: one statement upserts a block of them."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from ingest import rawjson
from ingest.db import documents  # noqa: F401 # lets `data` travel as jsonb
from ingest.db.pool import Connection
from ingest.entities import Entity
from ingest.ids import uuid7
from ingest.jobs import Effect

# On the operator face an external id is unique across types.
SCOPE = ""

# What tells a tenant's entities apart: scope and external id.
Key = tuple[str, str]

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
RETURNING e.scope, e.external_id, e.public_id, e.revision = 0 AS created
"""
_REPLACE = _UPSERT.format(new="excluded.properties")
_MERGE = _UPSERT.format(new="e.properties || excluded.properties")
# Top level only: a null inside of a value is data. Taken only where a block has nulls, since it costs 29 %.
_MERGE_REMOVING = _UPSERT.format(
    new="(e.properties || excluded.properties)"
    " - ARRAY(SELECT key FROM jsonb_each(excluded.properties) WHERE value = 'null')"
)
# A merge that created its entity had nothing to remove the nulls from.
_WITHOUT_NULLS = """
UPDATE entities SET properties = properties - ARRAY(SELECT key FROM jsonb_each(properties) WHERE value = 'null')
WHERE tenant_id = %(tenant_id)s
  AND (scope, external_id) IN (SELECT * FROM unnest(%(scopes)b::text[], %(external_ids)b::text[]))
"""


def upsert(
    conn: Connection, tenant_id: int, entities: Sequence[Entity], *, merge: bool
) -> list[tuple[Effect, UUID | None]]:
    """Write entities, each scope and external id at most once.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in any order; they are locked in the order of their keys, so that two writers cannot deadlock.
        merge: merge top-level fields and remove those that are null, instead of replacing all of `data`.

    Returns:
        What became of each, in the order given, and its public id; None for the id where it is UNCHANGED.
    """
    rows = sorted(entities, key=_key)
    with_nulls = {_key(entity) for entity in entities if entity.nulls} if merge else set[Key]()
    values = {
        "tenant_id": tenant_id,
        "public_ids": [uuid7() for _ in rows],
        "scopes": [row.scope for row in rows],
        "external_ids": [row.external_id for row in rows],
        "types": [row.type for row in rows],
        "properties": [row.data for row in rows],
    }
    statement = (_MERGE_REMOVING if with_nulls else _MERGE) if merge else _REPLACE
    written: dict[Key, tuple[Effect, UUID]] = {}
    for scope, external_id, public_id, created in conn.execute(statement, values):
        effect = Effect.CREATED if created else Effect.UPDATED
        written[str(scope), str(external_id)] = (effect, public_id)  # type: ignore[assignment] # a uuid column
    if born := [key for key in with_nulls if key in written and written[key][0] is Effect.CREATED]:
        conn.execute(_WITHOUT_NULLS, {"tenant_id": tenant_id, **_columns(born)})
    return [written.get(_key(entity), (Effect.UNCHANGED, None)) for entity in entities]


_RESOLVE = """
SELECT e.scope, e.external_id, e.{column}
FROM unnest(%(scopes)b::text[], %(external_ids)b::text[]) AS k (scope, external_id)
JOIN entities e ON e.tenant_id = %(tenant_id)s AND e.scope = k.scope AND e.external_id = k.external_id
WHERE e.deleted_at IS NULL
"""
_RESOLVE_IDS = _RESOLVE.format(column="id")
_RESOLVE_PUBLIC_IDS = _RESOLVE.format(column="public_id")


def resolve(conn: Connection, tenant_id: int, keys: AbstractSet[Key]) -> dict[Key, int]:
    """The internal ids of those of a tenant's entities that exist."""
    rows = conn.execute(_RESOLVE_IDS, {"tenant_id": tenant_id, **_columns(keys)})
    return {(scope, external_id): number for scope, external_id, number in rows}  # type: ignore[misc] # text, text, bigint


def public_ids(conn: Connection, tenant_id: int, keys: AbstractSet[Key]) -> dict[Key, UUID]:
    """The public ids of those of a tenant's entities that exist."""
    rows = conn.execute(_RESOLVE_PUBLIC_IDS, {"tenant_id": tenant_id, **_columns(keys)})
    return {(scope, external_id): uuid for scope, external_id, uuid in rows}  # type: ignore[misc] # text, text, uuid


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


def _key(entity: Entity) -> Key:
    return entity.scope, entity.external_id


def _columns(keys: Iterable[Key]) -> dict[str, list[str]]:
    pairs = list(keys)
    return {"scopes": [scope for scope, _ in pairs], "external_ids": [external_id for _, external_id in pairs]}


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
