"""Migrations: numbered SQL files, forward only.

Most are one transaction, which records them too. A file that begins with STEPWISE has statements that Postgres runs in
no transaction, such as CREATE INDEX CONCURRENTLY, or that commit in steps, so that nobody waits for them. These run on
a second connection, and are recorded once all of them have: each must be harmless where it has run before. Behind the
last migration, what is missing of the wall between tenants is built.
"""

import time
from contextlib import closing
from importlib.resources import files

import psycopg
from psycopg.conninfo import make_conninfo

from ingest.db.connection import walls
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import connect
from ingest.db.connection.session import Connection, unfit
from ingest.errors import TryAgain, WrongDatabase

# Any number, so long as nothing else on the server takes the same advisory lock.
_LOCK = 5_748_309_261
_LOCK_TIMEOUT_SECONDS = 120.0
_LOCK_INTERVAL_SECONDS = 0.1
_WALL_TIMEOUT_SECONDS = 300.0

STEPWISE = b"-- Each paragraph is a transaction of its own.\n"

_APPLIED = "SELECT name FROM sluice_migrations ORDER BY name"
_HAS_TABLE = "SELECT to_regclass('sluice_migrations') IS NOT NULL"
_CREATE_TABLE = """
-- The migrations that this database has had, each recorded in the transaction that applied it.
CREATE TABLE IF NOT EXISTS sluice_migrations (
    name       text CONSTRAINT sluice_migrations_pkey PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def pending(conn: Connection) -> list[str]:
    """Return the names of the migrations that the database has not had, in order."""
    with translated():
        row = conn.execute(_HAS_TABLE).fetchone()
        # A prepared query would leave its snapshot behind, for which CREATE INDEX CONCURRENTLY waits.
        applied = {str(name) for (name,) in conn.execute(_APPLIED, prepare=False)} if row and row[0] else set[str]()
    return [name for name in _all() if name not in applied]


def migrate(conn: Connection) -> list[str]:
    """Bring the schema up to date. Run twice, or by two at once, it is harmless.

    The one function of this package that commits: the lock that keeps other runners out and the record of a migration
    are one transaction. So a pooler may lend each of these transactions another session.

    Args:
        conn: a connection; a transaction that is open on it is committed first.

    Returns:
        The names of the migrations that this call applied.

    Raises:
        WrongDatabase: it cannot hold what clients send.
        TryAgain: another runner held the lock for two minutes, or a transaction held a table for five.
        DatabaseError: a migration was refused; those before it stand. Nothing of it does, but for the steps of one that
            goes stepwise: the next call begins it anew.
    """
    if refusal := unfit(conn):
        raise WrongDatabase(refusal)
    with translated():
        conn.commit()
    applied: list[str] = []
    deadline = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    while True:
        with translated(), conn.transaction():
            if locked := _lock(conn):
                conn.execute(_CREATE_TABLE)
                missing = pending(conn)
                if missing:
                    _apply(conn, missing[0])
                    conn.execute("INSERT INTO sluice_migrations (name) VALUES (%s)", (missing[0],))
        if locked:
            if not missing:
                _build_wall(conn)
                return applied
            applied += missing[:1]
            deadline = time.monotonic() + _LOCK_TIMEOUT_SECONDS
        elif time.monotonic() > deadline:
            raise TryAgain("55P03", reason="another `sluice migrate` has held its lock for two minutes")
        else:
            time.sleep(_LOCK_INTERVAL_SECONDS)


# While a change of a table waits for its lock, all that come after it wait too.
_BRIEFLY = "SELECT set_config('lock_timeout', '0.2s', true)"


def _build_wall(conn: Connection) -> None:
    """Build what is missing of the wall: a part a transaction, which asks for its locks for an instant at a time.

    Raises:
        TryAgain: another runner, or a transaction that holds a table, did not end in time.
    """
    deadline = time.monotonic() + _WALL_TIMEOUT_SECONDS
    while True:
        blocked = TryAgain("55P03", reason="another `sluice migrate` holds its lock")
        try:
            with translated(), conn.transaction():
                if locked := _lock(conn):
                    conn.execute(_BRIEFLY)
                    if not walls.build_next(conn):
                        return
        except TryAgain as error:
            locked, blocked = False, error
        if locked:
            deadline = time.monotonic() + _WALL_TIMEOUT_SECONDS
        elif time.monotonic() > deadline:
            raise blocked
        else:
            time.sleep(_LOCK_INTERVAL_SECONDS)


def _apply(conn: Connection, name: str) -> None:
    """Run a migration; one that goes stepwise on another connection, while `conn` holds the lock.

    An open transaction that runs no statement has no snapshot, so CREATE INDEX CONCURRENTLY does not wait for it.
    """
    sql = _sql(name)
    if not sql.startswith(STEPWISE):
        conn.execute(sql)
        return
    same = make_conninfo(conn.info.dsn, password=conn.info.password)
    with closing(connect(same, "sluice-cli")) as steps:
        steps.autocommit = True
        # Our own cursors begin a transaction where a pooler lends the session.
        steps.cursor_factory = psycopg.Cursor
        for paragraph in sql.split(b"\n\n"):
            steps.execute(paragraph)


def _lock(conn: Connection) -> bool:
    """Try for the lock: to wait for it in the server deadlocks with another runner's CREATE INDEX CONCURRENTLY."""
    return conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,)).fetchone() == (True,)


def _all() -> list[str]:
    folder = files("ingest.db") / "migrations"
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


def _sql(name: str) -> bytes:
    return (files("ingest.db") / "migrations" / f"{name}.sql").read_bytes()
