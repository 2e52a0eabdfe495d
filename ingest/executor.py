"""Jobs, haul by haul: begin, carry out, tell; and whatever else waits, once awake.

What one transaction carries out is `ingest.hauls`: here is which jobs, when, and what if something stands in the way.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from uuid import UUID

import structlog

from ingest import faultpoints, intake, quarantine
from ingest.checking import ItemSchema
from ingest.db import blocks, jobs, turns
from ingest.db.blocks import OpenBlock
from ingest.db.faults import ours
from ingest.db.jobs import Ended
from ingest.db.pool import Connection, Pool, session
from ingest.db.templates import Editions
from ingest.db.turns import Begun
from ingest.errors import JobUnrunnable, TryAgain, Unavailable, WriteRefused
from ingest.hauls import Done, Haul, JobEnded, carry_out
from ingest.jobs import Job
from ingest.kinds import KINDS, schema_of
from ingest.queue import Bell
from ingest.wakeups import Ear, Wakeups

# Deliveries of the same block, with no progress in between, after which its items are checked in quarantine first.
_SUSPICIOUS_DELIVERIES = 3

# Who hears of jobs and finds that others have begun them, time and again, is not needed.
_MOST_IN_VAIN = 20

# So long after its transaction must be over, a process that is still at a block hangs.
_SLACK_SECONDS = 5

# So many bytes of items are carried out together at most: each is held several times over while it is written. Stored,
# they may have been a thousandth of that.
_MOST_BYTES = 16 * 1024 * 1024

# Small jobs that come while others are carried out come in numbers, and a transaction costs as much as some twenty of
# them. So who has carried out a few together lets the next ones gather; not after a job that came alone, nor where a
# client waited for one of them: it may be about to send the next.
_GATHERING_SECONDS = 0.05
_MANY_JOBS = 20
_MANY_ITEMS = 500

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("ingest.executor")


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
            self._deliver(lambda conn: turns.begin(conn, job_id), time.monotonic() + seconds)

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
            left = self._deliver(turns.begin_next, until)
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
                return turns.waiting(conn, limit=2)
        except (TryAgain, Unavailable) as error:
            log.warning("waiting_unknown", error=error.message)
            return []

    def _deliver(self, begin: Callable[[Connection], Haul], until: float) -> _Left:
        """Begin a job and carry it out until the time is up; or several together, tried once, and else one by one."""
        haul: Haul = []
        block: OpenBlock | None
        tries = 0
        while len(haul) <= 1:
            try:
                with session(self.pool) as conn:
                    if not haul:
                        haul = begin(conn)
                        if not haul:
                            return _Left.NOT_BEGUN
                        faultpoints.passing("job.begun")
                        if len(haul) > 1:
                            if self._together(conn, haul):
                                return _Left.ENDED
                            break
                        block = haul[0].block
                    else:
                        block = blocks.next_open(conn, haul[0].job.id)
                    job = haul[0].job
                    with structlog.contextvars.bound_contextvars(job_id=job.id.hex, request_id=job.request_id):
                        while block is not None:
                            left = self._step(conn, Begun(job, block), until)
                            tries = 0
                            if left is not None:
                                return left
                            block = blocks.next_open(conn, job.id)
                        return self._tell(conn, haul)
            except (TryAgain, Unavailable) as error:
                # A COMMIT whose answer was lost may have landed: look again, over another connection.
                tries += 1
                named = _named(haul[0].job) if len(haul) == 1 else {"jobs": len(haul)}
                log.warning("block_again", error=error.message, tries=tries, **named)
                if tries == self.tries:
                    return _Left.TROUBLE
                self.pool.check()
        return self._one_by_one(haul, until)

    def _together(self, conn: Connection, haul: Haul) -> bool:
        """Carry out several jobs in one transaction; False where anything stands in the way of any of them."""
        if sum(intake.decoded_bytes(each.block.payload) for each in haul) > _MOST_BYTES:
            return False
        try:
            if self._carry_out(conn, haul, math.inf) is None:
                return False
        except (TryAgain, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 # one of them brings it, whatever it is, and no other shall suffer
            log.info("jobs_disagree", jobs=len(haul), error=type(error).__name__)
            return False
        self._tell(conn, haul)
        if next_may_gather(haul):
            time.sleep(_GATHERING_SECONDS)
        return True

    def _one_by_one(self, haul: Haul, until: float) -> _Left:
        """Whatever several jobs met together, each is delivered by itself now."""
        log.info("jobs_one_by_one", jobs=len(haul))
        left = _Left.NOT_BEGUN
        for each in haul:
            try:
                left = self._deliver(partial(self._begin_again, begun=each), until)
            except Exception:
                log.exception("job_crashed", **_named(each.job))
            if left is _Left.TROUBLE:
                break
        return left

    def _begin_again(self, conn: Connection, *, begun: Begun) -> Haul:
        again = turns.begin(conn, begun.job.id)
        if not again:
            self._tell(conn, [begun])  # a COMMIT whose answer was lost may have landed
        return again

    def _step(self, conn: Connection, begun: Begun, until: float) -> _Left | None:
        """Carry out a block of a job; None where there may be more to do."""
        try:
            done = self._carry_out(conn, [begun], until)
        except JobEnded:
            return self._tell(conn, [begun])
        except JobUnrunnable as error:
            if jobs.fail(conn, begun.job.id, error.code, error.message):
                log.error("job_failed", code=error.code, message=error.message)  # noqa: TRY400 # it says all
            return self._tell(conn, [begun])
        if done is None:
            return _Left.SOMEONE_ELSE
        if done.states[begun.job.id].ended:
            return self._tell(conn, [begun])
        if done.makes_room:
            self.bell.ring(begun.job.id)
            return _Left.TIME_IS_UP
        return None

    def _carry_out(self, conn: Connection, haul: Haul, until: float) -> Done | None:
        """A haul in a transaction of its own; None where another worker holds a block or has closed it."""
        faultpoints.passing("block.read")
        job, block = haul[0].job, haul[0].block
        template = None if job.template_id is None else self.editions.get(conn, job.template_id)
        schema = schema_of(KINDS[job.kind], template)
        poison = _poison(schema, block)
        longest = blocks.patience_seconds(block.deliveries) + _SLACK_SECONDS

        def carried_out(*, halving: bool) -> Done | None:
            with self.leash(longest), ours(), conn.transaction():
                return carry_out(conn, haul, schema, poison, until=until, halving=halving)

        try:
            done = carried_out(halving=False)
        except WriteRefused:
            done = carried_out(halving=True)
        if done is not None:
            faultpoints.passing("block.committed")
        return done

    def _tell(self, conn: Connection, haul: Haul) -> _Left:
        """Tell those who waited for the end of jobs; harmless where they have been told."""
        ends = jobs.ended(conn, [each.job.id for each in haul])
        for job in ends:
            faultpoints.passing("job.ended")
            log.info("job_ended", status=job.status, total=job.total, failed=job.failed, **_named(job))
            for behind in job.behind:
                self.bell.ring(behind)
        awaited = [job.id for job in ends if job.awaited]
        if awaited and self.wakeups is not None:
            self.wakeups.wake(awaited)
        return _Left.ENDED if len(ends) == len(haul) else _Left.SOMEONE_ELSE


def next_may_gather(haul: Haul) -> bool:
    """Whether the jobs that come after these, which were carried out together, may wait a moment for each other."""
    few = len(haul) < _MANY_JOBS and sum(each.block.items for each in haul) < _MANY_ITEMS
    return few and not any(each.job.awaited for each in haul)


def _named(job: Job | Ended) -> dict[str, str]:
    return {"job_id": job.id.hex, "request_id": job.request_id}


def _poison(schema: ItemSchema, block: OpenBlock) -> set[int]:
    if block.deliveries < _SUSPICIOUS_DELIVERIES:
        return set()
    log.warning("block_in_quarantine", block=block.no, deliveries=block.deliveries)
    return quarantine.poisonous(schema.check, list(enumerate(intake.items_of(block.payload), block.first_index)))
