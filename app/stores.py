"""Store a new job with its blocks: all of them at once, or block by block while the body arrives."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from msgspec import structs

from app.http import body, idempotency, personal_data
from app.http.arrival import place
from app.http.services import services
from ingest import faultpoints
from ingest.db.connection.confirmed import retry_until_known
from ingest.db.connection.pool import Connection, autocommit
from ingest.db.jobs import acceptance, receiving
from ingest.db.jobs.acceptance import NewJob
from ingest.engine.kinds import KINDS
from ingest.engine.sealing import Sealer
from ingest.errors import DatabaseError, InvalidInput, TryAgain
from ingest.intake.blocks import Block, blocks_of_lines, blocks_of_rows
from ingest.intake.csv_header import judge, read_header, row_bytes
from ingest.intake.payloads import decoded_bytes, json_bytes
from ingest.items.schema import required_members
from ingest.jobs import MOST_ATOMIC_BYTES, JobOptions
from ingest.metrics import names

_REMOVED = "the sweeper has removed the job while its body arrived, or the database has crashed and lost blocks of it"

# Stores a job, and returns False if something about its caller, who came from the cache, has changed.
Store = Callable[[NewJob], bool]


def at_once(blocks: Sequence[Block]) -> Store:
    """Return a function that stores a job by one statement.

    Args:
        blocks: all of its blocks.
    """

    def store(job: NewJob) -> bool:
        if job.options.atomic:
            check_atomic(sum(block.items for block in blocks), sum(decoded_bytes(block.payload) for block in blocks))
        known = _fingerprinted(job)
        sealer = personal_data.sealer(job.tenant_id, job.template_id)
        sealed = list(map(sealer.block, blocks)) if sealer.seals else blocks
        stored = retry_until_known(services().pool, lambda conn: acceptance.accept(conn, known, sealed))
        if stored:
            count_accepted(job.kind, sum(block.items for block in blocks))
        return stored

    return store


def count_accepted(kind: str, items: int) -> None:
    """Count a batch that became a job of so many items."""
    names.JOBS_ACCEPTED.add(kind)
    names.ITEMS_ACCEPTED.add(kind, by=items)


def check_atomic(items: int, size: int) -> None:
    """Refuse an atomic job that is too large for one transaction.

    Args:
        items: how many it has, or how many of them have come so far.
        size: their bytes, decoded.

    Raises:
        InvalidInput: these are too many.
    """
    most = services().settings.max_atomic_items
    bounds = {f"{most} items": items > most, f"{MOST_ATOMIC_BYTES} bytes": size > MOST_ATOMIC_BYTES}
    for bound, is_exceeded in bounds.items():
        if is_exceeded:
            raise InvalidInput(f"An atomic batch may have {bound}; send this one in several, or without ?atomic=true")


def _fingerprinted(job: NewJob) -> NewJob:
    """Return a job with the fingerprint of its request, whose body has been read, if that has an idempotency key."""
    return job if job.key is None else replace(job, fingerprint=idempotency.fingerprint(job.key))


class _Body(NamedTuple):
    """A body that is being cut.

    Attributes:
        options: what few jobs have, with what the head of the body says of them.
        blocks: those of its items, while it arrives.
    """

    options: JobOptions
    blocks: Iterator[Block]


def streamed() -> Store:
    """Return a function that stores a job whose items are the lines, or rows, of this request's body as it arrives.

    If it returns False, it has stored nothing, and may be called again.

    Raises:
        KeyInProgress: another request had the idempotency key first; this and the others by the function.
        Busy: as many large bodies are being read as this process can.
        InvalidInput: the body has no item, too many, a wrong header, or cannot be decoded; and all that
            `app.http.body.decoded` raises.
        DatabaseError: nothing was stored.
    """
    opened: list[_Body] = []

    def store(job: NewJob) -> bool:
        with place():
            if not opened:
                opened.append(_opened(job))
            options, blocks = opened[0]
            return received(replace(job, options=options), blocks)

    return store


def _opened(job: NewJob) -> _Body:
    """Begin to cut the body of a job's request: read the header of CSV, and nothing of lines."""
    chunks = touching(body.stream(), lambda conn: receiving.touch(conn, job.id))
    longest = services().settings.max_item_bytes
    wishes = job.options.csv
    if wishes is None:
        return _Body(job.options, blocks_of_lines(chunks, longest_line=longest))
    header = read_header(chunks, wishes.delimiter, longest=longest)
    csv = judge(wishes, header.text, required_members(KINDS[job.kind].schema))
    blocks = blocks_of_rows(
        header.rows, csv.delimiter, longest=longest, first_line=header.first_line, row_bytes=row_bytes(csv)
    )
    return _Body(structs.replace(job.options, csv=csv), blocks)


def received(job: NewJob, blocks: Iterable[Block]) -> bool:
    """Store a job while its blocks arrive. Return False if something about its caller has changed; nothing is stored.

    Args:
        job: with all options.
        blocks: of its items, while they arrive.

    Raises:
        InvalidInput: there is no item, or there are too many; and all that `blocks` raise.
        DatabaseError: nothing was stored.
    """
    pool = services().pool
    sealer = personal_data.sealer(job.tenant_id, job.template_id)
    if not retry_until_known(pool, lambda conn: receiving.begin(conn, job)):
        return False
    faultpoints.passing("receive.begun")
    try:
        count, items = _append_all(job, blocks, sealer)
        _accept(_fingerprinted(job), count)
    except BaseException:
        # The sweeper removes the job if the database is away too, or this process dies.
        with suppress(DatabaseError), autocommit(pool) as conn:
            receiving.remove(conn, [job.id])
        raise
    count_accepted(job.kind, items)
    return True


def _accept(job: NewJob, blocks: int) -> None:
    if not retry_until_known(services().pool, lambda conn: receiving.accept(conn, job, blocks)):
        raise TryAgain(None, reason=_REMOVED)


def _append_all(job: NewJob, blocks: Iterable[Block], sealer: Sealer) -> tuple[int, int]:
    """Append the blocks of the body while it arrives. Return their number, and that of their items."""
    most = services().settings.max_job_items
    items = no = size = 0
    for no, block in enumerate(blocks):
        items += block.items
        if items > most:
            raise InvalidInput(f"The body has over {most} items; send it in several jobs")
        if job.options.atomic:
            size += json_bytes(block.payload, block.items, job.options.csv)
            check_atomic(items, size)
        _append(job.id, no, sealer.block(block))
        faultpoints.passing("receive.appended")
    if not items:
        if job.options.csv is not None:
            raise InvalidInput("The body has no item; send at least 1 row below the header")
        raise InvalidInput("The body has no item; send at least 1, each on a line of its own")
    return no + 1, items


def _append(job_id: UUID, no: int, block: Block) -> None:
    if not retry_until_known(services().pool, lambda conn: receiving.append(conn, job_id, no, block)):
        raise TryAgain(None, reason=_REMOVED)


def touching(chunks: Iterable[bytes], touch: Callable[[Connection], object]) -> Iterator[bytes]:
    """Yield a body, and say now and then that it still arrives.

    Args:
        chunks: the body.
        touch: says so.
    """
    touched = time.monotonic()
    for chunk in chunks:
        now = time.monotonic()
        if now - touched > receiving.TOUCH_SECONDS:
            touched = now
            # A touch that fails is made up for by the next one, or by the next block.
            with suppress(DatabaseError), autocommit(services().pool) as conn:
                touch(conn)
        yield chunk
