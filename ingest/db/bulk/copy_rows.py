"""Stream rows to COPY: the server stores the first rows while the next ones are still being encoded."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import LiteralString, NamedTuple

from psycopg.copy import LibpqWriter

from ingest.db.bulk import binary
from ingest.db.bulk.binary import Array, Field
from ingest.db.connection.pool import Connection


class Target(NamedTuple):
    """The columns of a table that are given, in the order in which they come.

    Attributes:
        copy: COPY … FROM STDIN (FORMAT BINARY).
        insert: INSERT with an array for each column.
        kinds: of these arrays.
    """

    copy: LiteralString
    insert: LiteralString
    kinds: dict[str, type[Array]]


def target(table: LiteralString, **kinds: type[Array]) -> Target:
    """Return the columns of a table, each with the kind of array that holds its values."""
    names, arrays = ", ".join(kinds), ", ".join(f"%({name})b" for name in kinds)
    return Target(
        f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)",
        f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})",
        kinds,
    )


@contextmanager
def copy_rows(conn: Connection, stored: Target, rows: int, columns: Iterable[Iterable[Field]]) -> Iterator[None]:
    """Stream rows to a table. The block runs while the server stores the rows; all are stored when it ends.

    Row-level security allows no COPY to the roles that it holds: for them the rows are inserted.

    Args:
        conn: an open transaction.
        stored: where.
        rows: how many.
        columns: each with `rows` fields, in the order of `stored`; generators let the server begin early.

    Raises:
        RuntimeError: fewer rows came, which is a bug of Sluice: a column was shorter, or was read before.
    """
    with conn.cursor() as cursor:
        if conn.held:
            given = zip(stored.kinds.items(), columns, strict=True)
            values = {name: binary.array(kind, islice(column, rows)) for (name, kind), column in given}
            cursor.execute(stored.insert, values)
            yield
            _check(cursor.rowcount, rows)
            return
        # By default psycopg sends nothing before there is a megabyte of it.
        with cursor.copy(stored.copy, writer=LibpqWriter(cursor, flush_threshold=0)) as stream:
            for piece in binary.rows(*columns):
                stream.write(piece)
            yield
        _check(cursor.rowcount, rows)


def _check(count: int, rows: int) -> None:
    if count != rows:
        raise RuntimeError(f"{count} rows were stored, and there should be {rows}")
