"""Events as they are read back, by the entity that takes part in them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is read back.

    Attributes:
        properties: its JSON text, numbers as they were sent.
        more: the entity has older ones.
    """

    id: int
    public_id: UUID
    type: str
    properties: str
    occurred_at: datetime
    created_at: datetime
    more: bool


# A page ends behind the event with which it has so many bytes of JSON: 500 of the largest would take gigabytes of the
# processes that hand them on.
_MOST_BYTES = 8 * 1024 * 1024

# The links come first: their primary key holds an entity's events in just this order, and LATERAL … LIMIT has each
# event looked up by itself, until the page is full. A join may read all events of the entity, and sort them.
# The text of a small row is not measured, since that would cost as much as to read it.
_OF_ENTITY = f"""
WITH page AS (
    SELECT v.*
    FROM entities e CROSS JOIN LATERAL (
        SELECT v.*,
               CASE WHEN pg_column_compression(v.properties) IS NULL AND pg_column_size(v.properties) < 2000
                    THEN pg_column_size(v.properties) ELSE octet_length(v.properties::text) END AS size
        FROM event_entities l CROSS JOIN LATERAL (
            SELECT id, public_id, type, properties, occurred_at, created_at FROM events
            WHERE id = l.event_id AND tenant_id = l.tenant_id AND (%(type)s::text IS NULL OR type = %(type)s) LIMIT 1) v
        WHERE l.tenant_id = e.tenant_id AND l.entity_id = e.id
          AND (%(occurred_at)s::timestamptz IS NULL OR (l.occurred_at, l.event_id) < (%(occurred_at)s, %(id)s::bigint))
        ORDER BY l.occurred_at DESC, l.event_id DESC
        LIMIT %(limit)s + 1) v
    WHERE e.tenant_id = %(tenant_id)s AND e.scope = %(scope)s AND e.external_id = %(external_id)s
      AND (e.deleted_at IS NULL OR %(of_deleted)s)
), measured AS (
    SELECT page.*, row_number() OVER newest AS place, sum(size) OVER newest - size AS before,
           lead(id) OVER newest IS NOT NULL AS more
    FROM page
    WINDOW newest AS (ORDER BY occurred_at DESC, id DESC ROWS UNBOUNDED PRECEDING)
)
SELECT id, public_id, type, properties::text, occurred_at, created_at, more
FROM measured WHERE before < {_MOST_BYTES} AND place <= %(limit)s
ORDER BY occurred_at DESC, id DESC
"""


def of_entity(
    conn: Connection,
    tenant_id: int,
    external_id: str,
    *,
    limit: int,
    event_type: str | None = None,
    before: tuple[datetime, int] | None = None,
    of_deleted: bool = False,
    scope: str = SCOPE,
) -> list[EventRow]:
    """Return a page of an entity's events, newest first, and of those of one time the last sent first.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's; of one that does not exist, or was deleted, there are no events.
        limit: the most to return; fewer where they are large.
        event_type: only those of this type.
        before: `(occurred_at, id)` of the last event of the page before.
        of_deleted: also of an entity that was deleted.
        scope: in which the external id is the entity's.
    """
    occurred_at, last_id = before or (None, None)
    values = {
        "tenant_id": tenant_id,
        "scope": scope,
        "external_id": external_id,
        "type": event_type,
        "occurred_at": occurred_at,
        "id": last_id,
        "limit": limit,
        "of_deleted": of_deleted,
    }
    with conn.cursor(row_factory=class_row(EventRow)) as cursor:
        return cursor.execute(_OF_ENTITY, values, prepare=False).fetchall()  # as in `states.of_entity`
