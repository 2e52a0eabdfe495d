"""Run one transaction: a block of a job, or the only blocks of a group of jobs that are alike.

The row lock on each block is the lease: a worker that dies, hangs or is late cannot commit, and the next worker finds
either all of it done or none of it (docs/architecture.md, "The row lock is the lease").
"""

import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import structlog

from ingest import faultpoints, intake
from ingest.checking import ItemSchema
from ingest.db import blocks, completion
from ingest.db.blocks import Results
from ingest.db.claims import Claim
from ingest.db.completion import BlockOutcome, Yields
from ingest.db.pool import Connection
from ingest.fastpath import FastPath, derive
from ingest.jobs import Effect, ItemError, ItemWarning, JobState
from ingest.kinds import KINDS
from ingest.late import past_retention
from ingest.outcomes import Outcomes
from ingest.writers import Target
from ingest.writing import write

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("ingest.transaction")

_Notice = TypeVar("_Notice", ItemError, ItemWarning)

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
        until: on the monotonic clock; a job with blocks left then is put down.
        fair: a job with blocks left is put down as soon as another tenant waits.
        halving: narrow down what the database refuses.

    Returns:
        None if another worker holds a block or has closed it.

    Raises:
        JobEnded: one of them was ended meanwhile, so the transaction must be rolled back.
        JobUnrunnable: the payload of one cannot be read; likewise.
        WriteRefused: the database cannot store one of the items, and nothing was to be halved; likewise.
    """
    job, block = group[0].job, group[0].block
    # Jobs that run together have a single block each, so the order of blocks is that of a job which runs alone.
    wanted = [(claim.job.id, claim.block.no) for claim in group]
    if not blocks.lock(conn, wanted, in_order=job.ordered or len(group) > 1):
        return None
    faultpoints.passing("block.locked")
    blocks.extend_lease(conn, block.deliveries)
    texts = [intake.items_of(claim.block.payload) for claim in group]
    strict = (
        [claim.job.strict for claim, items in zip(group, texts, strict=True) for _ in items]
        if _any_strict(group)
        else None
    )
    checked = _check(schema, block.first_index, list(chain.from_iterable(texts)), poison, strict)
    faultpoints.passing("block.checked")
    kind, target = KINDS[job.kind], Target(job.tenant_id, job.merge, schema.most_bytes)
    outcomes = write(conn, kind, target, checked.good, halving=halving)
    faultpoints.passing("block.written")
    late = past_retention(conn, kind, target, checked.good, checked.indexes)
    warnings = _of_taken([*checked.warnings, *late], checked, outcomes)
    shares = list(_shares(group, [len(items) for items in texts], checked, outcomes, warnings))
    blocks.record_errors(conn, [(share.outcome.job_id, error) for share in shares for error in share.errors])
    yields = _yields(group, until, fair=fair)
    advanced = completion.close_blocks(
        conn, [share.outcome for share in shares], tenant_id=job.tenant_id, yields=yields
    )
    if len(advanced) < len(group):
        raise JobEnded
    blocks.record_warnings(conn, {share.outcome.job_id: share.warnings for share in shares if share.warnings})
    faultpoints.passing("block.closed")
    states = {job_id: job.state for job_id, job in advanced.items()}
    return Done(states, any(job.yielded for job in advanced.values()))


def _yields(group: JobGroup, until: float, *, fair: bool) -> Yields:
    """Return when the worker puts the job down; an unordered one always: any worker may run its next block."""
    [(job, block), *others] = group
    if others or (job.ordered and block.first_index + block.items == job.total):
        return Yields.NEVER
    if not job.ordered or time.monotonic() > until:
        return Yields.NOW
    return Yields.TO_OTHER_TENANTS if fair else Yields.NEVER


class _Checked(NamedTuple):
    """The good items in the order sent, their indexes and warnings, and an error for each of the others."""

    good: list[Any]
    indexes: Sequence[int]
    errors: list[ItemError]
    warnings: list[ItemWarning]


def _any_strict(group: JobGroup) -> bool:
    return any(claim.job.strict for claim in group)


def _check(
    schema: ItemSchema,
    first_index: int,
    texts: list[msgspec.Raw],
    poison: Collection[int],
    strict: Sequence[bool] | None,
) -> _Checked:
    """Check items, good ones by the fast path.

    Args:
        schema: theirs.
        first_index: of the first one.
        texts: as they were sent.
        poison: indexes of those that must not be checked.
        strict: for each, whether members that it should not have are errors; None: for none.
    """
    fast = fast_path(schema)
    items: list[Any] = [None] * len(texts) if fast is None or poison else fast.check(texts)
    indexes = range(first_index, first_index + len(items))
    errors: list[ItemError] = []
    warnings: list[ItemWarning] = []
    for place in [place for place, item in enumerate(items) if item is None]:
        index = indexes[place]
        if index in poison:
            judged = _poisoned(index)
        else:
            judged = schema.check(index, texts[place], warnings, strict=strict is not None and strict[place])
        if isinstance(judged, ItemError):
            errors.append(judged)
        else:
            items[place] = judged
    if not errors:
        return _Checked(items, indexes, errors, warnings)
    good = [place for place, item in enumerate(items) if item is not None]
    return _Checked([items[place] for place in good], [indexes[place] for place in good], errors, warnings)


def _poisoned(index: int) -> ItemError:
    return ItemError(index, None, "VALIDATION_FAILED", "Checking this item ended the process three times")


@lru_cache(maxsize=1_000)
def fast_path(schema: ItemSchema) -> FastPath | None:
    """The fast path of a schema, derived once; the log names a kind that has none."""
    derived = derive(schema)
    if derived is None:
        log.info("checking_item_by_item", schema=type(schema).__name__)
    return derived


class _Share(NamedTuple):
    """The results of one job's items, with their indexes in the job's own batch."""

    outcome: BlockOutcome
    errors: list[ItemError]
    warnings: list[ItemWarning]


def _of_taken(warnings: list[ItemWarning], checked: _Checked, outcomes: Outcomes) -> list[ItemWarning]:
    """The warnings of the items that were written, in the order of their indexes."""
    if not warnings:
        return []
    refused = {checked.indexes[place] for place in outcomes.refusals}
    return sorted((warning for warning in warnings if warning.index not in refused), key=_INDEX)


def _shares(
    group: JobGroup, sizes: Sequence[int], checked: _Checked, outcomes: Outcomes, warnings: list[ItemWarning]
) -> Iterator[_Share]:
    """Return each job's share of the outcomes. In a group, the indexes count on from one job to the next."""
    indexes = checked.indexes
    refused = [ItemError(indexes[place], *refusal) for place, refusal in outcomes.refusals.items()]
    errors = sorted([*checked.errors, *refused], key=_INDEX)
    bounds = accumulate(sizes, initial=group[0].block.first_index)
    for (job, block), (start, end) in zip(group, pairwise(bounds), strict=True):
        first, last = bisect_left(indexes, start), bisect_left(indexes, end)
        shift = block.first_index - start
        mine = _between(errors, start, end, shift)
        effects = Counter(outcomes.effects[first:last])
        effects[Effect.FAILED] = len(mine)
        results = None
        if KINDS[job.kind].keeps_results:
            results = _results(shift, indexes[first:last], outcomes.effects[first:last], outcomes.ids[first:last])
        yield _Share(BlockOutcome(job.id, block.no, effects, results), mine, _between(warnings, start, end, shift))


def _between(notices: list[_Notice], start: int, end: int, shift: int) -> list[_Notice]:
    """Return the errors or warnings of the items from `start` to before `end`, their indexes shifted."""
    mine = notices[bisect_left(notices, start, key=_INDEX) : bisect_left(notices, end, key=_INDEX)]
    return [replace(notice, index=notice.index + shift) for notice in mine] if shift else mine


def _results(shift: int, indexes: Sequence[int], effects: Sequence[Effect], ids: Sequence[bytes]) -> Results:
    """Return the results to keep: those of accepted items."""
    taken = [place for place, effect in enumerate(effects) if effect is not Effect.FAILED]
    return Results(
        [indexes[place] + shift for place in taken],
        [effects[place] for place in taken],
        [ids[place] for place in taken],
    )


_INDEX = attrgetter("index")
