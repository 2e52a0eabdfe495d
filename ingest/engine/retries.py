"""Make a child of failed or unprocessed items of a job, by one transaction (docs/contracts/jobs.md section 5)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from ingest import faultpoints
from ingest.crypto import is_sealed
from ingest.db.connection.pool import Connection
from ingest.db.jobs import children, families, gone, receiving, retries
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.families import Member
from ingest.db.jobs.retries import Taken
from ingest.engine import selection
from ingest.engine.patches import patched
from ingest.engine.sealing import Sealer
from ingest.engine.selection import RETRYABLE, RETRYABLE_CODE, UNPROCESSED, BlockPlace, Place, Retried, Wish
from ingest.errors import Gone, InvalidInput, LimitReached, WrongState
from ingest.ids import JOB, spell
from ingest.intake.blocks import Block, pack_picked
from ingest.intake.csv_header import RowTypes
from ingest.intake.error_files import is_patched
from ingest.intake.payloads import items_of, kept_text
from ingest.intake.picked import Picked
from ingest.jobs import Effect, Job

# A block of items that failed: so many, or so many bytes.
_BLOCK_ITEMS = 1_000
_BLOCK_BYTES = 4 * 1024 * 1024

_BLOCKS_AT_ONCE = 20

_ANY = 2**31  # bytes: an item that is over its limit has failed


def retry(conn: Connection, parent: Job, child: NewJob, wish: Wish, types: RowTypes | None, *, sealer: Sealer) -> UUID:
    """Make a child of a job's items, or find the one that has them.

    Args:
        conn: a transaction that has written nothing but an idempotency key's lock.
        parent: the job.
        child: as of `ingest.engine.children.child_of`.
        wish: which items.
        types: of cells of rows of CSV, under the template of today.
        sealer: of the tenant's items, under that template.

    Returns:
        The id of the child; or of an earlier one that has not ended, where that has all of these items.

    Raises:
        WrongState: the job has not ended, or has no such items that could be sent again, or children under way have
            them.
        InvalidInput: an index did not fail, or is not among those that are sent again, or its item cannot be patched or
            is not kept.
        LimitReached: the family has as many jobs as it may have.
        SecretUnreadable: the items cannot be decrypted.
        MasterKeyMissing: they must be encrypted, and there is no key.
        Gone: retention has deleted the job meanwhile.
    """
    name = spell(JOB, parent.id)
    if not parent.status.ended:
        raise WrongState(f"{name} is {parent.status}; a job is retried once it has ended")
    if wish.select == UNPROCESSED and wish.patch:
        raise InvalidInput("patch: Items that were not processed are sent again as they are; leave the patch out")
    root = families.lock(conn, parent.id)
    if root is None:
        raise Gone(gone.MESSAGE.format(name))
    family = families.members(conn, root)
    retried = Retried(parent, family, families.line_of(family, parent.id))
    places, blocks = _found(conn, retried, wish, sealer)
    if not places and not blocks:
        return _under_way(retried, wish)
    if len(family) >= families.MOST_JOBS:
        raise LimitReached(f"{name} and its children are {families.MOST_JOBS} jobs, which is the most")
    receiving.begin(conn, child, durable=True)
    if blocks:
        made, items = _send_unprocessed(conn, child, retried.line, blocks, types, sealer=sealer)
    else:
        made, items = _send_failed(conn, child, places, wish.patch, types, sealer=sealer)
    children.finish(conn, child.id, parent.id, blocks=made, items=items)
    faultpoints.passing("child.made")
    return child.id


def _found(conn: Connection, retried: Retried, wish: Wish, sealer: Sealer) -> tuple[list[Place], list[BlockPlace]]:
    """Return the failed items that are wished, or the blocks of unprocessed ones."""
    if wish.select == UNPROCESSED:
        return [], selection.unprocessed(conn, retried, sealer)
    if isinstance(wish.select, str):
        places = selection.failed(conn, retried, RETRYABLE_CODE if wish.select == RETRYABLE else None)
    else:
        indexes = sorted(set(wish.select))
        if strange := sorted(set(wish.patch) - set(indexes)):
            raise InvalidInput(f"patch: The item {strange[0]} is not among those that select names")
        places = selection.named(conn, retried, indexes)
    if places and (left := sorted(wish.patch.keys() - {place.index for place in places})):
        raise InvalidInput(
            f"patch: The item {left[0]} is not among the {len(places)} that this retry sends again; name the indexes"
        )
    return places, []


def _under_way(retried: Retried, wish: Wish) -> UUID:
    """Return the one child under way that has all of the items.

    Raises:
        WrongState: there is none, or several have them, or there is a patch, which the child may not have had.
    """
    takers = retried.takers & retried.under_way
    if len(takers) == 1 and not wish.patch:
        return takers.pop()
    if takers:
        raise WrongState(selection.held(retried, takers))
    raise WrongState(f"{retried.name} has no such items that were not sent again already")


def _send_failed(
    conn: Connection,
    child: NewJob,
    places: Sequence[Place],
    patch: Mapping[int, Any],
    types: RowTypes | None,
    *,
    sealer: Sealer,
) -> tuple[int, int]:
    """Give a child these failed items. Return the number of blocks and of items."""
    no = 0
    for no, page in enumerate(_pages(places), 1):
        taken = retries.take(conn, [(place.job_id, place.index) for place in page], child.id)
        items = [patched(_picked(item, sealer), patch, child.options.csv, types) for item in taken]
        # Personal data stay so, though the template of today may not call them that.
        seals = sealer.seals or any(item.sealed for item in taken)
        children.append(conn, child.tenant_id, child.id, no - 1, replace(sealer, seals=seals).block(pack_picked(items)))
    return no, len(places)


def _picked(taken: Taken, sealer: Sealer) -> Picked:
    text = sealer.text(taken.item, sealed=taken.sealed)
    return Picked(taken.index, taken.line, text, is_patched(text, patched=taken.patched))


def _pages(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    """Yield the places a block at a time."""
    start, size = 0, 0
    for number, place in enumerate(places):
        if number > start and (number - start == _BLOCK_ITEMS or size + place.bytes > _BLOCK_BYTES):
            yield places[start:number]
            start, size = number, 0
        size += place.bytes
    yield places[start:]


def _send_unprocessed(
    conn: Connection,
    child: NewJob,
    line: Sequence[Member],
    places: Sequence[BlockPlace],
    types: RowTypes | None,
    *,
    sealer: Sealer,
) -> tuple[int, int]:
    """Give a child the items of these blocks. Return the number of blocks and of items."""
    if child.options.atomic:
        return _send_aborted(conn, child, line, places, types, sealer=sealer)
    for start in range(0, len(places), _BLOCKS_AT_ONCE):
        wanted = [(place.job_id, place.no) for place in places[start : start + _BLOCKS_AT_ONCE]]
        retries.copy_blocks(conn, wanted, child.id, first_no=start)
    return len(places), sum(place.items for place in places)


def _send_aborted(
    conn: Connection,
    child: NewJob,
    line: Sequence[Member],
    places: Sequence[BlockPlace],
    types: RowTypes | None,
    *,
    sealer: Sealer,
) -> tuple[int, int]:
    """Give a child the items of open blocks that did not fail: an atomic job that was aborted has both in them."""
    aborted = {member.id for member in line if member.effects[Effect.FAILED]}
    no = items = 0
    for place in places:
        taken = retries.take_block(conn, place.job_id, place.no, child.id)
        block = (
            _without_failed(conn, child, place.job_id, taken, types, sealer=sealer)
            if place.job_id in aborted
            else taken
        )
        if block is not None:
            children.append(conn, child.tenant_id, child.id, no, block)
            no, items = no + 1, items + block.items
    return no, items


def _without_failed(
    conn: Connection, child: NewJob, job_id: UUID, block: Block, types: RowTypes | None, *, sealer: Sealer
) -> Block | None:
    items = items_of(sealer.payload(block.payload), block.first_line, child.options.csv, types)
    indexes = items.indexes or range(block.first_index, block.first_index + block.items)
    failed = retries.failed_within(conn, job_id, indexes[0], indexes[-1])
    kept = [
        Picked(
            index,
            items.lines[place] if items.lines else None,
            kept_text(items, place, most_bytes=_ANY) or b"",
            place in items.patched,
        )
        for place, index in enumerate(indexes)
        if index not in failed
    ]
    sealer = replace(sealer, seals=sealer.seals or is_sealed(block.payload))
    return sealer.block(pack_picked(kept)) if kept else None
