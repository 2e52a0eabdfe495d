"""Connections: one pool a process, opened after any fork, each session guarded on the server's side.

The guards are what makes a row lock a lease (DESIGN.md section 3): a worker that dies or hangs loses its transaction
whatever its own clock or code does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from ingest.db import prepared
from ingest.db.faults import ours

Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]
Pool: TypeAlias = ConnectionPool[Connection]

# How sweep knows a worker's sessions in pg_stat_activity; a block that was delivered before adds `:seconds` to it.
WORKER = "sluice-worker"

TRANSACTION_TIMEOUT_SINCE = 170000  # the server version that first has it
_KEEPALIVES = {
    # A peer that vanished without a word is noticed within about 6 s, by both ends.
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
}
# Everything is looked up by a key here. A plan that was made while a table was empty, and is kept, would read all of it
# for each key once it has grown: 20 times slower, and worse by the hour. To plan each time costs a small job a third.
_PLANS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
_GUARDS = {
    WORKER: {
        "idle_in_transaction_session_timeout": "5s",  # a worker that hangs between two statements
        "statement_timeout": "8s",
        "lock_timeout": "3s",
        "transaction_timeout": "9s",
        "client_connection_check_interval": "1s",  # a worker that died while its statement runs
        **_PLANS,
        **_KEEPALIVES,
    },
    "sluice-web": {
        # A request must end well inside a client's 30 s.
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "15s",
        "lock_timeout": "5s",
        "client_connection_check_interval": "1s",
        **_PLANS,
        **_KEEPALIVES,
    },
    "sluice-sweep": {
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "10s",
        "lock_timeout": "1s",  # it comes again in a second
        **_KEEPALIVES,
    },
    "sluice-cli": _KEEPALIVES,
}


def connect(url: str, process: str) -> Connection:
    """One connection, in the mode in which the caller owns the transaction; it prepares nothing.

    Args:
        url: libpq URL.
        process: WORKER, `sluice-web`, `sluice-sweep` or `sluice-cli`.

    Raises:
        Unavailable: the server does not answer within 5 s, or refuses.
    """
    with ours():
        connection = psycopg.connect(_conninfo(url, process))
        # Whoever has one looks seldom, sweep once a second, and tables grow meanwhile: each time is worth a plan.
        connection.prepare_threshold = None
        _configure(connection)
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
        _conninfo(url, process),
        min_size=0,
        max_size=size,
        timeout=5,  # a request that finds no connection says 503 rather than wait with its client
        # The pool doubles its pause with each failed attempt: after an outage it would stay away as long again. It
        # gives up before its callers do, and the next caller begins anew.
        reconnect_timeout=4,
        max_idle=60,
        # Not checked each time they are handed out, which is a round trip more: who looks up a key, stores a batch or
        # carries out a job has all of them looked at, by `check`, where it finds its own dead, and tries again.
        configure=_configure,
        open=True,
    )


@contextmanager
def transaction(pool: Pool) -> Iterator[Connection]:
    """A connection of the pool in one transaction: committed at the end, rolled back on any error.

    Raises:
        DatabaseError: in its four classes, for whatever the driver says, at COMMIT too.
    """
    with ours(), pool.connection() as connection:
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
    with ours():
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


def _conninfo(url: str, process: str) -> str:
    guards = {name: value for name, value in _GUARDS[process].items() if name != "transaction_timeout"}
    return make_conninfo(
        url,
        application_name=process,
        connect_timeout=5,
        # UTC: in any other zone the first or the last hours of the years 1 to 9999 cannot be read back.
        options=" ".join(f"-c {name}={value}" for name, value in {"timezone": "UTC", **guards}.items()),
    )


def _configure(connection: Connection) -> None:
    """What the server's version decides, so that it cannot stand in the connection's options."""
    guards = _GUARDS[connection.info.parameter_status("application_name") or WORKER]
    if "transaction_timeout" in guards and connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        connection.autocommit = True
        connection.execute(f"SET transaction_timeout = '{guards['transaction_timeout']}'".encode())
        connection.autocommit = False
