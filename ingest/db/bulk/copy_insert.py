"""Store blocks whose keys are all new by COPY, which takes half the time of `INSERT … ON CONFLICT`.

COPY fails where the table has a key already, or another writer has just inserted it. Then COPY is rolled back, and the
upsert follows. Both lock rows in the order of their keys, so writers of the same keys do not deadlock.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import LiteralString
from weakref import WeakKeyDictionary

from ingest.db.bulk.binary import Field
from ingest.db.bulk.copy_rows import Target, copy_rows
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.errors import WriteRefused

_UNIQUE_VIOLATION = "23505"

# In a large table, looking the keys up costs as much as storing the rows. A tenant that has sent this many new rows in
# a row is loading data and is likely to go on: its rows are stored without a look-up. Where a key exists after all, the
# copied rows stay in the table as dead ones, and the server logs a line; so the next try takes many more new rows.
_LOADING_ROWS = 10_000
_CAUTION_ROWS = 100_000
_MOST_REMEMBERED = 10_000

# Consecutive new rows as each connection saw them, by tenant and statement; below zero: the rest of _CAUTION_ROWS. A
# hint only, because a transaction that is rolled back later has counted too.
_new_in_a_row: WeakKeyDictionary[Connection, dict[tuple[int, str], int]] = WeakKeyDictionary()


def copy_if_all_new(
    conn: Connection,
    tenant_id: int,
    *,
    known: LiteralString,
    keys: Callable[[], Mapping[str, object]],
    stored: Target,
    count: int,
    columns: Callable[[], Iterable[Iterable[Field]]],
) -> bool:
    """Store rows if all their keys are new to the table.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        known: query that returns true if any of the keys is in the table.
        keys: makes the parameters of `known`, where that runs.
        stored: the columns of the table that are given.
        count: of the rows.
        columns: makes the columns of the rows, where COPY runs.

    Returns:
        True if the rows are stored. If False, nothing has changed.

    Raises:
        WriteRefused: the database cannot store one of the rows.
    """
    in_a_row = _new_in_a_row.setdefault(conn, {})
    if len(in_a_row) > _MOST_REMEMBERED:
        in_a_row.clear()
    before = in_a_row.get((tenant_id, stored.copy), 0)
    if before < _LOADING_ROWS:
        # Planned anew: a plan that was kept since there were no entities may go through all of them.
        found = conn.execute(known, keys(), prepare=False).fetchone()
        if found is None or found[0]:
            in_a_row[tenant_id, stored.copy] = min(before, 0)
            return False
    try:
        with translated(), conn.transaction(), copy_rows(conn, stored, count, columns()):
            pass
    except WriteRefused as refusal:
        if refusal.sqlstate == _UNIQUE_VIOLATION:
            in_a_row[tenant_id, stored.copy] = -_CAUTION_ROWS
            return False
        raise
    in_a_row[tenant_id, stored.copy] = min(before + count, _LOADING_ROWS)
    return True
