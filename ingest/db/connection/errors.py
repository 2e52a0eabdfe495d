"""Translate driver errors into those of `ingest.errors`, here and nowhere else.

A translated error has a SQLSTATE and a constraint, never row data. Postgres writes row data into its messages (`DETAIL:
Key (email)=…`), so messages about statements are dropped, and each error is raised `from None`. Messages about
connections are kept, because they hold neither rows nor passwords and say what to mend.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from ingest.errors import DatabaseError, DiskFull, TooLarge, TryAgain, Unavailable, WriteRefused
from ingest.metrics import names

# SQLSTATE classes (PostgreSQL documentation, appendix A): data exception, integrity constraint violation, and program
# limit exceeded. The same data would be refused again.
_REFUSED = ("22", "23", "54")

# The reasons that a client reads. Other refusals come from faults that the checks of items let pass.
_REASONS = {
    "22003": "a number in it is too large",
    "54000": "it is too large",
    "54001": "it is nested too deeply",
}
_NO_REASON = "its data cannot be stored"

# The same statement may pass: transaction rollback such as a deadlock (class 40), insufficient resources (53), object
# not in the wanted state, such as a lock that was not to be had (55), and a statement's timeout (57014).
_PASSING = ("40", "53", "55", "57014")

# Division by zero: the guard of merges (`ingest.db.data.growth`) divides, and no other statement of Sluice's.
TOO_LARGE_STATE = "22012"

# SQLSTATEs with an error code of their own.
_NAMED: Mapping[str, type[DatabaseError]] = {TOO_LARGE_STATE: TooLarge, "53100": DiskFull}

# The session is over: connection exceptions (class 08), the server's shutdown, its crash, or its refusal to start one
# (57P01 to 57P05), and the timeouts that end sessions (25P03, 25P04).
_GONE = ("08", "57P", "25P03", "25P04")


@contextmanager
def translated() -> Iterator[None]:
    """Translate every driver error that is raised inside the block.

    Raises:
        WriteRefused: the data cannot be stored; its subclass TooLarge: a merge grows too large.
        TryAgain: a retry may succeed; its subclass DiskFull: once the database has room.
        Unavailable: there is no connection, or it was lost.
        DatabaseError: any other error, which is a bug of Sluice.
    """
    try:
        yield
    except psycopg.Error as error:  # the pool's own, such as PoolTimeout, included
        raise translate(error) from None


def translate(error: psycopg.Error) -> DatabaseError:
    """Return our error for a driver error."""
    state, constraint = error.sqlstate, error.diag.constraint_name
    names.DATABASE_ERRORS.add((state or "00")[:2])
    if state is None:
        return _without_state(error)
    if named := _NAMED.get(state):
        return named(state)
    if state.startswith(_REFUSED):
        return WriteRefused(state, constraint, reason=_REASONS.get(state, _NO_REASON))
    if state.startswith(_PASSING):
        return TryAgain(state, constraint)
    if state.startswith(_GONE):
        return Unavailable(state, reason=_one_line(error.diag.message_primary or ""))
    return DatabaseError(state, constraint)


def _without_state(error: psycopg.Error) -> DatabaseError:
    """Return our error where the client library failed before the server answered: no connection, or no wire form."""
    if isinstance(error, psycopg.DataError):
        return WriteRefused(None, reason="a value has no form that Postgres takes")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(None, reason=_one_line(str(error)))
    return DatabaseError(None)


_LONGEST_REASON = 500
_QUESTION = re.compile(r" Is the server running [^?]*\?")  # libpq's, which our advice answers


def _one_line(text: str) -> str:
    text = _QUESTION.sub("", " ".join(text.split()).removeprefix("connection failed: "))
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
