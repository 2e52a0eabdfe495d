"""The retention scan: delete rows that are past their tenant's retention, a range of pages a round."""

import time

from ingest.db.bulk.pages import pages_of
from ingest.db.connection.pool import Connection
from ingest.db.data import retention

_PAGES_A_ROUND = 256

# After a scan of all tables there is nothing to delete for long, since retention is counted in days.
_REST_SECONDS = 3600.0


class RetentionScan:
    """Scans the tables, a range of pages at a time, and then rests for an hour."""

    def __init__(self) -> None:
        self._table = 0
        self._page = 0
        self._rest_until = 0.0

    def step(self, conn: Connection) -> int:
        """Purge the next range of pages. Return how many rows were deleted."""
        if time.monotonic() < self._rest_until or not retention.wanted(conn):
            return 0
        table = retention.TABLES[self._table]
        purged = retention.purge_pages(conn, table, first=self._page, pages=_PAGES_A_ROUND)
        self._page += _PAGES_A_ROUND
        if self._page >= pages_of(conn, table):
            self._page, self._table = 0, self._table + 1
        if self._table == len(retention.TABLES):
            self._table = 0
            self._rest_until = time.monotonic() + _REST_SECONDS
        return purged
