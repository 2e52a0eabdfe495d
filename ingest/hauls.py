"""What one transaction carries out: a block of a job, or the only blocks of several jobs that are alike.

The row lock on each block is the lease: whoever dies, hangs or is late cannot commit, and whoever comes next finds
either all of it done or none of it (DESIGN.md section 3).
"""

import math
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from ingest import faultpoints, intake
from ingest.checking import ItemSchema
from ingest.db import blocks, jobs
from ingest.db.blocks import Result
from ingest.db.jobs import Begun, Closing
from ingest.db.pool import Connection
from ingest.fastpath import FastPath, derive
from ingest.jobs import Effect, ItemError, JobState
from ingest.kinds import KINDS, Outcome, Target, Written
from ingest.writing import write

log: structlog.stdlib.BoundLogger = structlog.get_logger("ingest.hauls")

# Jobs that are alike, each with its first open block.
Haul = Sequence[Begun]


class JobEnded(Exception):
    """A job was ended while a block of it was under way."""


class Done(NamedTuple):
    """What a haul made of its jobs.

    Attributes:
        states: that they are in now.
        makes_room: this delivery leaves them to the next one.
    """

    states: dict[UUID, JobState]
    makes_room: bool


def carry_out(
    conn: Connection, haul: Haul, schema: ItemSchema, poison: Collection[int] = (), *, until: float = math.inf
) -> Done | None:
    """Lock, check, write, record and close, in the caller's transaction.

    Args:
        conn: in a transaction of this alone.
        haul: one job, or several of the same tenant, kind, mode and template.
        schema: theirs.
        poison: indexes in the batch of a single job that must not be checked: each is an error.
        until: on the monotonic clock; who has blocks left then makes room for others.

    Returns:
        None where another worker holds a block or has closed it.

    Raises:
        JobEnded: one of them was ended meanwhile, so the transaction must be rolled back.
        JobUnrunnable: the payload of one cannot be read; likewise.
    """
    if not blocks.lock(conn, [(each.job.id, each.block.no) for each in haul]):
        return None
    faultpoints.passing("block.locked")
    first = haul[0]
    blocks.extend_patience(conn, first.block.deliveries)
    kind = KINDS[first.job.kind]
    texts = [intake.items_of(each.block.payload) for each in haul]
    good, errors = _check(schema, first.block.first_index, list(chain.from_iterable(texts)), poison)
    faultpoints.passing("block.checked")
    outcomes = [*errors, *write(conn, kind, Target(first.job.tenant_id, first.job.merge), good)]
    faultpoints.passing("block.written")
    shares = _shares(haul, [len(each) for each in texts], outcomes)
    blocks.record_errors(conn, [(each.job.id, error) for each, share in shares for error in _errors(share)])
    makes_room = time.monotonic() > until
    states = jobs.move_on(conn, [_closing(each, share) for each, share in shares], makes_room=makes_room)
    if len(states) < len(haul):
        raise JobEnded
    faultpoints.passing("block.closed")
    return Done(states, makes_room)


def _check(
    schema: ItemSchema, first_index: int, texts: list[msgspec.Raw], poison: Collection[int]
) -> tuple[list[Any], list[tuple[int, ItemError]]]:
    """The good items in the order sent, and an error for each of the others."""
    fast = fast_path(schema)
    if fast is None or poison:
        checked: list[Any] = [None] * len(texts)
    else:
        checked = fast.check(first_index, texts)
    good: list[Any] = []
    errors: list[tuple[int, ItemError]] = []
    for index, (text, item) in enumerate(zip(texts, checked, strict=True), first_index):
        if item is not None:
            good.append(item)
        elif index in poison:
            errors.append((index, _poisoned(index)))
        elif isinstance(judged := schema.check(index, text), ItemError):
            errors.append((index, judged))
        else:
            good.append(judged)
    return good, errors


def _poisoned(index: int) -> ItemError:
    return ItemError(index, None, "VALIDATION_FAILED", "Checking this item ended the process three times")


@lru_cache(maxsize=1_000)
def fast_path(schema: ItemSchema) -> FastPath | None:
    """The fast path of a schema, derived once; the log names a kind that has none."""
    derived = derive(schema)
    if derived is None:
        log.info("checking_item_by_item", schema=type(schema).__name__)
    return derived


def _shares(
    haul: Haul, sizes: Sequence[int], outcomes: Sequence[tuple[int, Outcome]]
) -> list[tuple[Begun, Sequence[tuple[int, Outcome]]]]:
    """What became of each job's items, by their indexes in its own batch."""
    if len(haul) == 1:
        return [(haul[0], outcomes)]
    starts = list(accumulate(sizes[:-1], initial=0))
    shares: list[list[tuple[int, Outcome]]] = [[] for _ in haul]
    for place, outcome in outcomes:
        which = bisect_right(starts, place) - 1
        index = place - starts[which]
        shares[which].append((index, replace(outcome, index=index) if isinstance(outcome, ItemError) else outcome))
    return list(zip(haul, shares, strict=True))


def _errors(share: Sequence[tuple[int, Outcome]]) -> Iterator[ItemError]:
    return (outcome for _, outcome in share if isinstance(outcome, ItemError))


def _closing(each: Begun, share: Sequence[tuple[int, Outcome]]) -> Closing:
    taken = [(index, outcome) for index, outcome in share if isinstance(outcome, Written)]
    effects = Counter(outcome.effect for _, outcome in taken)
    effects[Effect.FAILED] = len(share) - len(taken)
    results = None
    if KINDS[each.job.kind].keeps_results:
        results = [Result(index, outcome.effect, outcome.id) for index, outcome in taken if outcome.id is not None]
    return Closing(each.job.id, each.block.no, effects, results)
