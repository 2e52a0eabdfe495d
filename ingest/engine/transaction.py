"""Run one transaction: a block of a job, or the only blocks of a group of jobs that are alike.

The row lock on each block is the lease: a worker that dies, hangs or is late cannot commit, and the next worker finds
either all of it done or none of it (docs/explanation/how-it-works.md, "The row lock is the lease").
"""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, chain, islice, pairwise
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from ingest import faultpoints
from ingest.crypto import NO_KEYS, MasterKeys, is_sealed
from ingest.db.connection.pool import Connection
from ingest.db.jobs import blocks, completion
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.db.jobs.completion import BlockOutcome, Yields
from ingest.db.jobs.results import Results
from ingest.engine.csv_types import row_types
from ingest.engine.kinds import KINDS, keeps_results
from ingest.engine.late import past_retention
from ingest.engine.measures import Measure
from ingest.engine.outcomes import Outcomes
from ingest.engine.sealing import Sealer, has_personal_data
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.intake.blocks import items_of, kept_text
from ingest.intake.items import Items
from ingest.items.fastpath import FastPath, derive
from ingest.items.personal import Protection
from ingest.items.pointers import pointer
from ingest.items.schema import ItemSchema
from ingest.jobs import Effect, ItemError, ItemWarning, Job, JobState
from ingest.logs import Logger, get_logger

log: Logger = get_logger("ingest.engine.transaction")

# One job with an open block, or several jobs that are alike, each with its only block.
JobGroup = Sequence[Claim]


class JobEnded(Exception):
    """A job was ended while a block of it was under way."""


class Done(NamedTuple):
    """The result of a transaction.

    Attributes:
        states: the state of each job now.
        yielded: the worker puts the job down, so that other jobs come first.
    """

    states: dict[UUID, JobState]
    yielded: bool


def run_in_transaction(
    conn: Connection,
    group: JobGroup,
    schema: ItemSchema,
    poison: Collection[int] = (),
    *,
    keys: MasterKeys = NO_KEYS,
    measure: Measure | None = None,
    until: float = math.inf,
    fair: bool = False,
    halving: bool = True,
) -> Done | None:
    """Lock, check, write, record and close, in the caller's transaction.

    Args:
        conn: in a transaction of this alone.
        group: one job, or several of the same tenant, kind, mode and template.
        schema: that of their items.
        poison: indexes in the batch of a single job that must not be checked: each is an error.
        keys: the master keys of this process.
        measure: measures the transaction.
        until: on the monotonic clock; a job with blocks left then is put down.
        fair: a job with blocks left is put down as soon as another tenant waits.
        halving: narrow down what the database refuses.

    Returns:
        None if another worker holds a block or has closed it.

    Raises:
        JobEnded: one of them was ended meanwhile, so the transaction must be rolled back.
        JobUnrunnable: the payload of one cannot be read; likewise.
        MasterKeyMissing: an item has personal data, and there is no key to encrypt them with; likewise.
        SecretUnreadable: the payload of one cannot be decrypted; likewise.
        WriteRefused: the database cannot store one of the items, and nothing was to be halved; likewise.
    """
    job, block = group[0].job, group[0].block
    measure = measure or Measure()
    # Jobs that run together have a single block each, so the order of blocks is that of a job which runs alone.
    wanted = [(claim.job.id, claim.block.no) for claim in group]
    if not blocks.lock(conn, wanted, in_order=job.ordered or len(group) > 1):
        return None
    faultpoints.passing("block.locked")
    blocks.extend_lease(conn, block.deliveries)
    with undone_if_dry(conn, job):
        shares = check_and_write(conn, group, schema, poison, keys=keys, measure=measure, halving=halving)
    errors = [(share.outcome.job_id, error) for share in shares for error in share.errors]
    blocks.record_errors(conn, job.tenant_id, errors)
    yields = _yields(group, until, fair=fair)
    advanced = completion.close_blocks(
        conn,
        [share.outcome for share in shares],
        tenant_id=job.tenant_id,
        yields=yields,
        keeps_payload=job.options.validate_only,
    )
    if len(advanced) < len(group):
        raise JobEnded
    blocks.record_warnings(conn, {share.outcome.job_id: share.warnings for share in shares if share.warnings})
    faultpoints.passing("block.closed")
    states = {job_id: job.state for job_id, job in advanced.items()}
    return Done(states, any(job.yielded for job in advanced.values()))


def undone_if_dry(conn: Connection, job: Job) -> AbstractContextManager[object]:
    """Undo what is written in this context, if its job is only to predict the effects: the statements that write do."""
    return conn.transaction(force_rollback=True) if job.options.validate_only else nullcontext()


