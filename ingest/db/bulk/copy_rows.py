"""Stream rows to COPY: the server stores the first rows while the next ones are still being encoded."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import LiteralString

from psycopg.copy import LibpqWriter

from ingest.db.bulk import binary
from ingest.db.bulk.binary import Field
from ingest.db.connection.pool import Connection


@contextmanager
def copy_rows(
    conn: Connection, statement: LiteralString, rows: int, columns: Iterable[Iterable[Field]]
) -> Iterator[None]:
    """Stream rows to a table. The block runs while the server stores the rows; all are stored when it ends.

    Args:
        conn: an open transaction.
        statement: COPY … FROM STDIN (FORMAT BINARY).
        rows: how many.
        columns: each with `rows` fields, in the statement's order; generators let the server begin early.

    Raises:
        RuntimeError: fewer rows came, which is a bug of Sluice: a column was shorter, or was read before.
    """
    with conn.cursor() as cursor:
        # By default psycopg sends nothing before there is a megabyte of it.
        with cursor.copy(statement, writer=LibpqWriter(cursor, flush_threshold=0)) as stream:
            for piece in binary.rows(*columns):
                stream.write(piece)
            yield
        if cursor.rowcount != rows:
            raise RuntimeError(f"{cursor.rowcount} rows were stored, and there should be {rows}")
