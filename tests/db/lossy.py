"""Connections that lose their server at a COMMIT, just before it or just after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import psycopg
from psycopg_pool import ConnectionPool

from ingest.db.pool import Pool

PASSES, LANDS, IS_LOST = "the answer comes", "it lands and the answer is lost", "it is lost on its way"


class Lossy(psycopg.Connection[tuple[object, ...]]):
    """Each COMMIT, of whichever connection, ends as the next word of the plan says; then all pass."""

    plan: ClassVar[list[str]] = []

    def commit(self) -> None:
        fate = Lossy.plan.pop(0) if Lossy.plan else PASSES
        if fate != IS_LOST:
            super().commit()
        if fate != PASSES:
            self.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")


@contextmanager
def lossy_pool(pool: Pool, *plan: str) -> Iterator[Pool]:
    """A pool like that one, whose COMMITs go by the plan."""
    Lossy.plan[:] = plan
    with ConnectionPool(pool.conninfo, connection_class=Lossy, min_size=0, max_size=2, open=True) as connections:
        yield connections
    Lossy.plan.clear()
