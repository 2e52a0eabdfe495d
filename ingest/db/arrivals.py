"""Blocks of which every key is new: COPY stores them in half the time of `INSERT … ON CONFLICT`.

COPY cannot give way where a key is there already, or another writer has just inserted it. Then the block is as if it
had not been tried, and the statement that can do it follows. Both lock rows in the order of their keys, so writers of
the same ones do not deadlock.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import LiteralString
from weakref import WeakKeyDictionary

from ingest.db.binary import Field
from ingest.db.copying import copied
from ingest.db.errors import translated
from ingest.db.pool import Connection
from ingest.errors import WriteRefused

_UNIQUE_VIOLATION = "23505"

# To look the keys up costs a large table as much as to store the rows. A tenant who has sent so many new ones in a row
# is loading, and goes on to: they are stored without a look. Where a key is there after all, what was stored is left
# dead in the table, and the server's log has a line of it; so it takes many more new ones before it is done again.
_LOADING_ROWS = 10_000
_CAUTION_ROWS = 100_000
_MOST_REMEMBERED = 10_000

# New rows in a row, as each connection saw them, by tenant and statement; below zero, what is left of the caution. A
# hint: a transaction that is rolled back later has counted too.
_new_in_a_row: WeakKeyDictionary[Connection, dict[tuple[int, str], int]] = WeakKeyDictionary()


def arrived(
    conn: Connection,
    tenant_id: int,
    *,
    known: LiteralString,
    keys: Callable[[], Mapping[str, object]],
    copy: LiteralString,
    count: int,
    columns: Callable[[], Iterable[Iterable[Field]]],
) -> bool:
    """Store rows if all their keys are new to the table.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        known: selects whether any of the keys is in the table.
        keys: makes its parameters, if it comes to that; likewise `columns`.
        copy: has COPY read the rows.
        count: of the rows.
        columns: of them.

    Returns:
        Whether they are stored. Where they are not, nothing has changed.

    Raises:
        WriteRefused: the database cannot store one of them.
    """
    in_a_row = _new_in_a_row.setdefault(conn, {})
    if len(in_a_row) > _MOST_REMEMBERED:
        in_a_row.clear()
    before = in_a_row.get((tenant_id, copy), 0)
    if before < _LOADING_ROWS:
        found = conn.execute(known, keys()).fetchone()
        if found is None or found[0]:
            in_a_row[tenant_id, copy] = min(before, 0)
            return False
    try:
        with translated(), conn.transaction(), copied(conn, copy, count, columns()):
            pass
    except WriteRefused as refusal:
        if refusal.sqlstate == _UNIQUE_VIOLATION:
            in_a_row[tenant_id, copy] = -_CAUTION_ROWS
            return False
        raise
    in_a_row[tenant_id, copy] = min(before + count, _LOADING_ROWS)
    return True
