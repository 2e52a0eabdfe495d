"""Entities of which a block writes some several times: see `ingest.db.bulk.repeats`."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, LiteralString

import msgspec

from ingest import json_text
from ingest.db.bulk import binary
from ingest.db.bulk.binary import IntegerArray, JsonbArray, TextArray, UuidArray
from ingest.db.bulk.repeats import changing, in_turn
from ingest.db.connection.pool import Connection
from ingest.db.data import pii
from ingest.ids import uuid7s
from ingest.items import personal
from ingest.items.entities import Entity
from ingest.jobs import Effect

_key = attrgetter("scope", "external_id")

# Rows that are there are locked and not written: the lock comes before the condition (PostgreSQL docs, INSERT).
_INSERT: LiteralString = """
INSERT INTO entities AS e (public_id, tenant_id, scope, external_id, type, properties, pii, pii_digests)
SELECT i.public_id, %(tenant_id)s, i.scope, i.external_id, i.type, {properties}, i.pii, i.pii_digests
FROM unnest(%(public_ids)b::uuid[], %(scopes)b::text[], %(external_ids)b::text[], %(types)b::text[],
            %(properties)b::jsonb[], %(pii)b::jsonb[], %(pii_digests)b::jsonb[])
     AS i (public_id, scope, external_id, type, properties, pii, pii_digests)
ON CONFLICT ON CONSTRAINT entities_external_id_key DO UPDATE SET revision = e.revision WHERE false
RETURNING e.scope, e.external_id
"""
_INSERT_WHOLE = _INSERT.format(properties="i.properties")
_INSERT_WITHOUT_NULLS = _INSERT.format(
    properties="i.properties - ARRAY(SELECT key FROM jsonb_each(i.properties) WHERE value = 'null')"
)

# Digests stand for personal data: an entity's field is a value of its own in either.
_VERSIONS: LiteralString = f"""
sent AS MATERIALIZED (
    SELECT s.no, s.type, s.properties || coalesce(s.pii_digests, '{{}}') AS properties, s.place
    FROM unnest(%(nos)b::integer[], %(types)b::text[], %(properties)b::jsonb[], %(pii_digests)b::jsonb[])
         WITH ORDINALITY AS s (no, type, properties, pii_digests, place)
), stored AS MATERIALIZED (
    SELECT k.no, e.type, e.properties || {pii.KNOWN_DIGESTS} AS properties, 0 AS place
    FROM unnest(%(scopes)b::text[], %(external_ids)b::text[]) WITH ORDINALITY AS k (scope, external_id, no)
    CROSS JOIN LATERAL (
        SELECT type, properties, pii_digests FROM entities
        WHERE tenant_id = %(tenant_id)s AND scope = k.scope AND external_id = k.external_id AND deleted_at IS NULL
        LIMIT 1) e
)"""
_TYPES: LiteralString = """
SELECT no, place, NULL AS name, to_jsonb(type) AS value FROM stored
UNION ALL SELECT no, place, NULL, to_jsonb(type) FROM sent
"""
_CHANGING_WHOLE = changing(f"""
WITH {_VERSIONS}
{_TYPES} UNION ALL SELECT no, place, '', properties FROM stored UNION ALL SELECT no, place, '', properties FROM sent
""")
# A merge says something of those members alone that it brings, and null is their absence.
_CHANGING_MEMBERS = changing(f"""
WITH {_VERSIONS}, members AS MATERIALIZED (
    SELECT s.no, s.place, m.key, nullif(m.value, 'null') AS value FROM sent s CROSS JOIN jsonb_each(s.properties) m
), named AS (SELECT no, array_agg(DISTINCT key) AS keys FROM members GROUP BY no)
{_TYPES} UNION ALL SELECT no, place, key, value FROM members UNION ALL
SELECT s.no, s.place, m.key, m.value FROM stored s JOIN named n USING (no)
CROSS JOIN LATERAL (SELECT key, value FROM jsonb_each(s.properties) WHERE key = ANY (n.keys)) m
""")


def upsert_in_turn(
    conn: Connection,
    tenant_id: int,
    entities: Sequence[Entity],
    *,
    merge: bool,
    upsert: Callable[[Sequence[Entity]], list[Effect]],
) -> list[Effect]:
    """Write entities as if they had come one after the other.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: of which some share a scope and an external id.
        merge: whether each is merged into the one before it, or replaces it.
        upsert: writes entities that share none.

    Returns:
        The effect of each, in the order given.
    """

    def insert(places: Sequence[int]) -> Iterable[tuple[str, str]]:
        rows = sorted((entities[place] for place in places), key=_key)
        values = {
            **_named(tenant_id, rows),
            **_said(rows),
            "public_ids": binary.array(UuidArray, binary.uuids(uuid7s(len(rows)))),
        }
        found: Any = conn.execute(_INSERT_WITHOUT_NULLS if merge else _INSERT_WHOLE, values, binary=True)
        return list(found)

    def changing(groups: Sequence[Sequence[int]]) -> Iterable[int]:
        if not groups:
            return []
        places = [place for group in groups for place in group]
        nos = [no for no, group in enumerate(groups, 1) for _ in group]
        values = {
            **_named(tenant_id, [entities[group[0]] for group in groups]),
            **_said([entities[place] for place in places]),
            "nos": binary.array(IntegerArray, binary.integers(nos)),
        }
        found: Any = conn.execute(_CHANGING_MEMBERS if merge else _CHANGING_WHOLE, values, binary=True)
        return [places[place - 1] for (place,) in found]

    def write(groups: Sequence[Sequence[int]]) -> list[Effect]:
        folded = [[entities[place] for place in group] for group in groups]
        return upsert([_merged(group) if merge else group[-1] for group in folded])

    return in_turn(map(_key, entities), insert=insert, changing=changing, write=write)


def _named(tenant_id: int, entities: Sequence[Entity]) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "scopes": binary.array(TextArray, binary.texts(entity.scope for entity in entities)),
        "external_ids": binary.array(TextArray, binary.texts(entity.external_id for entity in entities)),
    }


def _said(entities: Sequence[Entity]) -> dict[str, object]:
    protected = pii.protected(entities)
    return {
        "types": binary.array(TextArray, binary.texts(entity.type for entity in entities)),
        "properties": binary.array(JsonbArray, binary.documents(entity.data for entity in entities)),
        **pii.columns(protected),
        **pii.names(protected, merge=False),
    }


def _merged(entities: Sequence[Entity]) -> Entity:
    if protected := pii.protected(entities):
        return personal.overlaid(protected)
    return msgspec.structs.replace(entities[-1], data=overlaid(entity.data for entity in entities))


def overlaid(merges: Iterable[msgspec.Raw]) -> msgspec.Raw:
    """Return one merge that does what several would in turn: nulls stay, since each still removes its field."""
    members: json_text.RawObject = {}
    for merge in merges:
        members |= json_text.split_object(merge)
    return msgspec.Raw(msgspec.json.encode(members))
