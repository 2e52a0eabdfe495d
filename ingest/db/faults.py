"""Driver errors become ours, here and nowhere else. What leaves has a SQLSTATE and a constraint, never a row.

Postgres writes row data into its messages (`DETAIL: Key (email)=…`), so none about a statement is kept: each of our
errors is raised `from None`. Messages about connections hold neither rows nor passwords, and say what to mend: those
are kept.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from ingest.db.growth import TOO_LARGE_STATE
from ingest.errors import DatabaseError, DiskFull, TooLarge, TryAgain, Unavailable, WriteRefused

# SQLSTATE classes (PostgreSQL documentation, appendix A): data exception, integrity constraint violation, and program
# limit exceeded. The same data would be refused again.
_REFUSED = ("22", "23", "54")

# The same statement may pass: transaction rollback such as a deadlock (class 40), insufficient resources (53), object
# not in the wanted state, such as a lock that was not to be had (55), and a statement's timeout (57014).
_PASSING = ("40", "53", "55", "57014")

# SQLSTATEs that clients hear of by a code of their own.
_NAMED: Mapping[str, type[DatabaseError]] = {TOO_LARGE_STATE: TooLarge, "53100": DiskFull}

# The session is over: connection exceptions (class 08), the server's shutdown, its crash, or its refusal to start one
# (57P01 to 57P05), and the timeouts that end sessions (25P03, 25P04).
_GONE = ("08", "57P", "25P03", "25P04")


@contextmanager
def ours() -> Iterator[None]:
    """Turn every driver error that is raised inside into one of ours.

    Raises:
        WriteRefused: the data cannot be stored; TooLarge, which is one, where a merge grows too large.
        TryAgain: the same again may pass; as DiskFull, once the database has room.
        Unavailable: there is no connection, or it was lost.
        DatabaseError: anything else, which is a fault of Sluice's own.
    """
    try:
        yield
    except psycopg.Error as error:  # the pool's own, such as PoolTimeout, included
        raise translate(error) from None


def translate(error: psycopg.Error) -> DatabaseError:
    """Our error for one of the driver's."""
    state, constraint = error.sqlstate, error.diag.constraint_name
    if state is None:
        return _without_state(error)
    if named := _NAMED.get(state):
        return named(state)
    if state.startswith(_REFUSED):
        return WriteRefused(state, constraint)
    if state.startswith(_PASSING):
        return TryAgain(state, constraint)
    if state.startswith(_GONE):
        return Unavailable(state, reason=_one_line(error.diag.message_primary or ""))
    return DatabaseError(state, constraint)


def _without_state(error: psycopg.Error) -> DatabaseError:
    """The client library failed before the server spoke: no connection, or a value that has no wire form."""
    if isinstance(error, psycopg.DataError):
        return WriteRefused(None, reason="a value has no form that Postgres takes")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(None, reason=_one_line(str(error)))
    return DatabaseError(None)


_LONGEST_REASON = 500


def _one_line(text: str) -> str:
    text = " ".join(text.split()).removeprefix("connection failed: ")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
