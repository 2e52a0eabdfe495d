"""Digests of what clients sent, of requests that have an idempotency key and of parts: by their master keys, and anew.

`ingest.engine.sealed_digests` says which are encrypted. Those in the clear of tenants whose template lists personal
data today are wanted too: they came before it did.
"""

from collections.abc import Collection
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk.pages import IN_PAGES, in_pages
from ingest.db.connection.pool import Connection
from ingest.db.jobs.resealing import kid_of

KEYS, PARTS = "idempotency_keys", "upload_parts"

# Of SHA-256. An encrypted one is longer.
BARE_BYTES = 32

_IN: dict[str, LiteralString] = {
    KEYS: f"""
SELECT x.tenant_id, x.endpoint, x.key_hash, NULL::uuid AS upload_id, 0 AS part, x.fingerprint AS digest
FROM idempotency_keys x WHERE {IN_PAGES}
""",
    PARTS: f"""
SELECT x.tenant_id, '' AS endpoint, ''::bytea AS key_hash, x.upload_id, x.part, x.digest
FROM upload_parts x WHERE {IN_PAGES} AND x.whole
""",
}
# Null where a digest may be in the clear. CASE keeps the id of a key from digests that have none, where it would fail.
_KID: LiteralString = f"""
CASE WHEN length(x.digest) > {BARE_BYTES} THEN {kid_of("x.digest")}
     WHEN x.tenant_id = ANY (%(tenant_ids)s::integer[]) THEN '' END
"""


class Digest(NamedTuple):
    """A digest as it is stored.

    Attributes:
        tenant_id: whose.
        endpoint: of a request: the call; likewise `key_hash`.
        key_hash: of its idempotency key.
        upload_id: of a part; likewise `part`.
        part: its number.
        digest: encrypted, or in the clear.
    """

    tenant_id: int
    endpoint: str
    key_hash: bytes
    upload_id: UUID
    part: int
    digest: bytes


def count(conn: Connection, table: str, tenant_ids: Collection[int], *, first: int, pages: int) -> dict[str, int]:
    """Return how many digests there are under each master key, by its id; those in the clear under an empty one.

    Args:
        conn: an open transaction.
        table: KEYS or PARTS.
        tenant_ids: those whose template lists personal data today.
        first: the first page, of 8 kB.
        pages: how many.
    """
    query = f"SELECT kid, count(*) FROM (SELECT {_KID} AS kid FROM ({_IN[table]}) x) s WHERE kid IS NOT NULL GROUP BY 1"
    found: Any = conn.execute(query, {"tenant_ids": list(tenant_ids), **in_pages(first, pages)})
    return dict(found.fetchall())


def find(
    conn: Connection, table: str, tenant_ids: Collection[int], kid: str, *, first: int, pages: int
) -> list[Digest]:
    """Return the digests that are not under this master key, in the order of their keys; the rest is as of `count`."""
    query = f"SELECT * FROM ({_IN[table]}) x WHERE {_KID} <> %(kid)s ORDER BY 1, 2, 3, 4, 5"
    values = {"tenant_ids": list(tenant_ids), "kid": kid, **in_pages(first, pages)}
    with conn.cursor(row_factory=class_row(Digest)) as cursor:
        return cursor.execute(query, values).fetchall()


_WRITE: dict[str, LiteralString] = {
    KEYS: """
UPDATE idempotency_keys SET fingerprint = %(new)s
WHERE tenant_id = %(tenant_id)s AND endpoint = %(endpoint)s AND key_hash = %(key_hash)s AND fingerprint = %(digest)s
""",
    PARTS: """
UPDATE upload_parts SET digest = %(new)s
WHERE tenant_id = %(tenant_id)s AND upload_id = %(upload_id)s AND part = %(part)s AND whole AND digest = %(digest)s
""",
}


def write(conn: Connection, table: str, found: Digest, new: bytes) -> bool:
    """Store a digest anew, unless it was changed meanwhile. Return True if it was stored."""
    return conn.execute(_WRITE[table], {**found._asdict(), "new": new}).rowcount == 1
