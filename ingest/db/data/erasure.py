"""Erasing an entity while its states are written: a lock a tenant, so that nothing that was erased comes back.

A writer of states looks up their entities, and inserts rows that an erasure at the same time cannot see. So writers
share the lock until they commit, and an erasure has it alone: it waits for the writers before it, and the writers after
it find the entity gone. A lock on each entity's row would do as well, but makes writing 1,000 states a fifth slower;
this one costs a round trip.

Events need no lock: an erasure keeps them, so an event written at the same time stands as if it had come before.
"""

from ingest.db.connection.pool import Connection

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
