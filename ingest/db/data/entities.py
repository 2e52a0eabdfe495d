"""Entities in Postgres: upserted a block at a time."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from ingest import json_text
from ingest.db.bulk import binary
from ingest.db.bulk.binary import Array, Field, IntegerArray, JsonbArray, TextArray, UuidArray
from ingest.db.bulk.copy_insert import copy_if_all_new
from ingest.db.bulk.copy_rows import target
from ingest.db.bulk.upsert import differs, run_upsert, with_counts
from ingest.db.connection.pool import Connection
from ingest.db.data import erasure, growth, pii
from ingest.db.data.entity_repeats import overlaid, upsert_in_turn
from ingest.db.data.pii import Personal
from ingest.errors import Unaddressable
from ingest.ids import uuid7s
from ingest.items.addresses import UNADDRESSABLE, UNADDRESSABLE_REASON
from ingest.items.entities import Entity
from ingest.items.personal import Protection
from ingest.jobs import Effect

# In the operator API an external id is unique across types.
SCOPE = ""

# External ids by their scope: the two tell a tenant's entities apart.
Names = Mapping[str, Collection[str]]

# The rows of a group of keys: their scope is g.name, and they stand in g's part of one array. In the order of the keys,
# neighbours share a page of the index, at which Postgres 17 and later look once for all of them.
_AT_ONCE: LiteralString = """
    SELECT id, public_id, external_id, deleted_at FROM entities
    WHERE tenant_id = %(tenant_id)s AND scope = g.name
      AND external_id = ANY((%(members)b::text[])[g.first:g.last])
"""
# Earlier ones may take that array for a mere filter, and with a plan that was made while the table was small read all
# of a tenant's entities. LATERAL … LIMIT has each key looked up by itself, whatever the planner thinks of the table.
_ONE_BY_ONE: LiteralString = """
    SELECT e.id, e.public_id, e.external_id, e.deleted_at
    FROM unnest((%(members)b::text[])[g.first:g.last]) AS k (external_id)
    CROSS JOIN LATERAL (
        SELECT id, public_id, external_id, deleted_at FROM entities
        WHERE tenant_id = %(tenant_id)s AND scope = g.name AND external_id = k.external_id LIMIT 1) e
"""
_AT_ONCE_SINCE = 170000  # the server version that first does it well
_GROUPS: LiteralString = f"FROM {binary.GROUPS} AS g (name, first, last) CROSS JOIN LATERAL"
_KNOWN: LiteralString = f"SELECT EXISTS (SELECT {_GROUPS} ({{rows}} LIMIT 1) e)"


def _looking_up(conn: Connection, query: LiteralString) -> LiteralString:
    """Return the query, with the rows of a group as this server finds them best."""
    return query.format(rows=_AT_ONCE if conn.info.server_version >= _AT_ONCE_SINCE else _ONE_BY_ONE)


_COLUMNS: dict[str, type[Array]] = {
    "public_id": UuidArray,
    "tenant_id": IntegerArray,
    "scope": TextArray,
    "external_id": TextArray,
    "type": TextArray,
    "properties": JsonbArray,
}
_STORED = target("entities", **_COLUMNS)
_STORED_PROTECTED = target("entities", **_COLUMNS, pii=JsonbArray, pii_digests=JsonbArray)

# Rows that say the same already are not written, and not returned. A deleted one comes back as if new.
_UPSERT: LiteralString = """
INSERT INTO entities AS e (public_id, tenant_id, scope, external_id, type, properties{more})
SELECT i.public_id, %(tenant_id)s, i.scope, i.external_id, i.type, i.properties{more}
FROM unnest(%(public_ids)b::uuid[], %(scopes)b::text[], %(external_ids)b::text[], %(types)b::text[],
            %(properties)b::jsonb[]{arrays}) AS i (public_id, scope, external_id, type, properties{more})
ON CONFLICT ON CONSTRAINT entities_external_id_key DO UPDATE
SET type = excluded.type, properties = {new}, pii = {pii}, pii_digests = {pii_digests},
    updated_at = now(), deleted_at = NULL,
    revision = CASE WHEN e.deleted_at IS NULL THEN e.revision + 1 ELSE 0 END,
    created_at = CASE WHEN e.deleted_at IS NULL THEN e.created_at ELSE now() END
