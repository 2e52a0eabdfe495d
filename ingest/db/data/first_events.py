"""Ids that events have of their sender's: a tenant has one event of each."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.bulk.binary import TextArray
from ingest.db.connection.pool import Connection


class First(NamedTuple):
    """The event that a tenant has stored under an id of its sender's."""

    public_id: UUID
    type: str
    occurred_at: datetime


_FIND = """
SELECT k.external_id, v.public_id, v.type, v.occurred_at
FROM unnest(%(external_ids)b::text[]) AS k (external_id)
CROSS JOIN LATERAL (
    SELECT public_id, type, occurred_at FROM events
    WHERE tenant_id = %(tenant_id)s AND external_id = k.external_id LIMIT 1) v
"""


def find(conn: Connection, tenant_id: int, event_ids: Collection[str]) -> dict[str, First]:
    """Return those of a tenant's events that have these ids, by id.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        event_ids: as their sender gave them.
    """
    values = {"tenant_id": tenant_id, "external_ids": binary.array(TextArray, binary.texts(event_ids))}
    found: Any = conn.execute(_FIND, values, binary=True)
    return {event_id: First(*first) for event_id, *first in found}