def check_and_write(
    conn: Connection,
    group: JobGroup,
    schema: ItemSchema,
    poison: Collection[int],
    *,
    keys: MasterKeys,
    measure: Measure,
    halving: bool,
) -> list["Share"]:
    """Check the items of locked blocks, and write the good ones.

    Args:
        conn: the transaction that holds the blocks.
        group: as of `run_in_transaction`.
        schema: likewise.
        poison: likewise.
        keys: likewise.
        measure: likewise.
        halving: likewise.

    Returns:
        The results of each job's items; errors are as they are stored.
    """
    job = group[0].job
    # A child may have copies of blocks that were accepted under another template.
    seals = has_personal_data(schema.judging) or any(is_sealed(claim.block.payload) for claim in group)
    sealer = Sealer(keys, job.tenant_id, seals)
    measure.lap("read")
    checked = _check(schema, group, poison, sealer)
    measure.lap("check")
    faultpoints.passing("block.checked")
    with_ids = not job.options.validate_only and any(keeps_results(claim.job) for claim in group)
    kind, protection = KINDS[job.kind], Protection.under(schema.judging, keys, job.tenant_id)
    target = Target(job.tenant_id, job.merge, schema.most_bytes, with_ids, protection)
    good = list(chain.from_iterable(part.good for part in checked))
    outcomes = write(conn, kind, target, good, halving=halving)
    measure.lap("write")
    faultpoints.passing("block.written")
    late = past_retention(conn, kind, target, good, outcomes.effects)
    shares = _shares(group, checked, outcomes, late, most_bytes=schema.most_bytes)
    for share in shares if not job.options.validate_only else ():
        measure.tally(share.outcome.effects, share.errors)
    return [share._replace(errors=sealer.errors(share.errors)) for share in shares]


def _yields(group: JobGroup, until: float, *, fair: bool) -> Yields:
    """Return when the worker puts the job down; an unordered one always: any worker may run its next block."""
    [(job, block), *others] = group
    if others or (job.ordered and block.first_index + block.items == job.total):
        return Yields.NEVER
    if not job.ordered or time.monotonic() > until:
        return Yields.NOW
    return Yields.TO_OTHER_TENANTS if fair else Yields.NEVER


class _Checked(NamedTuple):
    """A job's good items in the order sent, their indexes, an error for each of the others, and warnings.

    Attributes:
        sent: all items of its block, as they came.
    """

    good: list[Any]
    indexes: Sequence[int]
    errors: list[ItemError]
    warnings: list[ItemWarning]
    sent: Items


def _check(schema: ItemSchema, group: JobGroup, poison: Collection[int], sealer: Sealer) -> list[_Checked]:
    """Check the items of each job, good ones by the fast path, which takes those of all jobs together.

    Args:
        schema: theirs.
        group: the jobs, each with the block that holds them.
        poison: indexes of items that must not be checked, of a job that is alone.
        sealer: of their tenant's items.
    """
    sent = [
        items_of(sealer.payload(claim.block.payload), claim.block.first_line, way, row_types(schema, way))
        for claim, way in ((claim, claim.job.options.csv) for claim in group)
    ]
    together = list(chain.from_iterable(of_job.texts for of_job in sent))
    fast = fast_path(schema)
    items = iter([None] * len(together) if fast is None or poison else fast.check(together))
    return [
        _judge(schema, claim, of_job, list(islice(items, len(of_job.texts))), poison)
        for claim, of_job in zip(group, sent, strict=True)
    ]


def _judge(schema: ItemSchema, claim: Claim, sent: Items, items: list[Any], poison: Collection[int]) -> _Checked:
    """Have marshmallow check those items of a job that are None, since the fast path has not taken them."""
    first = claim.block.first_index
    indexes = sent.indexes or range(first, first + len(items))
    errors: list[ItemError] = []
    warnings: list[ItemWarning] = []
    for place in [place for place, item in enumerate(items) if item is None]:
        index = indexes[place]
        if place in sent.unreadable:
            code, message, external_id, path, _ = sent.unreadable[place]
            judged = ItemError(index, external_id, code, message, field=None if path is None else pointer(path))
        elif index in poison:
            judged = poisoned(index)
        else:
            judged = schema.check(index, sent.texts[place], warnings, strict=claim.job.strict)
        if isinstance(judged, ItemError):
            errors.append(judged)
        else:
            items[place] = judged
    if not errors:
        return _Checked(items, indexes, errors, warnings, sent)
    good = [place for place, item in enumerate(items) if item is not None]
    return _Checked([items[place] for place in good], [indexes[place] for place in good], errors, warnings, sent)