WHERE (e.deleted_at IS NOT NULL OR e.type <> excluded.type OR {differs} OR {pii_differs}){guard}
RETURNING e.scope AS first, e.external_id AS second, e.revision = 0 AS created
"""


def _upserting(new: LiteralString, personal: Personal, guard: LiteralString = "") -> LiteralString:
    """Return the statement that gives a row that is there these properties."""
    return with_counts(
        _UPSERT.format(
            new=new,
            differs=differs("e.properties", new),
            pii=personal.pii,
            pii_digests=personal.digests,
            pii_differs=personal.differs,
            more=personal.columns,
            arrays=personal.arrays,
            guard=guard,
        )
    )


def _merging(new: LiteralString, personal: Personal) -> LiteralString:
    guard: LiteralString = f" AND {growth.guard('e.properties', 'excluded.properties', new)}"
    return _upserting(new, personal, guard + personal.guard)


# Top level only: a null inside of a value is data. Taken only where a block has nulls, since it costs 29 %.
_WITHOUT_SENT_NULLS: LiteralString = (
    "({new} - ARRAY(SELECT key FROM jsonb_each(excluded.properties) WHERE value = 'null'))"
)


class _Statements(NamedTuple):
    """The upserts that replace, that merge, and that merge data with nulls."""

    replacing: LiteralString
    merging: LiteralString
    merging_nulls: LiteralString

    def of(self, *, merge: bool, nulls: bool) -> LiteralString:
        if not merge:
            return self.replacing
        return self.merging_nulls if nulls else self.merging


def _statements(kept: LiteralString, replaced: Personal, merged: Personal) -> _Statements:
    """Return the statements for rows of one sort.

    Args:
        kept: the properties that a merge goes on with.
        replaced: the personal data of a row that is replaced.
        merged: those of one that is merged.
    """
    new: LiteralString = f"({kept} || excluded.properties)"
    return _Statements(
        _upserting("excluded.properties", replaced),
        _merging(new, merged),
        _merging(_WITHOUT_SENT_NULLS.format(new=new), merged),
    )


_PLAIN = _statements("e.properties", pii.CLEARED, pii.UNCOVERED)
_PROTECTED = _statements(pii.COVERED_PROPERTIES, pii.REPLACED, pii.MERGED)

# A merge that created its entity had nothing to remove the nulls from.
_WITHOUT_NULLS = """
UPDATE entities SET properties = properties - ARRAY(SELECT key FROM jsonb_each(properties) WHERE value = 'null')
WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s
"""


def upsert(
    conn: Connection,
    tenant_id: int,
    entities: Sequence[Entity],
    *,
    merge: bool,
    most_bytes: int = growth.MOST_BYTES,
    protection: Protection | None = None,
) -> list[Effect]:
    """Write entities as if they had come one after the other.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in the order sent; they are locked in the order of their keys, so that two writers cannot deadlock.
            All are sealed, or none is.
        merge: merge top-level fields and remove those that are null, instead of replacing all of `data`.
        most_bytes: of an entity, to which merges may let it grow.
        protection: seals them; None where they are sealed, or have no personal data.

    Returns:
        The effect of each, in the order given.

    Raises:
        MasterKeyMissing: one has personal data, and there is no key to seal them with.
        Unaddressable: no URL can hold the id or the scope of one.
        TooLarge: a merge would let one grow too large.
    """
    external_ids = set(map(_external_id, entities))
    if not (UNADDRESSABLE.isdisjoint(external_ids) and UNADDRESSABLE.isdisjoint(map(_scope, entities))):
        raise Unaddressable(None, reason=UNADDRESSABLE_REASON)
    distinct = len(external_ids) == len(entities) or len(set(map(_key, entities))) == len(entities)
    upsert_distinct = partial(_upsert, conn, tenant_id, merge=merge, most_bytes=most_bytes)
    if distinct:
        return upsert_distinct(entities, protection=protection)
    sealed = entities if protection is None else protection.seal(entities, merge=merge)
    return upsert_in_turn(conn, tenant_id, sealed, merge=merge, upsert=upsert_distinct)


def _upsert(
    conn: Connection,
    tenant_id: int,
    entities: Sequence[Entity],
    *,
    merge: bool,
    most_bytes: int,
    protection: Protection | None = None,
) -> list[Effect]:
    """Write entities of which no two share a key."""
    rows: Sequence[Entity] = sorted(sorted(entities, key=_external_id), key=_scope)
    scopes = list(map(_scope, rows))
    protected = pii.protected(rows)

    # Fields are made as they are sent, sealed values and ids too: the server stores the first rows meanwhile.
    def external_ids() -> Iterator[Field]:
        return binary.texts(map(_external_id, rows))

    def types() -> Iterator[Field]:
        return binary.names([row.type for row in rows])

    def columns() -> tuple[Iterable[Field], ...]:
        tenant, of_scopes = binary.same_integer(tenant_id), binary.names(scopes)
        data = _data(rows, protection, merge=merge)
        return binary.uuids(uuid7s(len(rows))), tenant, of_scopes, external_ids(), types(), *data

    with_nulls = _with_nulls(rows) if merge else []
    if len(rows) > 1 and not with_nulls:
        known, keys = _looking_up(conn, _KNOWN), partial(_keys, tenant_id, rows)
        stored = _STORED_PROTECTED if protected or protection is not None else _STORED
        if copy_if_all_new(conn, tenant_id, known=known, keys=keys, stored=stored, count=len(rows), columns=columns):
            return [Effect.CREATED] * len(rows)
    if protection is not None:
        rows = protected = protection.seal(rows, merge=merge)
    values = {
        "tenant_id": tenant_id,
        "scopes": binary.array(TextArray, binary.names(scopes)),
        "external_ids": binary.array(TextArray, external_ids()),
        "public_ids": binary.array(UuidArray, binary.uuids(uuid7s(len(rows)))),
        "types": binary.array(TextArray, types()),
        "properties": binary.array(JsonbArray, binary.documents(row.data for row in rows)),
        **growth.bounds(most_bytes),
    }
    if protected:
        values |= {**pii.columns(protected), **pii.names(protected, merge=merge)}
    statements = _PROTECTED if protected else _PLAIN
    found = run_upsert(conn, statements.of(merge=merge, nulls=bool(with_nulls)), values, map(_key, entities))
    if with_nulls:
        created = {_key(entity) for entity, effect in zip(entities, found, strict=True) if effect is Effect.CREATED}
        _remove_nulls(conn, tenant_id, [row for row in with_nulls if _key(row) in created])
    return found


def _data(rows: Sequence[Entity], protection: Protection | None, *, merge: bool) -> tuple[Iterator[Field], ...]:
    """Return the columns of rows that are data: the properties, and where there are any those of personal data."""
    if protection is not None:
        return pii.fields(protection.seal_in_pieces(rows, merge=merge))
    protected = pii.protected(rows)
    return pii.fields(protected) if protected else (binary.documents(row.data for row in rows),)


def _remove_nulls(conn: Connection, tenant_id: int, created: Sequence[Entity]) -> None:
    for row in created:
        named = {"tenant_id": tenant_id, "scope": row.scope, "external_id": row.external_id}
        conn.execute(_WITHOUT_NULLS, named)


def _keys(tenant_id: int, rows: Sequence[Entity]) -> dict[str, object]:
    """Return the parameters that name rows in the order of their scopes."""
    external_ids = binary.texts(map(_external_id, rows))
    return {"tenant_id": tenant_id, **binary.grouped(TextArray, Counter(map(_scope, rows)), external_ids)}


_scope, _external_id, _key = attrgetter("scope"), attrgetter("external_id"), attrgetter("scope", "external_id")


def _with_nulls(entities: Sequence[Entity]) -> list[Entity]:
    """Return those of which a field is null: a merge removes it."""
    candidates = [entity for entity in entities if b"null" in bytes(entity.data)]
    return [entity for entity in candidates if json_text.has_null_member(entity.data)]


_FOUND: LiteralString = f"""
SELECT g.name, e.found {_GROUPS} (
    SELECT array_agg({{{{column}}}} ORDER BY external_id) AS found FROM ({{rows}}) r WHERE deleted_at IS NULL) e
