"""A COMMIT whose answer was lost: did it land? The server remembers, or the work is done again: no guessing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ingest.db.pool import Connection, Pool, session, transaction
from ingest.errors import TryAgain, Unavailable

_Result = TypeVar("_Result")

# A session that lost its client ends at once, or within idle_in_transaction_session_timeout (ingest/db/pool.py).
_PATIENCE_SECONDS = 7.0
_INTERVAL_SECONDS = 0.1

# NULL where the transaction wrote nothing.
_NAME = "SELECT pg_current_xact_id_if_assigned()::text"
_STATUS = "SELECT pg_xact_status(%s::xid8)"


@contextmanager
def committed(pool: Pool) -> Iterator[Connection]:
    """Like `transaction`, but where it ends without an error the work stands, and where it ends with one it does not.

    Raises:
        Unavailable: the work does not stand; or the server stayed away too long to tell, which nothing can rule out.
        DatabaseError: in its other classes; the work does not stand.
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


def surely(pool: Pool, write: Callable[[Connection], _Result]) -> _Result:
    """Have one statement done that can be done twice and stands once: where its answer was lost, it is done again.

    Args:
        pool: of connections.
        write: executes it. It must wait for its own first attempt where that is still under way, as an INSERT of the
            same key does.

    Returns:
        What it returned.

    Raises:
        Unavailable: it was not done; or the server stayed away too long to tell, which nothing can rule out.
        DatabaseError: in its other classes; it was not done.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    sent = lost = False
    while True:
        try:
            with session(pool) as conn:
                sent = True
                return write(conn)
        except Unavailable:
            if not sent or time.monotonic() > deadline:
                raise
            lost = True
        except TryAgain:
            # It may have waited in vain for the attempt that was lost, which may still land.
            if not lost:
                raise
            if time.monotonic() > deadline:
                raise Unavailable(None) from None
        pool.check()
        time.sleep(_INTERVAL_SECONDS)


def _landed(pool: Pool, name: object) -> bool:
    """Ask over another connection until the transaction has ended, one way or the other."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with transaction(pool) as conn:
            row = conn.execute(_STATUS, (name,)).fetchone()
        if row is None or row[0] != "in progress":
            return row is not None and row[0] == "committed"
        if time.monotonic() > deadline:
            raise Unavailable(None)
        time.sleep(_INTERVAL_SECONDS)
