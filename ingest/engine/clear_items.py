"""Find or erase texts in the clear of an entity's items that failed: those of jobs without personal data by a template.

Jobs of the public API have no template, so the texts of their failed items are all in the clear.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import clear_items, failed_items, kept
from ingest.db.jobs.failed_items import FailedItem
from ingest.engine.error_files import Lend
from ingest.engine.kept_payloads import Tell


def search(lend: Lend, tenant_id: int, external_id: str) -> Iterator[Sequence[FailedItem]]:
    """Yield the entity's items, some at once; all that `lend` lends is a transaction for some thousand errors."""
    return _walk(lend, tenant_id, external_id, lambda _conn, _job_id, _items: None)


def erase(lend: Lend, tenant_id: int, external_id: str, tell: Tell, *, since: datetime | None = None) -> int:
    """Erase the texts of the entity's items; return their number.

    Args:
        lend: lends a connection for one transaction, which commits at the end.
        tenant_id: whose.
        external_id: the entity's.
        tell: is called in each transaction that erases something.
        since: only of jobs that had not ended then; None for all.
    """

    def erase_some(conn: Connection, job_id: UUID, items: Sequence[FailedItem]) -> None:
        tell(conn, failed_items.erase_of_job(conn, job_id, [item.index for item in items]))

    return sum(map(len, _walk(lend, tenant_id, external_id, erase_some, since=since)))


def _walk(
    lend: Lend,
    tenant_id: int,
    external_id: str,
    work: Callable[[Connection, UUID, Sequence[FailedItem]], None],
    *,
    since: datetime | None = None,
) -> Iterator[Sequence[FailedItem]]:
    """Yield the entity's items, once their transaction has done the work on them."""
    place: UUID | None = kept.NO_JOB
    while place is not None:
        with lend() as conn:
            jobs, place = clear_items.jobs(conn, tenant_id, after=place, since=since)
        for job in jobs:
            after: int | None = -1
            while after is not None:
                with lend() as conn:
                    items, after = clear_items.next_items(conn, job, external_id, after=after)
                    if items:
                        work(conn, job[0], items)
                if items:
                    yield items