def poisoned(index: int) -> ItemError:
    """Return the error of an item that must not be checked."""
    return ItemError(index, None, "VALIDATION_FAILED", "Checking this item ended the process three times")


@lru_cache(maxsize=1_000)
def fast_path(schema: ItemSchema) -> FastPath | None:
    """Return the fast path of a schema, derived once; the log names what has none, and the field that is why."""
    derived = derive(schema)
    if derived is None:
        log.info("checking_item_by_item", schema=type(schema).__name__)
    for name, field in derived.left_out.items() if derived else ():
        log.info("checking_item_by_item", schema=type(schema).__name__, type=name, field=field)
    return derived


class Share(NamedTuple):
    """The results of one job's items, with their indexes in the job's own batch."""

    outcome: BlockOutcome
    errors: list[ItemError]
    warnings: list[ItemWarning]


def _shares(
    group: JobGroup,
    checked: Sequence[_Checked],
    outcomes: Outcomes,
    late: Sequence[ItemWarning],
    *,
    most_bytes: int,
) -> list[Share]:
    """Return each job's share of the outcomes.

    Args:
        group: the jobs.
        checked: the items of each.
        outcomes: of all their good items, one job's behind the other's.
        late: warnings, each with the place of its item among these as its index.
        most_bytes: of an item whose text is kept.
    """
    starts = list(accumulate((len(part.good) for part in checked), initial=0))

    def owner(place: int) -> tuple[_Checked, int]:
        """Return the job of a good item, and the item's index in it."""
        number = bisect_right(starts, place) - 1
        return checked[number], checked[number].indexes[place - starts[number]]

    for place, refusal in outcomes.refusals.items():
        part, index = owner(place)
        part.errors.append(ItemError(index, *refusal))
    for warning in late:
        part, index = owner(warning.index)
        part.warnings.append(replace(warning, index=index))
    return [
        _share(claim, part, outcomes.effects[start:end], outcomes.ids[start:end], most_bytes=most_bytes)
        for claim, part, (start, end) in zip(group, checked, pairwise(starts), strict=True)
    ]


def _share(
    claim: Claim, checked: _Checked, effects: Sequence[Effect], ids: Sequence[bytes], *, most_bytes: int
) -> Share:
    line_of, place_of = checked.sent.lines, _places(claim.block, checked.sent)
    errors = [
        replace(
            error,
            item=kept_text(checked.sent, place_of(error.index), most_bytes=most_bytes),
            patched=place_of(error.index) in checked.sent.patched,
        )
        for error in sorted(checked.errors, key=_INDEX)
    ]
    refused = {error.index for error in errors}
    warnings = sorted((warning for warning in checked.warnings if warning.index not in refused), key=_INDEX)
    if line_of is not None:
        errors = [replace(error, line=line_of[place_of(error.index)]) for error in errors]
        warnings = [replace(warning, line=line_of[place_of(warning.index)]) for warning in warnings]
    counts = Counter(effects)
    counts[Effect.FAILED] = len(errors)
    results = _results(claim, checked, effects, ids) if keeps_results(claim.job) else None
    return Share(BlockOutcome(claim.job.id, claim.block.no, counts, results), errors, warnings)


def _results(claim: Claim, checked: _Checked, effects: Sequence[Effect], ids: Sequence[bytes]) -> Results:
    """Return the results to keep: those of accepted items. Rows that were not written have no ids that will hold."""
    taken = [place for place, effect in enumerate(effects) if effect is not Effect.FAILED]
    indexes = [checked.indexes[place] for place in taken]
    known = ids if not claim.job.options.validate_only else ()
    return Results(
        indexes,
        [effects[place] for place in taken],
        [known[place] for place in taken] if known else [],
        _lines_of(claim.block, checked.sent, indexes),
    )


def _places(block: OpenBlock, sent: Items) -> Callable[[int], int]:
    """Return a function that tells the place of an index in a block."""
    if sent.indexes is None:
        return lambda index: index - block.first_index
    return {index: place for place, index in enumerate(sent.indexes)}.__getitem__


def _lines_of(block: OpenBlock, sent: Items, indexes: Sequence[int]) -> Sequence[int]:
    """Return the lines of these items; none if they follow from their indexes, or there are none."""
    lines = sent.lines
    if lines is None:
        return ()
    if sent.indexes is None and (block.first_line is None or lines[-1] - block.first_line == len(lines) - 1):
        return ()
    place_of = _places(block, sent)
    return [lines[place_of(index)] for index in indexes]


_INDEX = attrgetter("index")
