"""Blocks of which every key is new: COPY stores them in half the time of `INSERT … ON CONFLICT`.

COPY cannot give way where another writer has just inserted the same key. Then the block is as if it had not been tried,
and the statement that can do it follows. Both lock rows in the order of their keys, so writers of the same ones do not
deadlock.
"""

from collections.abc import Callable, Mapping
from typing import LiteralString

from ingest.db.faults import ours
from ingest.db.pool import Connection
from ingest.errors import WriteRefused

_UNIQUE_VIOLATION = "23505"


def arrived(
    conn: Connection,
    *,
    known: LiteralString,
    keys: Mapping[str, object],
    copy: LiteralString,
    rows: Callable[[], bytes],
) -> bool:
    """Store rows if all their keys are new to the table.

    Args:
        conn: an open transaction.
        known: selects whether any of the keys is in the table.
        keys: its parameters.
        copy: has COPY read the rows.
        rows: makes what it is to read, if it comes to that.

    Returns:
        Whether they are stored. Where they are not, nothing has changed.

    Raises:
        WriteRefused: the database cannot store one of them.
    """
    found = conn.execute(known, keys).fetchone()
    if found is None or found[0]:
        return False
    try:
        with ours(), conn.transaction(), conn.cursor() as cursor, cursor.copy(copy) as stream:
            stream.write(rows())
    except WriteRefused as refusal:
        if refusal.sqlstate == _UNIQUE_VIOLATION:
            return False
        raise
    return True
