"""Connections that lose their server at a COMMIT, just before it or just after it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, ClassVar, NoReturn

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from ingest.db.connection.pool import Connection, Pool

PASSES, LANDS, IS_LOST = "the answer comes", "it lands and the answer is lost", "it is lost on its way"


class Lossy(Connection):
    """Each COMMIT, of whichever connection, ends as the next word of the plan says; then all pass."""

    plan: ClassVar[list[str]] = []

    def commit(self) -> None:
        if self.info.transaction_status is TransactionStatus.IDLE:
            return super().commit()
        with self._fate():
            super().commit()
        return None

    @contextmanager
    def transaction(self, *args: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        outermost = self.info.transaction_status is TransactionStatus.IDLE
        with ExitStack() as stack:
            transaction = stack.enter_context(super().transaction(*args, **options))
            yield transaction
            with self._fate() if outermost else nullcontext():
                stack.close()

    @contextmanager
    def _fate(self) -> Iterator[None]:
        fate = Lossy.plan.pop(0) if Lossy.plan else PASSES
        if fate == IS_LOST:
            self._lose()
        yield
        if fate == LANDS:
            self._lose()

    def _lose(self) -> NoReturn:
        self.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@contextmanager
def lossy_pool(pool: Pool, *plan: str) -> Iterator[Pool]:
    """A pool like that one, whose COMMITs go by the plan."""
    Lossy.plan[:] = plan
    with ConnectionPool(pool.conninfo, connection_class=Lossy, min_size=0, max_size=2, open=True) as connections:
        yield connections
    Lossy.plan.clear()
