"""Ranges of the pages of a table, of 8 kB: a statement that goes through all of them needs no index for it.

A row that is written meanwhile may move to pages that were read before.
"""

from typing import LiteralString

from ingest.db.connection.pool import Connection

# A condition on a row `x`; its parameters are those of `in_pages`.
IN_PAGES: LiteralString = "x.ctid >= %(first)s::text::tid AND x.ctid < %(last)s::text::tid"

_COUNT = "SELECT pg_relation_size(%s::text::regclass) / current_setting('block_size')::bigint"


def pages_of(conn: Connection, table: str) -> int:
    """Return how many pages a table has."""
    return conn.execute(_COUNT, (table,)).fetchall()[0][0]  # type: ignore[return-value] # a bigint


def in_pages(first: int, pages: int) -> dict[str, str]:
    """Return the parameters of IN_PAGES.

    Args:
        first: the first page.
        pages: how many.
    """
    return {"first": f"({first},0)", "last": f"({first + pages},0)"}
