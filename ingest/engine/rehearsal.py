"""Check items that are about to be sent again, as their job would, and undo what that has written."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.engine.measures import Measure
from ingest.engine.transaction import check_and_write
from ingest.intake.blocks import pack_picked
from ingest.intake.picked import Picked
from ingest.items.schema import ItemSchema
from ingest.jobs import ItemError, Job

# A transaction looks at so many items, or so many bytes of them: locks of the rows that they would change are short.
_ITEMS = 500
_BYTES = 1024 * 1024


def rehearse(
    conn: Connection, job: Job, schema: ItemSchema, items: Sequence[Picked], keys: MasterKeys
) -> Iterator[tuple[int, ItemError | None]]:
    """Yield the indexes of items, each with the error that it would have; nothing of them stays written.

    Args:
        conn: in no transaction.
        job: that they failed in.
        schema: of its items, under the template of today.
        items: at least one, with their edits.
        keys: the master keys of this process.

    Raises:
        SluiceError: all that `ingest.engine.transaction.check_and_write` raises.
    """
    dry = replace(job, options=structs.replace(job.options, validate_only=True, atomic=False, picked="failed"))
    for page in _pages(items):
        block = pack_picked(page)
        claim = Claim(dry, OpenBlock(0, block.first_index, block.items, block.payload, deliveries=1))
        with conn.transaction(force_rollback=True):
            [share] = check_and_write(conn, [claim], schema, (), keys=keys, measure=Measure(), halving=True)
        errors = {error.index: error for error in share.errors}
        yield from ((item.index, errors.get(item.index)) for item in page)


def _pages(items: Sequence[Picked]) -> Iterator[Sequence[Picked]]:
    start = size = 0
    for number, item in enumerate(items):
        if number > start and (number - start == _ITEMS or size + len(item.text) > _BYTES):
            yield items[start:number]
            start, size = number, 0
        size += len(item.text)
    yield items[start:]
