"""The choice of plans, where no spelling of a statement decides it.

docs/explanation/how-it-works.md, "Plans that are kept", has the reasons.
"""

from ingest.db.connection.session import Connection

_READ_IN_ORDER = "SET LOCAL enable_bitmapscan = off"


def read_in_order(conn: Connection) -> None:
    """Have the rest of a transaction read the first rows of an index, where a plan might read and sort all of them.

    Postgres does that where it takes a table for small: before it has analyzed one that has grown.

    Args:
        conn: an open transaction.
    """
    conn.execute(_READ_IN_ORDER)
