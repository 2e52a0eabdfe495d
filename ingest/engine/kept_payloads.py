"""Erase an entity's items from payloads that ended jobs keep: blocks that were never run, or only validated.

A payload is found by reading all that a tenant keeps, so it is erased block by block, each in a transaction of its own.
Payloads of jobs that have not ended are left alone: these items will be written yet.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ingest.crypto import MasterKeys, is_sealed
from ingest.db.connection.pool import Connection
from ingest.db.jobs import kept, lookup
from ingest.db.jobs.kept import KeptBlock
from ingest.engine.error_files import Lend
from ingest.engine.kinds import KINDS
from ingest.engine.sealing import Sealer
from ingest.errors import JobUnrunnable, SecretUnreadable
from ingest.intake.blocks import Block, pack_picked
from ingest.intake.items import Items
from ingest.intake.payloads import items_of, kept_text
from ingest.intake.picked import Picked
from ingest.items.schema import member_of
from ingest.jobs import Job

# Stands for an erased item, which fails where it is sent again: it names no entity.
_ERASED = b"{}"

_ANY = 2**31  # bytes: an item that is over its limit fails when it is checked


# Tells of how many items a transaction has erased, within that transaction.
Tell = Callable[[Connection, int], None]


class Search(NamedTuple):
    """The result of a search of kept payloads.

    Attributes:
        erased: how many items it erased.
        unread: how many blocks it left as they are, since a master key is not configured any more, or they are damaged.
    """

    erased: int
    unread: int


def erase(
    lend: Lend, tenant_id: int, external_id: str, keys: MasterKeys, tell: Tell, *, since: datetime | None = None
) -> Search:
    """Erase an entity's items from all payloads of a tenant's ended jobs that can be read.

    Args:
        lend: lends a connection for one transaction, which commits at the end.
        tenant_id: whose.
        external_id: the entity's.
        keys: the master keys of this process.
        tell: is called in each transaction that erases something.
        since: only of jobs that had not ended then; None for all.
    """
    erased = unread = 0
    place: UUID | None = kept.NO_JOB
    while place is not None:
        with lend() as conn:
            job_ids, place = kept.jobs(conn, tenant_id, after=place, since=since)
        for job_id in job_ids:
            after: int | None = -1
            while after is not None:
                with lend() as conn:
                    after, found = _erase_next(conn, job_id, after, external_id, keys)
                    if found.erased:
                        tell(conn, found.erased)
                erased, unread = erased + found.erased, unread + found.unread
    return Search(erased, unread)


def _erase_next(
    conn: Connection, job_id: UUID, after: int, external_id: str, keys: MasterKeys
) -> tuple[int | None, Search]:
    """Erase from a job's next block. Return its number, None where there is none, and the result."""
    job, block = lookup.get(conn, job_id), kept.next_block(conn, job_id, after=after)
    if job is None or block is None or job.kind not in KINDS:
        return None, Search(0, 0)
    sealer = Sealer(keys, job.tenant_id, seals=is_sealed(block.payload))
    try:
        items = items_of(sealer.payload(block.payload), block.first_line, job.options.csv)
    except (SecretUnreadable, JobUnrunnable):
        return block.no, Search(0, 1)
    places = named(items, job.kind, external_id)
    if places:
        kept.replace(conn, job_id, block.no, sealer.block(_without(job, block, items, set(places))).payload)
    return block.no, Search(len(places), 0)


def named(items: Items, kind: str, external_id: str) -> list[int]:
    """Return the places of the items of a kind that have this external id."""
    member = KINDS[kind].schema.id_member
    return [place for place in range(len(items.texts)) if _name(items, place, member) == external_id]


def _name(items: Items, place: int, member: str | None) -> str | None:
    """Return the external id of an item, which is in this member; None where it has none that could be read."""
    if place in items.unreadable:
        return items.unreadable[place].external_id
    return None if member is None else member_of(items.texts[place], member)


def _without(job: Job, block: KeptBlock, items: Items, erased: set[int]) -> Block:
    """Return a block whose items keep their indexes and lines, some of them erased."""
    indexes = items.indexes or range(block.first_index, block.first_index + len(items.texts))
    lines: Sequence[int | None] = items.lines or [None] * len(indexes)
    made = [
        Picked(index, line, kept_text(items, place, most_bytes=_ANY) or b"", place in items.patched)
        for place, (index, line) in enumerate(zip(indexes, lines, strict=True))
    ]
    return pack_picked(
        [
            replace(item, text=_ERASED, patched=job.options.csv is not None) if place in erased else item
            for place, item in enumerate(made)
        ]
    )