"""
_FOUND_NAMED: LiteralString = f"""
SELECT g.name, e.found, e.external_ids {_GROUPS} (
    SELECT array_agg({{{{column}}}} ORDER BY external_id) AS found,
           array_agg(external_id ORDER BY external_id) AS external_ids
    FROM ({{rows}}) r WHERE deleted_at IS NULL) e
"""


def resolve(conn: Connection, tenant_id: int, names: Names) -> dict[str, dict[str, int]]:
    """Return the internal ids of those of a tenant's entities that exist, by scope and external id."""
    return _resolve(conn, "id", tenant_id, names)


def public_ids(conn: Connection, tenant_id: int, names: Names) -> dict[str, dict[str, UUID]]:
    """Return the public ids of those of a tenant's entities that exist, by scope and external id."""
    return _resolve(conn, "public_id", tenant_id, names)


def _resolve(conn: Connection, column: LiteralString, tenant_id: int, names: Names) -> dict[str, dict[str, Any]]:
    # COLLATE "C" and Python sort text alike, by its code points.
    order = {scope: sorted(external_ids) for scope, external_ids in names.items()}
    sizes = {scope: len(external_ids) for scope, external_ids in order.items()}
    fields = binary.texts(chain.from_iterable(order.values()))
    values = {"tenant_id": tenant_id, **binary.grouped(TextArray, sizes, fields)}

    def found(query: LiteralString) -> list[Any]:
        return conn.execute(_looking_up(conn, query).format(column=column), values, binary=True).fetchall()

    all_found = {scope: found_ids or () for scope, found_ids in found(_FOUND)}
    if all(len(all_found[scope]) == len(external_ids) for scope, external_ids in order.items()):
        return {scope: dict(zip(external_ids, all_found[scope], strict=True)) for scope, external_ids in order.items()}
    # Names are for where some are missing: that is rare, and they would cost as much as the rest.
    return {
        scope: dict(zip(external_ids or (), found_ids or (), strict=True))
        for scope, found_ids, external_ids in found(_FOUND_NAMED)
    }


