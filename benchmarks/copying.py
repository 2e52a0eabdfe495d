"""Raw COPY: rows that the product wrote once, serialised before the clock starts, into the product's own tables.

By one connection, as text; or, as the ceiling of whatever writes a table, as binary rows by several at once.

What the server fills in by itself (defaults, identities) it fills in here too, but for the ids that other rows name.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.database import Database
from benchmarks.machine import durable
from benchmarks.measure import Clock, timed

# The default of a tenant is for processes of the version before, which do not name it.
_COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
  AND (attnotnull AND (NOT atthasdef OR attname = 'tenant_id') AND attidentity = '' OR attname = ANY(%s))
ORDER BY attnum
"""


@dataclass(frozen=True)
class Rows:
    """Lines of COPY's text format, a batch each."""

    table: str
    statement: str
    batches: list[bytes]
    count: int

    def whole(self) -> "Rows":
        """All in one batch."""
        return Rows(self.table, self.statement, [b"".join(self.batches)], self.count)


def rows_of(database: Database, table: str, batch: int, *, keep: Sequence[str] = (), order: str = "ctid") -> Rows:
    """Return the current rows of a table, ready to COPY.

    Args:
        database: holds the table.
        table: of the product.
        batch: rows of one COPY.
        keep: columns to send although the server could fill them in.
        order: in which they were written.
    """
    names = [name for (name,) in database.admin.execute(_COLUMNS, (table, list(keep)))]
    columns = ", ".join(names)
    with database.admin.cursor().copy(f"COPY (SELECT {columns} FROM {table} ORDER BY {order}) TO STDOUT") as copy:
        lines = b"".join(copy).splitlines(keepends=True)
    batches = [b"".join(lines[start : start + batch]) for start in range(0, len(lines), batch)]
    return Rows(table, f"COPY {table} ({columns}) FROM STDIN", batches, len(lines))


def copy_in(database: Database, *tables: Rows) -> Clock:
    """One COPY a table and one COMMIT, batch by batch; then look whether all is there."""
    before = [database.count(rows.table) for rows in tables]
    with psycopg.connect(database.url) as conn:
        durable(conn)
        conn.commit()
        with timed() as clock:
            for batch in zip(*(rows.batches for rows in tables), strict=True):
                for rows, lines in zip(tables, batch, strict=True):
                    with conn.cursor().copy(rows.statement) as copy:
                        copy.write(lines)
                conn.commit()
    for rows, there in zip(tables, before, strict=True):
        database.expect(rows.table, there + rows.count)
    return clock


@dataclass(frozen=True)
class BinaryRows:
    """All rows of a table in COPY's binary format, a part for each connection."""

    table: str
    statement: str
    parts: list[bytes]
    count: int


def binary_rows_of(database: Database, table: str, parts: int) -> BinaryRows:
    """Return the current rows of a table, ready to COPY by so many connections."""
    names = ", ".join(name for (name,) in database.admin.execute(_COLUMNS, (table, [])))
    count = database.count(table)
    share = -(-count // parts)
    made = []
    for first in range(0, count, share):
        rows = f"SELECT {names} FROM {table} ORDER BY ctid OFFSET {first} LIMIT {share}"
        with database.admin.cursor().copy(f"COPY ({rows}) TO STDOUT (FORMAT binary)") as copy:
            made.append(b"".join(copy))
    return BinaryRows(table, f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", made, count)


def copy_in_at_once(database: Database, rows: BinaryRows) -> Clock:
    """Have each connection COPY its part at the same time, in a transaction of its own; the table is empty before."""

    def copy_part(conn: psycopg.Connection[Any], part: bytes) -> None:
        with conn.cursor().copy(rows.statement) as copy:
            copy.write(part)
        conn.commit()

    with ExitStack() as exits:
        conns = [exits.enter_context(psycopg.connect(database.url)) for _ in rows.parts]
        for conn in conns:
            durable(conn)
            conn.commit()
        threads = exits.enter_context(ThreadPoolExecutor(len(conns)))
        with timed() as clock:
            list(threads.map(copy_part, conns, rows.parts))
    database.expect(rows.table, rows.count)
    return clock


def fill(database: Database, *tables: Any) -> None:
    """Put rows where a side needs them, outside of its clock."""
    copy_in(database, *(rows.whole() for rows in tables))
