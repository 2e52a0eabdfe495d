"""Connections: one pool a process, opened after any fork."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from ingest.db import prepared
from ingest.db.connection import TRANSACTION_TIMEOUT_SINCE, WORKER, Connection, conninfo, set_up
from ingest.db.errors import translated

# Functions that take a connection find here all that they name of it.
__all__ = [
    "TRANSACTION_TIMEOUT_SINCE",
    "WORKER",
    "Connection",
    "Pool",
    "connect",
    "open_pool",
    "session",
    "transaction",
]

Pool: TypeAlias = ConnectionPool[Connection]


def connect(url: str, process: str) -> Connection:
    """One connection, in the mode in which the caller owns the transaction; it prepares nothing.

    Args:
        url: libpq URL.
        process: WORKER, `sluice-web`, `sluice-sweep` or `sluice-cli`.

    Raises:
        Unavailable: the server does not answer within 5 s, or refuses.
    """
    with translated():
        connection = Connection.connect(conninfo(url, process))
        # Whoever has one looks seldom, sweep once a second, and tables grow meanwhile: each time is worth a plan.
        connection.prepare_threshold = None
        set_up(connection, process)
        return connection


def open_pool(url: str, process: str, *, size: int) -> Pool:
    """A pool of up to `size` connections, made as they are wanted. Open it after the fork, never before.

    A connection may have lost its server since it was used last.

    Args:
        url: libpq URL.
        process: WORKER, `sluice-web` or `sluice-sweep`.
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
        # Not checked each time they are handed out, which is a round trip more: who looks up a key, stores a batch or
        # carries out a job has all of them looked at, by `check`, where it finds its own dead, and tries again.
        configure=partial(set_up, process=process),
        open=True,
    )


@contextmanager
def transaction(pool: Pool) -> Iterator[Connection]:
    """A connection of the pool in one transaction: committed at the end, rolled back on any error.

    Raises:
        DatabaseError: in its four classes, for whatever the driver says, at COMMIT too.
    """
    with translated(), pool.connection() as connection:
        _have(connection, autocommit=False)
        try:
            yield connection
        except BaseException:
            prepared.forget(connection)
            raise


@contextmanager
def session(pool: Pool) -> Iterator[Connection]:
    """A connection of the pool on which every statement commits by itself, but for those in `conn.transaction()`.

    Raises:
        DatabaseError: in its four classes, for whatever the driver says.
    """
    with translated():
        connection = pool.getconn()
        try:
            _have(connection, autocommit=True)
            yield connection
        finally:
            # What was left in the middle of something nobody shall have.
            if connection.pgconn.transaction_status != TransactionStatus.IDLE:
                connection.close()
            pool.putconn(connection)


def _have(connection: Connection, *, autocommit: bool) -> None:
    # It comes as whoever had it last has left it. To set this takes a wait, as if the server were asked.
    if connection.autocommit is not autocommit:
        connection.autocommit = autocommit
