"""Driver errors become ours, here and nowhere else. What leaves has a SQLSTATE and a constraint, never a row.

Postgres writes row data into its messages (`DETAIL: Key (email)=…`), so no message of the driver is kept: each of our
errors is raised `from None`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg_pool

from ingest.errors import DatabaseError, TryAgain, Unavailable, WriteRefused

# SQLSTATE classes (PostgreSQL documentation, appendix A): data exception, integrity constraint violation, and program
# limit exceeded. The same data would be refused again.
_REFUSED = ("22", "23", "54")

# The same statement may pass: serialization failure, deadlock, statement completion unknown (class 40); lock not
# available, object in use (class 55); query cancelled by a timeout (57014); out of memory, disk full and too many
# connections (class 53).
_PASSING = ("40", "53", "55")


@contextmanager
def ours() -> Iterator[None]:
    """Turn every driver error that is raised inside into one of ours.

    Raises:
        WriteRefused: the data cannot be stored.
        TryAgain: the same again may pass.
        Unavailable: there is no connection, or it was lost.
        DatabaseError: anything else, which is a fault of Sluice's own.
    """
    try:
        yield
    except (psycopg.Error, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed) as error:
        raise translate(error) from None


def translate(error: psycopg.Error | psycopg_pool.PoolTimeout | psycopg_pool.PoolClosed) -> DatabaseError:
    """Our error for one of the driver's."""
    if not isinstance(error, psycopg.Error):
        return Unavailable(None)
    state, constraint = error.sqlstate, error.diag.constraint_name
    if state is None:
        # The client library failed before the server spoke: a lost connection, or a value that has no wire form.
        if isinstance(error, psycopg.DataError):
            return WriteRefused(None)
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Unavailable(None) if lost else DatabaseError(None)
    if state.startswith("08") or state in {"57P01", "57P02", "57P03", "57P05", "25P03", "25P04"}:
        return Unavailable(state)  # class 08, or the server ended the session: shutdown, crash, timeout, sweep
    if state.startswith(_REFUSED):
        return WriteRefused(state, constraint)
    if state.startswith(_PASSING) or state == "57014":
        return TryAgain(state, constraint)
    return DatabaseError(state, constraint)
