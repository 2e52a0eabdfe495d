"""One job, block by block: begin, lock, check, write, record, close, tell.

Every block is one transaction, and the row lock on it is the lease: whoever dies, hangs or is late cannot commit, and
whoever comes next finds either the whole block done or none of it (DESIGN.md section 3).
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from ingest import faultpoints, intake, quarantine
from ingest.checking import ItemSchema
from ingest.db import blocks, jobs
from ingest.db.blocks import OpenBlock, Results
from ingest.db.jobs import Begun
from ingest.db.pool import Connection, Pool, session
from ingest.db.templates import Editions
from ingest.errors import JobUnrunnable, TryAgain, Unavailable
from ingest.fastpath import FastPath, derive
from ingest.jobs import Effect, ItemError, Job, JobState
from ingest.kinds import KINDS, Outcomes, Target, schema_of
from ingest.queue import Bell
from ingest.wakeups import Ear, Wakeups
from ingest.writing import write

# Deliveries of the same block, with no progress in between, after which its items are checked in quarantine first.
_SUSPICIOUS_DELIVERIES = 3

# Who hears of jobs and finds that others have begun them, time and again, is not needed.
_MOST_IN_VAIN = 20

# So long after its transaction must be over, a process that is still at a block hangs.
_SLACK_SECONDS = 5

log: structlog.stdlib.BoundLogger = structlog.get_logger("ingest.executor")


class _JobEnded(Exception):
    """The job was ended while this block was under way."""


class _Left(Enum):
    """Why this delivery is done with a job."""

    ENDED = auto()  # by this delivery or another
    SOMEONE_ELSE = auto()  # another worker holds its first open block
    TIME_IS_UP = auto()  # it was rung for again
    NOT_BEGUN = auto()  # there was nothing to do
    TROUBLE = auto()  # the database was lost, or made it wait, too often: sweep rings again


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out jobs.

    Attributes:
        pool: of worker connections, opened in this process.
        bell: rings for what is left to do.
        wakeups: wakes the requests that wait for a job; None in a request that carries out its own.
        editions: the templates that were read.
        tries: how often one delivery looks again after the database lost it, or made it wait too long. Beyond that,
            sweep rings.
        leash: given seconds, ends this process where it is not left in time; for processes that may end.
    """

    pool: Pool
    bell: Bell
    wakeups: Wakeups | None
    editions: Editions
    tries: int = 3
    leash: Callable[[int], AbstractContextManager[object]] = nullcontext

    def run(self, job_id: UUID, *, seconds: float) -> None:
        """Carry out a job as far as it goes in the time.

        Delivered twice, late, or for a job that ended long ago, this is harmless.

        Args:
            job_id: as the message named it.
            seconds: after which it rings for the job and leaves it to the next worker, so that a long job does not hold
                short ones up; at least one block is done.
        """
        with structlog.contextvars.bound_contextvars(job_id=job_id.hex):
            self._deliver(lambda conn: jobs.begin(conn, job_id), time.monotonic() + seconds)

    def serve(self, job_id: UUID | None, ear: Ear, *, seconds: float) -> None:
        """Carry out a job, and then, being awake, whatever else waits.

        Args:
            job_id: as the message named it; None where it named none.
            ear: hears of jobs that come while there is nothing to do.
            seconds: after which it begins no further job, and leaves the one that it is at to the next worker.
        """
        until = time.monotonic() + seconds
        self._wake_another(job_id)
        if job_id is not None:
            self.run(job_id, seconds=seconds)
        begun_nothing = 0
        while time.monotonic() < until and begun_nothing < _MOST_IN_VAIN:
            left = self._deliver(jobs.begin_next, until)
            if left is _Left.TROUBLE:
                break
            if left is not _Left.NOT_BEGUN:
                begun_nothing = 0
                continue
            begun_nothing += 1
            if not self._something_comes(ear):
                return
            self._wake_another(None)
        # It goes, and what it has heard of last may have no message.
        for waits in self._waiting()[:1]:
            self.bell.ring(waits)

    def _wake_another(self, mine: UUID | None) -> None:
        """Rings are spared while one is on its way or heard: who goes to work while more waits therefore wakes another.

        Args:
            mine: what this process begins with; None where that is what has waited longest.
        """
        waiting = self._waiting()
        others = waiting[1:] if mine is None else [each for each in waiting if each != mine]
        for another in others[:1]:
            self.bell.ring(another)

    def _something_comes(self, ear: Ear) -> bool:
        """Stay awake for a moment: whether there is something to do again."""
        with ear.open():
            # From here on rings count on this process; what was rung for just before would be heard by nobody.
            return bool(self._waiting()) or ear.hears()

    def _waiting(self) -> list[UUID]:
        """The two that have waited longest."""
        try:
            with session(self.pool) as conn:
                return jobs.waiting(conn, limit=2)
        except (TryAgain, Unavailable) as error:
            log.warning("waiting_unknown", error=error.message)
            return []

    def _deliver(self, begin: Callable[[Connection], Begun | None], until: float) -> _Left:
        """Begin a job and carry it out until the time is up."""
        job: Job | None = None
        block: OpenBlock | None
        tries = 0
        while True:
            try:
                with session(self.pool) as conn:
                    if job is None:
                        begun = begin(conn)
                        if begun is None:
                            return _Left.NOT_BEGUN
                        job, block = begun.job, begun.block
                        faultpoints.passing("job.begun")
                    else:
                        block = blocks.next_open(conn, job.id)
                    with structlog.contextvars.bound_contextvars(job_id=job.id.hex, request_id=job.request_id):
                        while block is not None:
                            faultpoints.passing("block.read")
                            left = self._step(conn, job, block, until)
                            tries = 0
                            if left is not None:
                                return left
                            block = blocks.next_open(conn, job.id)
                        return self._tell(conn, job)
            except (TryAgain, Unavailable) as error:
                # A COMMIT whose answer was lost may have landed: look again, over another connection.
                tries += 1
                log.warning("block_again", error=error.message, tries=tries, **_named(job))
                if tries == self.tries:
                    return _Left.TROUBLE
                self.pool.check()

    def _step(self, conn: Connection, job: Job, block: OpenBlock, until: float) -> _Left | None:
        """Carry out a block in one transaction; None where there may be more to do."""
        try:
            template = None if job.template_id is None else self.editions.get(conn, job.template_id)
            schema = schema_of(KINDS[job.kind], template)
            poison = _poison(schema, block)
            longest = blocks.patience_seconds(block.deliveries) + _SLACK_SECONDS
            with self.leash(longest), conn.transaction():
                closed = _carry_out(conn, job, block, schema, poison, until=until)
        except _JobEnded:
            return self._tell(conn, job)
        except JobUnrunnable as error:
            if jobs.fail(conn, job.id, error.code, error.message):
                log.error("job_failed", code=error.code, message=error.message)  # noqa: TRY400 # it says all
            return self._tell(conn, job)
        if closed is None:
            return _Left.SOMEONE_ELSE
        faultpoints.passing("block.committed")
        if closed.state.ended:
            return self._tell(conn, job)
        if closed.makes_room:
            self.bell.ring(job.id)
            return _Left.TIME_IS_UP
        return None

    def _tell(self, conn: Connection, job: Job) -> _Left:
        """Tell those who waited for the end of a job; harmless where they have been told."""
        found = jobs.ended(conn, job.id)
        if found is None:
            return _Left.SOMEONE_ELSE
        ended, waiting = found
        faultpoints.passing("job.ended")
        log.info("job_ended", status=ended.status, total=ended.total, failed=ended.effects[Effect.FAILED])
        if job.awaited and self.wakeups is not None:
            self.wakeups.wake(job.id)
        for next_job in waiting:
            self.bell.ring(next_job)
        return _Left.ENDED


