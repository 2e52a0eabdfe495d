"""A statement past the driver: prepared once a connection and executed by libpq itself, for what each request does.

psycopg's way to execute costs a request two or three times as much processor time: it adapts values one by one, counts
what it may prepare, and waits in Python. Without this module a process accepts 0.93 as many batches of 100 events a
second, and 0.92 as many of one, measured side by side.
"""

import struct
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import DiagnosticField, Format, TransactionStatus
from psycopg.pq.abc import PGresult

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

_IS_PREPARED = "SELECT FROM pg_prepared_statements WHERE name = %s"
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
        if not alone or self._name not in known:
            self._prepare(conn)
            known.add(self._name)
        result = self._execute(conn, encoded)
        if result.error_field(DiagnosticField.SQLSTATE) == _UNKNOWN_STATEMENT:
            self._prepare(conn)
            result = self._execute(conn, encoded)
        return checked(conn, result).command_tuples or 0

    def _prepare(self, conn: Connection) -> None:
        if not conn.execute(_IS_PREPARED, (self._name.decode(),)).rowcount:
            checked(conn, conn.pgconn.prepare(self._name, self._text, self._oids))

    def _execute(self, conn: Connection, encoded: list[bytes | None]) -> PGresult:
        return conn.pgconn.exec_prepared(self._name, encoded, self._formats, Format.BINARY)  # type: ignore[arg-type] # None is NULL


def forget(conn: Connection) -> None:
    """Say that a connection may have lost its statements: psycopg has the server drop all of them at a ROLLBACK.

    After one that is not told of, the next use costs an error in the server's log, and is tried again.
    """
    _known.pop(conn, None)
