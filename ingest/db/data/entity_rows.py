"""Entities as they are read back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE


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
        return cursor.execute(_READ, values, prepare=False).fetchone()  # as in `states.of_entity`
