"""Connections: one pool a process, opened after any fork."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from ingest.db.connection import prepared
from ingest.db.connection.entry import Entry
from ingest.db.connection.errors import translated
from ingest.db.connection.session import TRANSACTION_TIMEOUT_SINCE, WORKER, Connection, conninfo, set_up

# Functions that take a connection find here all that they name of it.
__all__ = [
    "TRANSACTION_TIMEOUT_SINCE",
    "WORKER",
    "Connection",
    "Connections",
    "EnteredPool",
    "Pool",
    "autocommit",
    "connect",
    "open_pool",
    "transaction",
]


Connections: TypeAlias = ConnectionPool[Connection]


@dataclass(frozen=True, slots=True)
class EnteredPool:
    """A pool whose transactions all say whose they are.

    Attributes:
        connections: of the pool.
        entry: what they say.
    """

    connections: Connections
    entry: Entry

    def check(self) -> None:
        """Replace idle connections whose server is gone."""
        self.connections.check()


Pool: TypeAlias = Connections | EnteredPool


def connect(url: str, process: str) -> Connection:
    """Lend one connection, in the mode in which the caller owns the transaction; it prepares nothing.

    Args:
        url: libpq URL.
        process: WORKER, `sluice-web`, `sluice-sweep`, `sluice-webhooks` or `sluice-cli`.

    Raises:
        Unavailable: the server does not answer within 5 s, or refuses.
    """
    with translated():
        connection = Connection.connect(conninfo(url, process))
        # Prepare nothing: these connections query seldom (sweep once a second) and tables grow meanwhile. Plan anew.
        connection.prepare_threshold = None
        set_up(connection, process)
        return connection


def open_pool(url: str, process: str, *, size: int) -> Connections:
    """Open a pool of up to `size` connections, made as they are wanted. Call it after the fork, never before.

    A connection may have lost its server since it was used last.

    Args:
        url: libpq URL.
        process: WORKER, `sluice-web`, `sluice-console` or `sluice-sweep`.
        size: the most connections that it holds.
    """
    return ConnectionPool(
        conninfo(url, process),
        connection_class=Connection,
        min_size=0,
        max_size=size,
        timeout=5,  # a request that finds no connection says 503 rather than wait with its client
        # The pool doubles its pause with each failed attempt: after an outage it would stay away as long again. It
        # gives up before its callers do, and the next caller begins anew.
        reconnect_timeout=4,
        max_idle=60,
        # Connections are not checked on checkout, because that is a round trip. Code that looks up a key, stores a
        # batch or runs a job calls `check` when it finds its own connection dead, and tries again.
        configure=partial(set_up, process=process),
        open=True,
    )


@contextmanager
def transaction(pool: Pool) -> Iterator[Connection]:
    """Lend a connection of the pool in one transaction: committed at the end, rolled back on any error.

    Raises:
        DatabaseError: in its four classes, for whatever the driver says, at COMMIT too.
    """
    connections, entry = _parts(pool)
    with translated(), connections.connection() as connection:
        _have(connection, entry, autocommit=False)
        try:
            yield connection
        except BaseException:
            prepared.forget(connection)
            raise


@contextmanager
def autocommit(pool: Pool) -> Iterator[Connection]:
    """Lend a connection of the pool on which each statement commits by itself, except inside `conn.transaction()`.

    Raises:
        DatabaseError: in its four classes, for whatever the driver says.
    """
    connections, entry = _parts(pool)
    with translated():
        connection = connections.getconn()
        try:
            _have(connection, entry, autocommit=True)
            yield connection
        finally:
            # Close a connection that was left inside a transaction: the next borrower must not continue it.
            if connection.pgconn.transaction_status != TransactionStatus.IDLE:
                connection.close()
            connections.putconn(connection)


def _parts(pool: Pool) -> tuple[Connections, Entry | None]:
    return (pool.connections, pool.entry) if isinstance(pool, EnteredPool) else (pool, None)


def _have(connection: Connection, entry: Entry | None, *, autocommit: bool) -> None:
    connection.entry = entry if connection.walled else None
    # The connection is as its last borrower left it. Set the mode only if it differs: setting waits as a query does.
    if connection.autocommit is not autocommit:
        connection.autocommit = autocommit