def ensure(
    conn: Connection, tenant_id: int, entities: Sequence[Entity], *, most_bytes: int = growth.MOST_BYTES
) -> list[int]:
    """Return the internal ids of entities. Create those that do not exist; merge the data into the others.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in the order in which to merge; the same one may come several times.
        most_bytes: of an entity, to which merges may let it grow.

    Returns:
        One each, in the order given.
    """
    scopes, external_ids = list(map(_scope, entities)), list(map(_external_id, entities))
    names: dict[str, set[str]] = {scope: set() for scope in set(scopes)}
    for scope, external_id in zip(scopes, external_ids, strict=True):
        names[scope].add(external_id)
    known = resolve(conn, tenant_id, names)
    missing = any(len(known[scope]) < len(named) for scope, named in names.items())
    if missing or any(map(_says_something, entities)):
        upsert(conn, tenant_id, _changing(entities, known, most_bytes), merge=True, most_bytes=most_bytes)
    if missing:
        known = resolve(conn, tenant_id, names)
    return [known[scope][external_id] for scope, external_id in zip(scopes, external_ids, strict=True)]


def _changing(entities: Sequence[Entity], known: Mapping[str, Mapping[str, int]], most_bytes: int) -> list[Entity]:
    """Return the entities to create or merge, mostly one for each, with all that is sent for it, in order."""
    merges: dict[tuple[str, str], list[Entity]] = {}
    for entity in entities:
        if _says_something(entity) or entity.external_id not in known[entity.scope]:
            merges.setdefault(_key(entity), []).append(entity)
    return list(chain.from_iterable(_folded(merge, most_bytes) for merge in merges.values()))


def _folded(merges: list[Entity], most_bytes: int) -> list[Entity]:
    """Merges of one entity as one, unless that may be too large: then each but the first meets the guard."""
    if len(merges) == 1 or sum(len(merge.data) for merge in merges) > growth.harmless_bytes(most_bytes):
        return merges
    return [msgspec.structs.replace(merges[0], data=overlaid(merge.data for merge in merges))]


def _says_something(entity: Entity) -> bool:
    """True if merging this entity may change a stored one."""
    return len(entity.data) > len(b"{}")


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity as it is read back.

    Attributes:
        properties: JSON text, numbers as they were sent, without personal data.
        pii: as of `ingest.items.personal.ProtectedEntity`; None where there is none.
    """

    id: int
    public_id: UUID
    external_id: str
    type: str
    properties: str
    pii: str | None
    created_at: datetime
    updated_at: datetime


_READ = """
SELECT id, public_id, external_id, type, properties::text, pii::text, created_at, updated_at FROM entities
WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s AND deleted_at IS NULL
"""


def read(conn: Connection, tenant_id: int, external_id: str, *, scope: str = SCOPE) -> EntityRow | None:
    """Return one entity; None where there is none, or it was deleted."""
    values = {"tenant_id": tenant_id, "scope": scope, "external_id": external_id}
    with conn.cursor(row_factory=class_row(EntityRow)) as cursor:
        return cursor.execute(_READ, values).fetchone()


# All properties go, whichever of them a template calls PII today, and the states too: only events outlive an entity.
_DELETE = """
WITH known AS (
    SELECT id, pii IS NOT NULL AS sealed FROM entities
    WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s AND deleted_at IS NULL
    FOR NO KEY UPDATE
), gone AS (
    UPDATE entities e SET deleted_at = now(), properties = '{}', pii = NULL, pii_digests = NULL
    FROM known WHERE e.id = ANY (ARRAY[known.id])
    RETURNING e.id, e.type, known.sealed
), without_states AS (
    DELETE FROM states WHERE tenant_id = %(tenant_id)s AND entity_id = (SELECT id FROM gone)
)
SELECT type, sealed FROM gone
"""


class Deleted(NamedTuple):
    """An entity that was deleted.

    Attributes:
        sealed: some of its data were encrypted.
    """

    type: str
    sealed: bool


def delete(conn: Connection, tenant_id: int, external_id: str, *, scope: str = SCOPE) -> Deleted | None:
    """Delete an entity softly: its properties and states are erased, its events kept.

    Args:
        conn: an open transaction, which has written nothing yet but other deletions.
        tenant_id: whose.
        external_id: its id, as the tenant knows it.
        scope: in which the id is its own.

    Returns:
        The entity; None where there was none.
    """
    erasure.begin(conn, tenant_id)
    values = {"tenant_id": tenant_id, "scope": scope, "external_id": external_id}
    with conn.cursor(row_factory=class_row(Deleted)) as cursor:
        return cursor.execute(_DELETE, values).fetchone()
