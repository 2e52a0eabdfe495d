"""A statement past the driver: prepared once a connection and executed by libpq itself, for what each request does.

psycopg's way to execute costs a request two or three times as much processor time: it adapts values one by one, counts
what it may prepare, and waits in Python. Without this module a process accepts 0.93 as many batches of 100 events a
second, and 0.92 as many of one, measured side by side.
"""

import select
import struct
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from ingest.db.connection.session import Connection, checked

# The type of a parameter, and its value in PostgreSQL's binary format, by the type that it has in Python.
_TYPES: dict[type, tuple[str, Callable[[Any], bytes]]] = {
    UUID: ("uuid", attrgetter("bytes")),
    int: ("int4", struct.Struct(">i").pack),
    bool: ("bool", struct.Struct(">?").pack),
    str: ("text", str.encode),
    bytes: ("bytea", bytes),
}

# The statements that each connection is known to have.
_known: WeakKeyDictionary[Connection, set[bytes]] = WeakKeyDictionary()

_PREPARED = "SELECT name FROM pg_prepared_statements WHERE name = ANY (%s)"
_UNKNOWN_STATEMENT = b"26000"  # invalid_sql_statement_name (PostgreSQL documentation, appendix A)


class Prepared:
    """A statement of whose rows, if it returns any, the number is enough.

    Args:
        name: of it on the server, where no other has it.
        text: of it, its parameters spelt as psycopg spells them, `%(name)s`.
        parameters: their names and types: UUID, int (of 4 bytes there), bool, str or bytes.
    """

    def __init__(self, name: str, text: str, parameters: Mapping[str, type]) -> None:
        self._name = name.encode()
        self._text = (text % {parameter: f"${place}" for place, parameter in enumerate(parameters, 1)}).encode()
        self._plain = text % {
            parameter: f"%({parameter})s::{_TYPES[value_type][0]}" for parameter, value_type in parameters.items()
        }
        self._oids = [psycopg.adapters.types[_TYPES[value_type][0]].oid for value_type in parameters.values()]
        self._encoders = [(parameter, _TYPES[value_type][1]) for parameter, value_type in parameters.items()]
        self._formats = [Format.BINARY] * len(parameters)

    def execute(self, conn: Connection, values: Mapping[str, Any]) -> int:
        """Execute it.

        Args:
            conn: a connection, in a transaction or not.
            values: of all parameters; each of its type, or None.

        Returns:
            The number of rows that it has written or found.

        Raises:
            psycopg.Error: as the driver would.
        """
        if conn.lent:
            # The driver knows whether a statement that it has prepared is known to the next session.
            return conn.execute(self._plain, values).rowcount
        encoded = [None if (value := values[name]) is None else encode(value) for name, encode in self._encoders]
        known = _known.setdefault(conn, set())
        # A transaction would be aborted by a statement that is unknown, so there it is looked for each time; which has
        # psycopg begin it, too.
        alone = conn.autocommit and conn.pgconn.transaction_status == TransactionStatus.IDLE
        execute = self._enter_and_execute if alone else self._execute
        if not alone or self._name not in known:
            self._prepare(conn)
            known.add(self._name)
        result = execute(conn, encoded)
        if result.error_field(DiagnosticField.SQLSTATE) == _UNKNOWN_STATEMENT:
            self._prepare(conn)
            result = execute(conn, encoded)
        return checked(conn, result).command_tuples or 0

    def _prepare(self, conn: Connection) -> None:
        missing = {self._name: (self._text, self._oids)}
        if conn.entry:
            missing[conn.entry.name] = (conn.entry.statement.replace("%s", "$1").encode(), [])
        for (name,) in conn.execute(_PREPARED, ([name.decode() for name in missing],)):
            del missing[str(name).encode()]
        for name, (text, oids) in missing.items():
            checked(conn, conn.pgconn.prepare(name, text, oids))

    def _execute(self, conn: Connection, encoded: list[bytes | None]) -> PGresult:
        return conn.pgconn.exec_prepared(self._name, encoded, self._formats, Format.BINARY)  # type: ignore[arg-type] # None is NULL

    def _enter_and_execute(self, conn: Connection, encoded: list[bytes | None]) -> PGresult:
        """Execute it, behind the connection's entry: sent in one go, the two are one transaction and one round trip."""
        if conn.entry is None:
            return self._execute(conn, encoded)
        pgconn = conn.pgconn
        pgconn.enter_pipeline_mode()
        pgconn.send_query_prepared(conn.entry.name, [conn.entry.value.encode()])
        pgconn.send_query_prepared(self._name, encoded, self._formats, Format.BINARY)
        pgconn.pipeline_sync()
        results = _results(pgconn)
        pgconn.exit_pipeline_mode()
        # Behind an error stands what was not done because of it.
        return next((result for result in results if result.status == ExecStatus.FATAL_ERROR), results[-2])


def _results(pgconn: PGconn) -> list[PGresult]:
    """Return the results of all that was sent, the end of the transaction included.

    To ask libpq for a result that has not come yet would hold up all threads.

    Raises:
        psycopg.OperationalError: the connection is lost.
    """
    ready = select.poll()
    ready.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        ready.poll()
        pgconn.consume_input()
    ready.modify(pgconn.socket, select.POLLIN)
    results: list[PGresult] = []
    while not results or results[-1].status != ExecStatus.PIPELINE_SYNC:
        while pgconn.is_busy():
            ready.poll()
            pgconn.consume_input()
        if pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(pgconn.get_error_message())
        if (result := pgconn.get_result()) is not None:
            results.append(result)
    return results


def forget(conn: Connection) -> None:
    """Say that a connection may have lost its statements: psycopg has the server drop all of them at a ROLLBACK.

    After one that is not told of, the next use costs an error in the server's log, and is tried again.
    """
    _known.pop(conn, None)
