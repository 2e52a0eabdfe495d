"""The processes that run jobs, by their sessions of the server; any role may read what this reads of other sessions."""

from ingest.db.connection.pool import WORKER, Connection

# Processes of workers' own name, with a number or without one.
IS_WORKER = f"application_name ~ '^{WORKER}(:[0-9]+)?$'"

# Postgres shows other roles no xact_start; a transaction has a lock on its own virtual id as well, which all may see.
_BUSY = f"""
SELECT count(*) FROM pg_stat_activity a
WHERE datname = current_database() AND {IS_WORKER}
  AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid')
"""


def busy(conn: Connection) -> int | None:
    """Return how many processes are in a transaction, those of rescue too; None behind a pooler.

    A pooler's sessions are nobody's own. An idle worker holds none.
    """
    if conn.lent:
        return None
    return conn.execute(_BUSY).fetchall()[0][0]  # type: ignore[return-value] # a bigint
