"""The saved mappings of a tenant's files: which column fills which member, by a name that people give."""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.db.connection.pool import Connection
from ingest.errors import LimitReached

# A tenant has at most so many.
MOST = 100


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping as it was saved; the console knows what is in it."""

    name: str
    mapping: dict[str, Any]


_SAVE = f"""
INSERT INTO console_mappings (tenant_id, name, mapping)
SELECT %(tenant_id)s, %(name)s, %(mapping)s
WHERE (SELECT count(*) FROM console_mappings WHERE tenant_id = %(tenant_id)s AND name <> %(name)s) < {MOST}
ON CONFLICT (tenant_id, name) DO UPDATE SET mapping = excluded.mapping, saved_at = now()
"""


def save(conn: Connection, tenant_id: int, name: str, mapping: dict[str, Any]) -> None:
    """Save a mapping, in the place of one of the same name.

    Args:
        conn: an open transaction.
        tenant_id: whose it is.
        name: 1 to 100 characters.
        mapping: as JSON.

    Raises:
        LimitReached: the tenant has as many as it may have.
    """
    values = {"tenant_id": tenant_id, "name": name, "mapping": Jsonb(mapping)}
    if not conn.execute(_SAVE, values).rowcount:
        raise LimitReached(f"There are {MOST} mappings, which is the most; delete one first")


_OF_TENANT = f"SELECT name, mapping FROM console_mappings WHERE tenant_id = %s ORDER BY name LIMIT {MOST}"


def of_tenant(conn: Connection, tenant_id: int) -> list[Mapping]:
    """Return a tenant's mappings, by their names."""
    with conn.cursor(row_factory=class_row(Mapping)) as cursor:
        return cursor.execute(_OF_TENANT, (tenant_id,)).fetchall()


def delete(conn: Connection, tenant_id: int, name: str) -> None:
    """Delete a mapping, if there is one of that name."""
    conn.execute("DELETE FROM console_mappings WHERE tenant_id = %s AND name = %s", (tenant_id, name))
