"""The processes that run jobs, by their sessions of the server; any role may read what this reads of other sessions."""

from dataclasses import dataclass

from psycopg.rows import class_row

from ingest.db.connection.pool import WORKER, Connection

# Processes of workers' own name, with a number or without one.
IS_WORKER = f"application_name ~ '^{WORKER}(:[0-9]+)?$'"


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes that run jobs, those of workers and of rescue alike.

    Attributes:
        connected: those that hold a session; one that had nothing to do for a minute holds none.
        busy: those of them that are in a transaction at this moment.
    """

    connected: int
    busy: int


# Postgres shows other roles no xact_start; a transaction has a lock on its own virtual id as well, which all may see.
_SEEN = f"""
SELECT count(*) AS connected,
       count(*) FILTER (WHERE EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid')) AS busy
FROM pg_stat_activity a WHERE datname = current_database() AND {IS_WORKER}
"""


def seen(conn: Connection) -> Workers | None:
    """Return the workers; None behind a pooler, whose sessions are nobody's own."""
    if conn.lent:
        return None
    with conn.cursor(row_factory=class_row(Workers)) as cursor:
        return cursor.execute(_SEEN).fetchall()[0]
