"""Find the entities whose personal data are not under the first master key, and write them again.

A range of pages a statement needs no index, as a purge by retention needs none. A merge that comes in between may move
a row to pages that were read before; so its caller goes through the table again until it finds nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.db.bulk import binary
from ingest.db.bulk.binary import BigintArray, JsonbArray
from ingest.db.bulk.pages import IN_PAGES, in_pages
from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE

TABLE = "entities"

# Entities a transaction, and the bytes of these as they are stored: few locks, for a short time.
MOST_ROWS = 500
_MOST_BYTES = 4 * 1024 * 1024

# The fields that a template calls personal data, by tenant and type.
Called = Mapping[int, Mapping[str, Sequence[str]]]

_CALLED = """
SELECT t.id, m.schema -> 'pii_fields' FROM tenants t JOIN templates m ON m.id = t.template_id
WHERE t.id > %(after)s AND jsonb_path_exists(m.schema, '$.pii_fields.*[*]') ORDER BY t.id LIMIT 1000
"""


def called_personal(conn: Connection) -> Called:
    """Return the fields that the tenants' templates call personal data today."""
    found: dict[int, Mapping[str, Sequence[str]]] = {}
    while rows := conn.execute(_CALLED, {"after": max(found, default=0)}).fetchall():
        found |= dict(rows)  # type: ignore[arg-type] # (integer, JSON)
    return found


_LIVE_IN_PAGES: LiteralString = f"{IN_PAGES} AND x.scope = '{SCOPE}' AND x.deleted_at IS NULL"
_FIELDS: LiteralString = "jsonb_array_elements_text(%(called)s::jsonb -> x.tenant_id::text -> x.type)"

_COUNT = f"""
SELECT kid, count(*) FROM entities x CROSS JOIN LATERAL (
    SELECT split_part(d.value, ':', 1) AS kid FROM jsonb_each_text(x.pii_digests) d
    UNION ALL
    SELECT '' FROM {_FIELDS} AS f (name) WHERE x.properties ? f.name) v
WHERE {_LIVE_IN_PAGES} GROUP BY kid
"""

# The tenants of some pages are few, and of an installation many: a statement gets the fields of these alone.
_TENANTS = f"SELECT DISTINCT tenant_id FROM entities x WHERE {_LIVE_IN_PAGES}"


def called_in(conn: Connection, called: Called, *, first: int, pages: int) -> Called:
    """Return the part of `called` that is of tenants with entities in a range of pages.

    Args:
        conn: an open transaction.
        called: as of `called_personal`.
        first: the first page, of 8 kB.
        pages: how many.
    """
    if not called:
        return called
    rows: Any = conn.execute(_TENANTS, in_pages(first, pages)).fetchall()
    return {tenant_id: called[tenant_id] for (tenant_id,) in rows if tenant_id in called}


def count(conn: Connection, called: Called, *, first: int, pages: int) -> dict[str, int]:
    """Return how many values there are under each master key, by its id; those in the clear under an empty one.

    Args:
        conn: an open transaction.
        called: as of `called_personal`.
        first: the first page, of 8 kB.
        pages: how many.
    """
    here = called_in(conn, called, first=first, pages=pages)
    found: Any = conn.execute(_COUNT, {"called": _jsonb(here), **in_pages(first, pages)})
    return dict(found.fetchall())


_FIND = f"""
SELECT x.id, pg_column_size(x.properties) + coalesce(pg_column_size(x.pii), 0) FROM entities x
WHERE {_LIVE_IN_PAGES} AND (
    EXISTS (SELECT FROM jsonb_each_text(x.pii_digests) d WHERE split_part(d.value, ':', 1) <> %(kid)s)
    OR x.properties ?| ARRAY(SELECT {_FIELDS}))
ORDER BY x.tenant_id, x.external_id
"""


def find(conn: Connection, called: Called, kid: str, *, first: int, pages: int) -> list[list[int]]:
    """Return the internal ids of entities with a value that is not under a master key, in parts for a transaction each.

    Args:
        conn: an open transaction.
        called: as of `called_personal`.
        kid: the key's id.
        first: as of `count`; likewise `pages`.
        pages: likewise.
    """
    here = called_in(conn, called, first=first, pages=pages)
    rows: Any = conn.execute(_FIND, {"called": _jsonb(here), "kid": kid, **in_pages(first, pages)})
    parts: list[list[int]] = []
    room = 0
    for entity_id, size in rows:
        if room < size or len(parts[-1]) == MOST_ROWS:
            parts.append([])
            room = _MOST_BYTES
        parts[-1].append(entity_id)
        room -= size
    return parts


@dataclass(frozen=True, slots=True)
class Held:
    """An entity whose row is locked; `properties` and `pii` are JSON texts."""

    id: int
    tenant_id: int
    external_id: str
    type: str
    properties: str
    pii: str | None


# In the order in which every writer locks rows.
_LOCK = """
SELECT id, tenant_id, external_id, type, properties::text, pii::text FROM entities
WHERE id = ANY (%(ids)b::bigint[]) AND deleted_at IS NULL ORDER BY tenant_id, scope, external_id FOR NO KEY UPDATE
"""


def lock(conn: Connection, ids: Sequence[int]) -> list[Held]:
    """Lock entities until the transaction ends, and return those that are there."""
    with conn.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(_LOCK, {"ids": binary.array(BigintArray, binary.bigints(ids))}).fetchall()


@dataclass(frozen=True, slots=True)
class Resealed:
    """An entity as it is to be written, its members as JSON texts."""

    id: int
    properties: bytes
    pii: bytes
    digests: bytes


_WRITE = """
UPDATE entities e SET properties = n.properties, pii = n.pii, pii_digests = n.pii_digests
FROM unnest(%(ids)b::bigint[], %(properties)b::jsonb[], %(pii)b::jsonb[], %(digests)b::jsonb[])
     AS n (id, properties, pii, pii_digests)
WHERE e.id = ANY (ARRAY[n.id])
"""


def write(conn: Connection, entities: Sequence[Resealed]) -> None:
    """Write locked entities; no client notices, since their values stay."""
    columns = {
        "ids": binary.array(BigintArray, binary.bigints(entity.id for entity in entities)),
        "properties": binary.array(JsonbArray, binary.documents(entity.properties for entity in entities)),
        "pii": binary.array(JsonbArray, binary.documents(entity.pii for entity in entities)),
        "digests": binary.array(JsonbArray, binary.documents(entity.digests for entity in entities)),
    }
    conn.execute(_WRITE, columns)


def _jsonb(called: Called) -> Jsonb:
    return Jsonb({str(tenant_id): fields for tenant_id, fields in called.items()})
