"""Delete an entity, and erase its data. A lock a tenant keeps its states from being written back meanwhile.

A writer of states looks up their entities, and inserts rows that an erasure at the same time cannot see. So writers
share the lock until they commit, and an erasure has it alone: it waits for the writers before it, and the writers after
it find the entity gone. A lock on each entity's row would do as well, but makes writing 1,000 states a fifth slower;
this one costs a round trip.

Events need no lock: an erasure keeps them, so an event written at the same time stands as if it had come before.
"""

from typing import NamedTuple

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE

# The first of the two numbers of an advisory lock: no other lock of Sluice's has it.
_ERASURE = 1

# Statements of their own: what comes after takes its snapshot when the lock is held.
_SHARE = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
_HAVE_ALONE = "SELECT pg_advisory_xact_lock(%s, %s)"


def keep_out(conn: Connection, tenant_id: int) -> None:
    """Let no entity of the tenant be erased until this transaction ends.

    Args:
        conn: an open transaction, which has not looked up the entities yet.
        tenant_id: whose entities.
    """
    conn.execute(_SHARE, (_ERASURE, tenant_id))


def begin(conn: Connection, tenant_id: int) -> None:
    """Wait for those who write states of the tenant, and keep out others until this transaction ends.

    Args:
        conn: an open transaction, which holds no row that they may wait for.
        tenant_id: whose states.
    """
    conn.execute(_HAVE_ALONE, (_ERASURE, tenant_id))


# All properties go, whichever of them a template calls PII today, and the states too: only events outlive an entity.
_DELETE = """
WITH known AS (
    SELECT id, pii IS NOT NULL AS sealed FROM entities
    WHERE tenant_id = %(tenant_id)s AND scope = %(scope)s AND external_id = %(external_id)s AND deleted_at IS NULL
    FOR NO KEY UPDATE
), gone AS (
    UPDATE entities e SET deleted_at = now(), properties = '{}', pii = NULL, pii_digests = NULL
    FROM known WHERE e.id = ANY (ARRAY[known.id])
    RETURNING e.id, e.type, known.sealed
), without_states AS (
    DELETE FROM states WHERE tenant_id = %(tenant_id)s AND entity_id = (SELECT id FROM gone)
)
SELECT type, sealed FROM gone
"""


class Deleted(NamedTuple):
    """An entity that was deleted.

    Attributes:
        sealed: some of its data were encrypted.
    """

    type: str
    sealed: bool


def delete(conn: Connection, tenant_id: int, external_id: str, *, scope: str = SCOPE) -> Deleted | None:
    """Delete an entity softly: its properties and states are erased, its events kept.

    Args:
        conn: an open transaction, which has written nothing yet but other deletions.
        tenant_id: whose.
        external_id: its id, as the tenant knows it.
        scope: in which the id is its own.

    Returns:
        The entity; None where there was none.
    """
    begin(conn, tenant_id)
    values = {"tenant_id": tenant_id, "scope": scope, "external_id": external_id}
    with conn.cursor(row_factory=class_row(Deleted)) as cursor:
        return cursor.execute(_DELETE, values).fetchone()
