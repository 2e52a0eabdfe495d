"""Entities in Postgres: upserted a block at a time."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter

from ingest import json_text
from ingest.db.bulk import binary
from ingest.db.bulk.binary import Array, Field, IntegerArray, JsonbArray, TextArray, UuidArray
from ingest.db.bulk.copy_insert import copy_if_all_new
from ingest.db.bulk.copy_rows import target
from ingest.db.bulk.upsert import run_upsert
from ingest.db.connection.pool import Connection
from ingest.db.data import entity_lookup, entity_statements, growth, pii
from ingest.db.data.entity_repeats import upsert_in_turn
from ingest.errors import Unaddressable
from ingest.ids import uuid7s
from ingest.items.addresses import UNADDRESSABLE, UNADDRESSABLE_REASON
from ingest.items.entities import Entity
from ingest.items.personal import Protection
from ingest.jobs import Effect

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
        known, keys = entity_lookup.known_query(conn), partial(entity_lookup.parameters, tenant_id, rows)
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
    statements = entity_statements.PROTECTED if protected else entity_statements.PLAIN
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


_scope, _external_id, _key = attrgetter("scope"), attrgetter("external_id"), attrgetter("scope", "external_id")


def _with_nulls(entities: Sequence[Entity]) -> list[Entity]:
    """Return those of which a field is null: a merge removes it."""
    candidates = [entity for entity in entities if b"null" in bytes(entity.data)]
    return [entity for entity in candidates if json_text.has_null_member(entity.data)]
