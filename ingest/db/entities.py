"""Entities in Postgres: one statement upserts a block of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db import documents  # noqa: F401 # lets `data` travel as jsonb
from ingest.db.pool import Connection
from ingest.entities import Entity
from ingest.ids import uuid7
from ingest.jobs import Effect

# On the operator face an external id is unique across types.
SCOPE = ""

# Rows that say the same already are not written, and not returned. A deleted one comes back as if new.
_UPSERT = """
INSERT INTO entities AS e (public_id, tenant_id, scope, external_id, type, properties)
SELECT i.public_id, %(tenant_id)s, %(scope)s, i.external_id, i.type, i.properties
FROM unnest(%(public_ids)b::uuid[], %(external_ids)b::text[], %(types)b::text[], %(properties)b::jsonb[])
     AS i (public_id, external_id, type, properties)
ON CONFLICT ON CONSTRAINT entities_external_id_key DO UPDATE
SET type = excluded.type, properties = {new}, updated_at = now(), deleted_at = NULL,
    revision = CASE WHEN e.deleted_at IS NULL THEN e.revision + 1 ELSE 0 END,
    created_at = CASE WHEN e.deleted_at IS NULL THEN e.created_at ELSE now() END
WHERE e.deleted_at IS NOT NULL OR e.type <> excluded.type OR e.properties <> {new}
RETURNING e.external_id, e.public_id, e.revision = 0 AS created
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
WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = ANY(%(external_ids)b::text[])
"""


def upsert(
    conn: Connection, tenant_id: int, entities: Sequence[Entity], *, merge: bool
) -> list[tuple[Effect, UUID | None]]:
    """Write entities, each external id at most once.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in any order; they are locked in the order of their ids, so that two writers cannot deadlock.
        merge: merge top-level fields and remove those that are null, instead of replacing all of `data`.

    Returns:
        What became of each, in the order given, and its public id; None for the id where it is UNCHANGED.
    """
    rows = sorted(entities, key=lambda entity: entity.external_id)
    with_nulls = {entity.external_id for entity in entities if entity.nulls} if merge else set[str]()
    values = {
        "tenant_id": tenant_id,
        "scope": SCOPE,
        "public_ids": [uuid7() for _ in rows],
        "external_ids": [row.external_id for row in rows],
        "types": [row.type for row in rows],
        "properties": [row.data for row in rows],
    }
    statement = (_MERGE_REMOVING if with_nulls else _MERGE) if merge else _REPLACE
    written: dict[str, tuple[Effect, UUID]] = {}
    for external_id, public_id, created in conn.execute(statement, values):
        effect = Effect.CREATED if created else Effect.UPDATED
        written[str(external_id)] = (effect, public_id)  # type: ignore[assignment] # a uuid column
    born = [name for name in with_nulls if name in written and written[name][0] is Effect.CREATED]
    if born:
        conn.execute(_WITHOUT_NULLS, {"tenant_id": tenant_id, "scope": SCOPE, "external_ids": born})
    return [written.get(entity.external_id, (Effect.UNCHANGED, None)) for entity in entities]


_RESOLVE = """
SELECT external_id, id FROM entities
WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = ANY(%(external_ids)b::text[])
  AND deleted_at IS NULL
"""


def resolve(conn: Connection, tenant_id: int, external_ids: set[str]) -> dict[str, int]:
    """The internal ids of those of a tenant's entities that exist."""
    values = {"tenant_id": tenant_id, "scope": SCOPE, "external_ids": list(external_ids)}
    return dict(conn.execute(_RESOLVE, values).fetchall())  # type: ignore[arg-type] # (text, bigint)


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


def read(conn: Connection, tenant_id: int, external_id: str) -> EntityRow | None:
    """One entity; None where there is none, or it was deleted."""
    values = {"tenant_id": tenant_id, "scope": SCOPE, "external_id": external_id}
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
