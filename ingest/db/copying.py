"""COPY, sent while it is made: the server stores the first rows while the next ones are still put together."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import LiteralString

from psycopg.copy import LibpqWriter

from ingest.db import binary
from ingest.db.binary import Field
from ingest.db.pool import Connection


@contextmanager
def copied(conn: Connection, statement: LiteralString, rows: int, columns: Iterable[Iterable[Field]]) -> Iterator[None]:
    """Send rows to a table; they are stored when this ends, and whatever is done before that is done meanwhile.

    Args:
        conn: an open transaction.
        statement: COPY … FROM STDIN (FORMAT BINARY).
        rows: how many.
        columns: of as many fields each, in the statement's order; best made as they are read.

    Raises:
        RuntimeError: there were not so many, a fault of Sluice's own: a column was shorter, or had been read before.
    """
    with conn.cursor() as cursor:
        # By default psycopg sends nothing before there is a megabyte of it.
        with cursor.copy(statement, writer=LibpqWriter(cursor, flush_threshold=0)) as stream:
            for piece in binary.rows(*columns):
                stream.write(piece)
            yield
        if cursor.rowcount != rows:
            raise RuntimeError(f"{cursor.rowcount} rows were stored, and there should be {rows}")