def _named(job: Job | None) -> dict[str, str]:
    return {} if job is None else {"job_id": job.id.hex}


class _Closed(NamedTuple):
    """What closing a block made of its job; `makes_room`: this delivery leaves it to the next one."""

    state: JobState
    makes_room: bool


def _carry_out(
    conn: Connection, job: Job, block: OpenBlock, schema: ItemSchema, poison: set[int], *, until: float = math.inf
) -> _Closed | None:
    """Everything of one block, in the caller's transaction.

    Returns:
        None where another worker holds the block or has closed it.

    Raises:
        _JobEnded: the job was ended meanwhile, so the transaction must be rolled back.
    """
    if not blocks.lock(conn, job.id, block.no):
        return None
    faultpoints.passing("block.locked")
    blocks.extend_patience(conn, block.deliveries)
    good, indexes, errors = _check(schema, block, poison)
    faultpoints.passing("block.checked")
    kind = KINDS[job.kind]
    outcomes = write(conn, kind, Target(job.tenant_id, job.merge), good)
    errors += [ItemError(indexes[place], *refusal) for place, refusal in outcomes.refusals.items()]
    results = _results(indexes, outcomes) if kind.keeps_results else None
    faultpoints.passing("block.written")
    effects = Counter(outcomes.effects)
    effects[Effect.FAILED] = len(errors)
    blocks.record_errors(conn, job.id, errors)
    blocks.close(conn, job.id, block.no, results)
    makes_room = time.monotonic() > until
    state = jobs.move_on(conn, job.id, effects, makes_room=makes_room)
    if state is None:
        raise _JobEnded
    faultpoints.passing("block.closed")
    return _Closed(state, makes_room)


