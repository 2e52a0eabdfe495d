"""The secrets of webhooks and of open jobs' callbacks, to count them by their master keys and to encrypt them anew.

A secret is stored as `kid:base64` (`ingest.crypto`).
"""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk.pages import IN_PAGES, in_pages
from ingest.db.connection.pool import Connection

# A secret that signs nothing any more is none that needs its key.
_SECRETS: LiteralString = """
(VALUES ('secret', x.secret), ('former_secret', CASE WHEN x.former_until > now() THEN x.former_secret END))
"""
# The row of a callback takes the secret over when the end of its job is announced.
_OPEN: LiteralString = "(x.ended_at IS NULL OR EXISTS (SELECT FROM job_ends e WHERE e.job_id = x.id))"

_IN: dict[str, LiteralString] = {
    "webhooks": f"""
SELECT x.id, x.tenant_id, s.name, s.secret FROM webhooks x CROSS JOIN LATERAL {_SECRETS} AS s (name, secret)
WHERE {IN_PAGES} AND x.deleted_at IS NULL AND s.secret IS NOT NULL
""",
    "jobs": f"""
SELECT x.id, x.tenant_id, 'callback' AS name, x.options #>> '{{callback,secret}}' AS secret FROM jobs x
WHERE {IN_PAGES} AND x.options ? 'callback' AND {_OPEN}
""",
}
TABLES = tuple(_IN)


@dataclass(frozen=True, slots=True)
class Secret:
    """A stored secret.

    Attributes:
        id: of its row.
        name: which one of the row's it is.
        secret: as it is stored.
    """

    id: UUID
    tenant_id: int
    name: str
    secret: str


def count(conn: Connection, table: str, *, first: int, pages: int) -> dict[str, int]:
    """Return how many secrets there are under each master key, by its id.

    Args:
        conn: an open transaction.
        table: one of TABLES.
        first: the first page, of 8 kB.
        pages: how many.
    """
    query = f"SELECT split_part(secret, ':', 1), count(*) FROM ({_IN[table]}) s GROUP BY 1"
    found: Any = conn.execute(query, in_pages(first, pages))
    return dict(found.fetchall())


def find(conn: Connection, table: str, kid: str, *, first: int, pages: int) -> list[Secret]:
    """Return the secrets that are under another master key than this one; the rest is as of `count`."""
    query = f"SELECT * FROM ({_IN[table]}) s WHERE split_part(secret, ':', 1) <> %(kid)s"
    with conn.cursor(row_factory=class_row(Secret)) as cursor:
        return cursor.execute(query, {"kid": kid, **in_pages(first, pages)}).fetchall()


_WRITE = {
    "secret": "UPDATE webhooks SET secret = %(new)s WHERE id = %(id)s AND secret = %(old)s",
    "former_secret": "UPDATE webhooks SET former_secret = %(new)s WHERE id = %(id)s AND former_secret = %(old)s",
    "callback": """
UPDATE jobs SET options = jsonb_set(options, '{callback,secret}', to_jsonb(%(new)s::text))
WHERE id = %(id)s AND options #>> '{callback,secret}' = %(old)s
""",
}


def write(conn: Connection, secret: Secret, new: str) -> bool:
    """Store a secret anew, unless it was changed meanwhile. Return True if it was stored."""
    return conn.execute(_WRITE[secret.name], {"id": secret.id, "old": secret.secret, "new": new}).rowcount == 1
