"""One external id in all scopes of a tenant: there the public API has one for each of its types."""

from typing import Any

from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE

_A_PAGE = 500

# No index begins with the external id: its unique index is asked for the next scope, and then for the id in that one.
_NAMED = f"""
WITH RECURSIVE scopes (scope, place) AS (
    SELECT %(after)s::text COLLATE "C", 0
    UNION ALL
    SELECT n.scope, s.place + 1
    FROM scopes s CROSS JOIN LATERAL (
        SELECT e.scope FROM entities e WHERE e.tenant_id = %(tenant_id)s AND e.scope > s.scope
        ORDER BY e.scope LIMIT 1) n
    WHERE s.place < {_A_PAGE}
)
SELECT s.scope, n.type
FROM scopes s LEFT JOIN LATERAL (
    SELECT e.type FROM entities e
    WHERE e.tenant_id = %(tenant_id)s AND e.scope = s.scope AND e.external_id = %(external_id)s LIMIT 1) n ON true
ORDER BY s.place
"""


def named(conn: Connection, tenant_id: int, external_id: str) -> dict[str, str]:
    """Return the types of a tenant's entities of an external id by their scopes, those of deleted ones too.

    It reads two rows of an index for each scope that the tenant has.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: theirs, each in its scope.
    """
    found: dict[str, str] = {}
    after = SCOPE
    while True:
        values = {"tenant_id": tenant_id, "external_id": external_id, "after": after}
        page: Any = conn.execute(_NAMED, values).fetchall()
        found |= {scope: entity_type for scope, entity_type in page if entity_type is not None}
        if len(page) <= _A_PAGE:
            return found
        after = page[-1][0]
