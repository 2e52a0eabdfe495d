"""Find or erase an entity's items that failed and were edited in the console: also those that an edit makes its own.

An edit may give an item another external id: nothing else tells that the item is then about the entity of that id.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from ingest.db.connection.pool import Connection
from ingest.db.jobs import clear_items, edited_items, failed_items, kept
from ingest.db.jobs.edited_items import A_PAGE, EditedItem
from ingest.engine.error_files import Lend
from ingest.engine.kept_payloads import Search, Tell
from ingest.engine.kinds import KINDS
from ingest.engine.sealing import Sealer
from ingest.errors import SecretUnreadable
from ingest.items.schema import member_of


class Found(NamedTuple):
    """An edited item of an entity.

    Attributes:
        job_id: the job's in which it failed.
        kind: of the item.
        edited: as it is stored.
        edit: the merge patch in the clear; None where it could not be read.
    """

    job_id: UUID
    kind: str
    edited: EditedItem
    edit: bytes | None


def search(lend: Lend, tenant_id: int, external_id: str, sealer: Sealer) -> Iterator[Sequence[Found]]:
    """Yield an entity's edited items, some at once, and the edits that could not be read.

    Args:
        lend: lends a connection for one transaction, in which some items are read.
        tenant_id: whose.
        external_id: the entity's.
        sealer: of the tenant's items.
    """
    return _walk(lend, tenant_id, external_id, sealer, lambda _conn, _items: None)


def erase(
    lend: Lend, tenant_id: int, external_id: str, sealer: Sealer, tell: Tell, *, since: datetime | None = None
) -> Search:
    """Erase an entity's edited items: the edits, and the texts of the items.

    Args:
        lend: lends a connection for one transaction, which commits at the end.
        tenant_id: whose.
        external_id: the entity's.
        sealer: of the tenant's items.
        tell: is called in each transaction that erases something.
        since: only of jobs that had not ended then; None for all.

    Returns:
        The number of items, and of edits that could not be read, which are left as they are.
    """

    def erase_some(conn: Connection, items: Sequence[Found]) -> None:
        indexes = [found.edited.index for found in items if not may_be_of_another(found)]
        if indexes:
            failed_items.erase_of_job(conn, items[0].job_id, indexes)
            tell(conn, len(indexes))

    def may_be_of_another(found: Found) -> bool:
        return found.edit is None and found.edited.external_id != external_id

    all_found = [
        found for page in _walk(lend, tenant_id, external_id, sealer, erase_some, since=since) for found in page
    ]
    unread = sum(map(may_be_of_another, all_found))
    return Search(len(all_found) - unread, unread)


def _walk(
    lend: Lend,
    tenant_id: int,
    external_id: str,
    sealer: Sealer,
    work: Callable[[Connection, Sequence[Found]], None],
    *,
    since: datetime | None = None,
) -> Iterator[Sequence[Found]]:
    """Yield the entity's items, those of one job at once, once their transaction has done the work on them."""
    place: UUID | None = kept.NO_JOB
    while place is not None:
        with lend() as conn:
            jobs, place = clear_items.jobs(conn, tenant_id, after=place, since=since)
        for job_id, kind in jobs:
            after: int | None = -1
            while after is not None and kind in KINDS:
                with lend() as conn:
                    page = edited_items.next_items(conn, job_id, after=after)
                    looked = [Found(job_id, kind, edited, _in_the_clear(edited, sealer)) for edited in page]
                    found = [item for item in looked if _is_of(item, external_id)]
                    work(conn, found)
                if found:
                    yield found
                after = page[-1].index if len(page) == A_PAGE else None


def _in_the_clear(edited: EditedItem, sealer: Sealer) -> bytes | None:
    try:
        return sealer.text(edited.edit, sealed=edited.edit_sealed)
    except SecretUnreadable:
        return None


def _is_of(found: Found, external_id: str) -> bool:
    """True if an item was sent with this external id, its edit gives it that id, or nobody can tell."""
    member = KINDS[found.kind].schema.id_member
    return (
        found.edited.external_id == external_id
        or found.edit is None
        or (member is not None and member_of(msgspec.Raw(found.edit), member) == external_id)
    )
