"""A connection to Postgres with the settings that Sluice relies on, whatever its database, role, URL or user say.

A session of our own gets them once, right after it was opened. A pooler such as PgBouncer lends a session for one
transaction only, so there each transaction begins with them, in the message that begins it.

The guards are what makes a row lock a lease: a worker that dies or hangs loses its transaction whatever its own clock
or code does (docs/explanation/how-it-works.md, "The row lock is the lease").
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from ingest.db.connection.entry import Entry

# The sweeper finds workers' sessions in pg_stat_activity by this name, behind which a block that was delivered before
# adds `:seconds`.
WORKER = "sluice-worker"

TRANSACTION_TIMEOUT_SINCE = 170000  # the server version that first has it

# The role that web takes, whatever its login may besides: the wall between tenants holds it (`walls`). So does the
# console, a part of web. A right to take roles of which a login is a member came with version 16.
_ROLES = {"sluice-web": "sluice_app", "sluice-console": "sluice_app"}
_RIGHT_TO_SET_SINCE = 160000

# Our SQL and psycopg's parsing of values rely on these settings. `search_path` stays the user's.
_NEEDED = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    # In any other zone the first or the last hours of the years 1 to 9999 cannot be read back.
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    # Every write waits for the row that it found locked, and then looks again; stricter levels refuse it instead.
    "default_transaction_isolation": "read committed",
}
_KEEPALIVES = {
    # A peer that vanished without a word is noticed within about 6 s, by both ends.
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
}
# A plan that was made while a table was empty is kept: it must use an index, or it would read all of the table for each
# key once that has grown. Joins have a spelling instead: docs/explanation/how-it-works.md, "Plans that are kept".
_PLANS = {"enable_seqscan": "off"}
_GUARDS = {
    WORKER: {
        "idle_in_transaction_session_timeout": "5s",  # a worker that hangs between two statements
        "statement_timeout": "8s",
        "lock_timeout": "3s",
        "transaction_timeout": "9s",
        "client_connection_check_interval": "1s",  # a worker that died while its statement runs
        **_PLANS,
    },
    "sluice-web": {
        # A request must end well inside a client's 30 s.
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "15s",
        "lock_timeout": "5s",
        "transaction_timeout": "0",
        "client_connection_check_interval": "1s",
        **_PLANS,
    },
    # A page of the console shows the rest where a part of it takes too long: it never holds up the API.
    "sluice-console": {
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "500ms",
        "lock_timeout": "500ms",
        "transaction_timeout": "0",
        "client_connection_check_interval": "1s",
        **_PLANS,
    },
    "sluice-sweep": {
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "10s",
        "lock_timeout": "1s",  # it comes again in a second
        "transaction_timeout": "0",
    },
    "sluice-webhooks": {
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "10s",
        "lock_timeout": "1s",  # what is due stays due
        "transaction_timeout": "0",
    },
    # A migration or a check of all rows may take hours.
    "sluice-cli": {
        "idle_in_transaction_session_timeout": "0",
        "statement_timeout": "0",
        "lock_timeout": "0",
        "transaction_timeout": "0",
    },
}

# An error that breaks a unique key has the key in its DETAIL, such as external ids: not for the server's log.
# Only superusers may set it, and roles to which one has granted it.
QUIET = {"log_error_verbosity": "terse"}

# The session is lent where the process that serves it is not the one that answered the connection. Then nothing must
# stay behind in it, so the settings end with this statement. A role is taken where this database has its wall
# (`ingest.db.connection.walls`) and the login may; it comes last, since others are the login's to set.
_SET_UP = """
SELECT pg_backend_pid() <> %(pid)s, name, set_config(name, value, pg_backend_pid() <> %(pid)s),
       coalesce(row_security_active(to_regclass('entities')), false)
FROM unnest(%(names)s::text[], %(values)s::text[]) AS s (name, value)
WHERE CASE WHEN name = 'role' THEN coalesce(
               has_table_privilege(to_regrole(value)::oid, to_regclass('sluice_migrations')::oid, 'SELECT')
               AND pg_has_role(to_regrole(value)::oid, %(right)s), false)
           ELSE name <> ALL (%(optional)s::text[]) OR has_parameter_privilege(name, 'SET') END
