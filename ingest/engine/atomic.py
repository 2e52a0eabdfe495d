"""Run an atomic job: all of its blocks in one transaction, all of its items or none (docs/contracts/jobs.md section 1).

A second transaction records what was wrong once the first one is rolled back. A worker that dies between the two leaves
a job of which nothing has happened, and the next delivery does all of it again.
"""

from collections.abc import Collection, Iterator, Sequence

from ingest import faultpoints
from ingest.crypto import NO_KEYS, MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs import blocks, completion, item_errors, item_warnings, lookup
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.db.jobs.completion import BlockOutcome
from ingest.engine.measures import Measure
from ingest.engine.shares import Share
from ingest.engine.transaction import Done, JobEnded, check_and_write, undone_if_dry
from ingest.items.schema import ItemSchema
from ingest.jobs import MOST_WARNINGS_KEPT, ItemError, ItemWarning, Job, JobState

# Errors that are recorded by one statement, and the bytes of their items beyond which another one begins.
_ERRORS_AT_ONCE = 5_000
_BYTES_AT_ONCE = 4 * 1024 * 1024


class Aborted(Exception):
    """An atomic job has bad items: nothing of it may stand, so its transaction must be rolled back.

    Args:
        errors: one for each bad item, in the order of their indexes, as they are stored.
    """

    def __init__(self, errors: Sequence[ItemError]) -> None:
        super().__init__()
        self.errors = errors


def run_whole(
    conn: Connection,
    claimed: Claim,
    schema: ItemSchema,
    poison: Collection[int] = (),
    *,
    keys: MasterKeys = NO_KEYS,
    measure: Measure,
    halving: bool,
) -> Done | None:
    """Lock the first block, check and write one block after the other, and close all, in the caller's transaction.

    Args:
        conn: in a transaction of this alone.
        claimed: the job and its first open block; the lock on that one is the lease on all.
        schema: that of its items.
        poison: as of `ingest.engine.transaction.run_in_transaction`, like those below; of all blocks.
        keys: likewise.
        measure: likewise.
        halving: likewise.

    Returns:
        As `run_in_transaction` does.

    Raises:
        Aborted: an item is bad, be it by its check or by the database.
        JobEnded: the job was ended meanwhile; the transaction must be rolled back, as for all that
            `run_in_transaction` raises.
    """
    job, first = claimed
    if not _lock(conn, claimed):
        return None
    faultpoints.passing("block.locked")
    outcomes: list[BlockOutcome] = []
    errors: list[ItemError] = []
    warnings: list[ItemWarning] = []
    warned = 0
    with undone_if_dry(conn, job):
        for share in _run_blocks(conn, job, first, schema, poison, keys=keys, measure=measure, halving=halving):
            outcomes.append(share.outcome)
            errors += share.errors
            warnings += share.warnings[: MOST_WARNINGS_KEPT - len(warnings)]
            warned += len(share.warnings)
    if errors:
        raise Aborted(errors)
    # The job's row is locked from here on, and no sooner: a cancellation waits for that lock.
    state = JobState.PROCESSING
    for outcome in outcomes:
        advanced = completion.close_blocks(
            conn, [outcome], tenant_id=job.tenant_id, keeps_payload=job.options.validate_only
        )
        if job.id not in advanced:
            raise JobEnded
        state = advanced[job.id].state
    item_warnings.record(conn, {job.id: warnings}, more=warned - len(warnings))
    faultpoints.passing("block.closed")
    return Done({job.id: state}, yielded=False)


def _run_blocks(
    conn: Connection,
    job: Job,
    first: OpenBlock,
    schema: ItemSchema,
    poison: Collection[int],
    *,
    keys: MasterKeys,
    measure: Measure,
    halving: bool,
) -> Iterator[Share]:
    """Check and write the blocks, each of which finds what those before it have written; one is in memory at a time."""
    block: OpenBlock | None = first
    while block is not None:
        yield from check_and_write(
            conn, [Claim(job, block)], schema, poison, keys=keys, measure=measure, halving=halving
        )
        # The rest may take a minute, so look for an end that came from elsewhere: it would roll all of this back.
        now = lookup.get(conn, job.id)
        if now is None or now.status.ended:
            raise JobEnded
        block = blocks.next_open(conn, job.id, after=block.no)


def record(conn: Connection, claimed: Claim, errors: Sequence[ItemError]) -> Done | None:
    """Fail an aborted job with the errors of its items, in the caller's transaction.

    Args:
        conn: in a transaction of this alone, after the one of `run_whole` was rolled back.
        claimed: as of `run_whole`.
        errors: as of Aborted.

    Returns:
        As `run_whole` does.

    Raises:
        JobEnded: it was ended meanwhile; the transaction must be rolled back.
    """
    job = claimed.job
    if not _lock(conn, claimed):
        return None
    for some in _parts(errors):
        item_errors.record(conn, job.tenant_id, [(job.id, error) for error in some])
    message = f"{len(errors)} of {job.total} items are bad, so none was written (?atomic=true)"
    if not completion.abort(conn, job.id, failed=len(errors), message=message):
        raise JobEnded
    faultpoints.passing("block.closed")
    return Done({job.id: JobState.FAILED}, yielded=False)


def _parts(errors: Sequence[ItemError]) -> Iterator[Sequence[ItemError]]:
    start, size = 0, 0
    for place, error in enumerate(errors):
        if place - start == _ERRORS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield errors[start:place]
            start, size = place, 0
        size += len(error.item or b"")
    yield errors[start:]


def _lock(conn: Connection, claimed: Claim) -> bool:
    job, first = claimed
    if not blocks.lock(conn, [(job.id, first.no)]):
        return False
    blocks.extend_lease(conn, first.deliveries, blocks.count_open(conn, job.id))
    return True
