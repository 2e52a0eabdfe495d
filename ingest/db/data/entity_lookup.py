"""The ids of entities: by their external ids, which are unique within a scope."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, LiteralString
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.bulk.binary import TextArray
from ingest.db.connection.pool import Connection
from ingest.items.entities import Entity

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


def _looking_up(conn: Connection, query: LiteralString) -> LiteralString:
    """Return the query, with the rows of a group as this server finds them best."""
    return query.format(rows=_AT_ONCE if conn.info.server_version >= _AT_ONCE_SINCE else _ONE_BY_ONE)


_KNOWN: LiteralString = f"SELECT EXISTS (SELECT {_GROUPS} ({{rows}} LIMIT 1) e)"


def known_query(conn: Connection) -> LiteralString:
    """Return the query that tells if any of the entities exists that `parameters` names."""
    return _looking_up(conn, _KNOWN)


def parameters(tenant_id: int, rows: Sequence[Entity]) -> dict[str, object]:
    """Return the parameters of `known_query` that name rows in the order of their scopes."""
    external_ids = binary.texts(map(attrgetter("external_id"), rows))
    return {"tenant_id": tenant_id, **binary.grouped(TextArray, Counter(map(attrgetter("scope"), rows)), external_ids)}


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
        # Planned anew: a plan that was kept since there were no entities may go through all of them.
        statement = _looking_up(conn, query).format(column=column)
        return conn.execute(statement, values, binary=True, prepare=False).fetchall()

    all_found = {scope: found_ids or () for scope, found_ids in found(_FOUND)}
    if all(len(all_found[scope]) == len(external_ids) for scope, external_ids in order.items()):
        return {scope: dict(zip(external_ids, all_found[scope], strict=True)) for scope, external_ids in order.items()}
    # Names are for where some are missing: that is rare, and they would cost as much as the rest.
    return {
        scope: dict(zip(external_ids or (), found_ids or (), strict=True))
        for scope, found_ids, external_ids in found(_FOUND_NAMED)
    }
