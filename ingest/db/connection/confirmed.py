"""Resolve a COMMIT whose answer was lost: ask the server whether it landed, or repeat an idempotent statement."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ingest.db.connection.pool import Connection, Pool, autocommit, transaction
from ingest.errors import KeyInProgress, TryAgain, Unavailable

_Result = TypeVar("_Result")

# A session that lost its client ends at once, or within idle_in_transaction_session_timeout
# (ingest/db/connection/pool.py).
_TIMEOUT_SECONDS = 7.0
_INTERVAL_SECONDS = 0.1

# NULL where the transaction wrote nothing.
_NAME = "SELECT pg_current_xact_id_if_assigned()::text"
_STATUS = "SELECT pg_xact_status(%s::xid8)"


@contextmanager
def confirmed_transaction(pool: Pool) -> Iterator[Connection]:
    """Open a transaction whose outcome is known: no error means committed, an error means not committed.

    Raises:
        Unavailable: nothing was committed; or the server was unreachable for too long, and the outcome is unknown.
        DatabaseError: in its other classes; nothing was committed.
    """
    name: object = None
    try:
        with transaction(pool) as conn:
            yield conn
            row = conn.execute(_NAME).fetchone()
            name = row[0] if row else None
    except Unavailable:
        if name is None or not _landed(pool, name):
            raise


def retry_until_known(pool: Pool, write: Callable[[Connection], _Result]) -> _Result:
    """Run an idempotent statement, and repeat it where its answer was lost, until its outcome is known.

    Args:
        pool: of connections.
        write: executes the statement. The statement must wait for its own first attempt while that is in progress, as
            an INSERT of the same key does, or raise KeyInProgress.

    Returns:
        The result of `write`.

    Raises:
        Unavailable: nothing was committed; or the server was unreachable for too long, and the outcome is unknown.
        DatabaseError: in its other classes; nothing was committed.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    sent = lost = False
    while True:
        try:
            with autocommit(pool) as conn:
                sent = True
                return write(conn)
        except Unavailable:
            if not sent or time.monotonic() > deadline:
                raise
            lost = True
        except (TryAgain, KeyInProgress):
            # This attempt may have timed out behind the lost one, or found its lock; the lost one may still land.
            if not lost:
                raise
            if time.monotonic() > deadline:
                raise Unavailable(None) from None
        pool.check()
        time.sleep(_INTERVAL_SECONDS)


def _landed(pool: Pool, name: object) -> bool:
    """Ask over another connection until the transaction has ended; return True if it committed."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        with transaction(pool) as conn:
            row = conn.execute(_STATUS, (name,)).fetchone()
        if row is None or row[0] != "in progress":
            return row is not None and row[0] == "committed"
        if time.monotonic() > deadline:
            raise Unavailable(None)
        time.sleep(_INTERVAL_SECONDS)