class _Checked(NamedTuple):
    """A block's good items in the order sent, their indexes in the whole batch, and an error for each of the others."""

    good: list[Any]
    indexes: Sequence[int]
    errors: list[ItemError]


def _check(schema: ItemSchema, block: OpenBlock, poison: set[int]) -> _Checked:
    texts = intake.items_of(block.payload)
    fast = fast_path(schema)
    items: list[Any] = [None] * len(texts) if fast is None or poison else fast.check(texts)
    indexes = range(block.first_index, block.first_index + len(items))
    errors: list[ItemError] = []
    for place in [place for place, item in enumerate(items) if item is None]:
        index = indexes[place]
        judged = _poisoned(index) if index in poison else schema.check(index, texts[place])
        if isinstance(judged, ItemError):
            errors.append(judged)
        else:
            items[place] = judged
    if not errors:
        return _Checked(items, indexes, errors)
    good = [place for place, item in enumerate(items) if item is not None]
    return _Checked([items[place] for place in good], [indexes[place] for place in good], errors)


def _results(indexes: Sequence[int], outcomes: Outcomes) -> Results:
    """What is kept of the items that were taken."""
    if not outcomes.refusals:
        return Results(indexes, outcomes.effects, outcomes.ids)
    taken = [place for place, effect in enumerate(outcomes.effects) if effect is not Effect.FAILED]
    return Results(
        [indexes[place] for place in taken],
        [outcomes.effects[place] for place in taken],
        [outcomes.ids[place] for place in taken],
    )


def _poisoned(index: int) -> ItemError:
    return ItemError(index, None, "VALIDATION_FAILED", "Checking this item ended the process three times")


@lru_cache(maxsize=1_000)
def fast_path(schema: ItemSchema) -> FastPath | None:
    """The fast path of a schema, derived once; the log names a kind that has none."""
    derived = derive(schema)
    if derived is None:
        log.info("checking_item_by_item", schema=type(schema).__name__)
    return derived


def _poison(schema: ItemSchema, block: OpenBlock) -> set[int]:
    if block.deliveries < _SUSPICIOUS_DELIVERIES:
        return set()
    log.warning("block_in_quarantine", block=block.no, deliveries=block.deliveries)
    return quarantine.poisonous(schema.check, list(enumerate(intake.items_of(block.payload), block.first_index)))