"""


class Connection(psycopg.Connection[tuple[object, ...]]):
    """A connection whose every transaction has our settings, and says whose it is.

    Attributes:
        settings: the statements that give a transaction our settings where a pooler lends the session; else none.
        walled: its role sees the rows of one tenant at a time.
        held: row-level security holds its role, for which Postgres has no COPY into a table.
        entry: of whoever has borrowed it; None where it is not walled, or is nobody's.
    """

    settings: tuple[bytes, ...] = ()
    walled: bool = False
    held: bool = False
    entry: Entry | None = None

    @property
    def lent(self) -> bool:
        """True if each transaction may have another session of the server's."""
        return bool(self.settings)

    @property
    def _is_plain(self) -> bool:
        """True if a transaction begins as the driver begins it."""
        return not self.settings and self.entry is None

    def begin(self) -> None:
        """Begin a transaction, with our settings and its entry in the same message.

        Raises:
            psycopg.Error: as the driver would.
        """
        # SET and not set_config: nothing that takes a snapshot may come before a transaction's own SET TRANSACTION.
        opening = [
            b"BEGIN ISOLATION LEVEL READ COMMITTED",
            *self.settings,
            *([self.entry.spelled] if self.entry else []),
        ]
        checked(self, self.pgconn.exec_(b"; ".join(opening)))

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Give one statement its transaction: the open one, or one of its own where the connection autocommits."""
        if self._is_plain or self.pgconn.transaction_status != TransactionStatus.IDLE:
            yield
        elif not self.autocommit:
            self.begin()
            yield
        elif self.lent or self.entry is None:
            with self.transaction():
                yield
        else:
            # Statements that are sent in one go are one transaction, without messages that begin and commit it.
            with self.pipeline():
                psycopg.Cursor(self).execute(self.entry.statement, (self.entry.value,))
                yield

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Any]:  # noqa: FBT001, FBT002 # psycopg's signature
        """As of psycopg."""
        if self._is_plain or self.pgconn.transaction_status != TransactionStatus.IDLE:
            with super().transaction(savepoint_name, force_rollback) as transaction:
                yield transaction
            return
        try:
            self.begin()
            yield None
        except BaseException:
            with suppress(psycopg.Error):  # the connection may be what was lost
                self.rollback()
            raise
        if force_rollback:
            self.rollback()
        else:
            self.commit()


class _Cursor(psycopg.Cursor[Any]):
    """Begins transactions as a lent session, or a walled one, needs it."""

    def execute(self, *args: Any, **options: Any) -> Self:
        connection: Any = self.connection
        with connection.begun():
            return super().execute(*args, **options)


def conninfo(url: str, process: str) -> str:
    """Return libpq's connection string: the whole URL, `options` included, and the settings that only libpq can make.

    Args:
        url: libpq URL.
        process: WORKER, `sluice-web`, `sluice-console`, `sluice-sweep`, `sluice-webhooks` or `sluice-cli`.
    """
    return make_conninfo(url, application_name=process, client_encoding="UTF8", connect_timeout=5)


def settings_of(process: str, server_version: int) -> Mapping[str, str]:
    """Return the settings that each transaction of a process has, as Postgres spells them.

    Args:
        process: as for `conninfo`.
        server_version: as libpq has it, such as 150004.
    """
    settings = {"application_name": process, **_NEEDED, **_GUARDS[process]}
    if server_version < TRANSACTION_TIMEOUT_SINCE:
        del settings["transaction_timeout"]
    return settings


def set_up(connection: Connection, process: str) -> None:
    """Give a new connection its settings.

    Args:
        connection: fresh, with no transaction open.
        process: as for `conninfo`.

    Raises:
        psycopg.Error: the server refuses one of them.
    """
    version = connection.info.server_version
    settings = {**settings_of(process, version), **QUIET}
    role = {"role": _ROLES[process]} if process in _ROLES else {}
    of_session = {**settings, **_KEEPALIVES, **role}
    connection.autocommit = True
    values = {
        "pid": connection.info.backend_pid,
        "names": list(of_session),
        "values": list(of_session.values()),
        "optional": list(QUIET),
        "right": "SET" if version >= _RIGHT_TO_SET_SINCE else "MEMBER",
    }
    made = connection.execute(_SET_UP, values).fetchall()
    connection.autocommit = False
    names = {name for _, name, *_ in made}
    connection.walled = "role" in names
    connection.held = connection.walled or bool(made[0][3])
    is_lent = made[0][0]
    if is_lent or connection.walled:
        connection.cursor_factory = _Cursor
    if is_lent:
        own = {**settings, **role}.items()
        connection.settings = tuple(f"SET LOCAL {name} = '{value}'".encode() for name, value in own if name in names)
        if not _carries_prepared_statements(connection):
            connection.prepare_threshold = None


def _carries_prepared_statements(connection: Connection) -> bool:
    """True if the pooler makes a prepared statement known wherever it is executed, as PgBouncer does since 1.22.

    It then gives the statement another name on the server; any other pooler passes the name on.
    """
    name = f"sluice_{secrets.token_hex(8)}".encode()
    connection.begin()
    checked(connection, connection.pgconn.prepare(name, b"SELECT 1"))
    passed_on = connection.execute("SELECT FROM pg_prepared_statements WHERE name = %s", (name.decode(),)).rowcount == 1
    if passed_on:
        connection.execute(b"DEALLOCATE " + name)
    connection.commit()
    return not passed_on


def checked(connection: psycopg.Connection[Any], result: PGresult) -> PGresult:
    """Return the result of what libpq executed.

    Raises:
        psycopg.Error: as the driver would, where it is an error.
    """
    if connection.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(connection.pgconn.get_error_message())
    if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        if result.error_field(DiagnosticField.SQLSTATE) is None:  # libpq says it, not the server: the connection breaks
            raise psycopg.OperationalError(result.get_error_message())
        raise error_from_result(result)
    return result


def unfit(connection: Connection) -> str | None:
    """Return why a database cannot hold what clients send, and what to do; None where it can."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding == "UTF8":
        return None
    return (
        f"the database is encoded in {encoding}, which cannot hold every text: make another one by "
        "CREATE DATABASE … ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and name it in DATABASE_URL"
    )
