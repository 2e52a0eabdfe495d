"""Jobs from their claim to their end: claim, run block by block, announce; and then all other queued jobs.

`ingest.engine.transaction` runs one transaction. This module decides which jobs run and when, and handles what fails.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from itertools import accumulate
from uuid import UUID

import structlog

from ingest import faultpoints
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import WORKER, Connection, Pool, autocommit, open_pool
from ingest.db.jobs import blocks, claims, control, lookup
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.db.tenants.templates import TemplateCache
from ingest.engine import quarantine
from ingest.engine.announcer import Announcer
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.transaction import Done, JobEnded, JobGroup, run_in_transaction
from ingest.errors import JobUnrunnable, TryAgain, Unavailable, WriteRefused
from ingest.ids import JOB, spell
from ingest.intake.blocks import decoded_bytes, items_of
from ingest.items.schema import ItemSchema
from ingest.jobs import WAITS_FOR, JobState
from ingest.notify.job_end import JobEndSignal
from ingest.notify.listener import Listener
from ingest.notify.notifier import Notifier
from ingest.settings import MOST_ITEM_BYTES, Settings

# Deliveries of the same block, with no progress in between, after which its items are checked in quarantine first.
_SUSPICIOUS_DELIVERIES = 3

# A delivery tries again so often after trouble with the database.
_TRIES = 3

# Stop after this many failed claims in a row: other workers are taking the jobs first.
_MOST_EMPTY_CLAIMS = 20

# Grace after the block's transaction timeout. A process still in the block by then is hung and is killed.
_GRACE_SECONDS = 5

# Between two looks of a request at a job of another process that its own job waits for.
_PAUSE_SECONDS = 0.005

# A transaction writes at most so many bytes of items, as many as a block may have, because Postgres takes 70 bytes of
# memory for each. A claim counts them as they are stored, which may be a thousandth of that.
_MOST_BYTES = 4 * 1024 * 1024

# Group commit. A transaction costs as much as about 20 small jobs, so after a small group wait 50 ms for more to
# arrive. Do not wait after a single job, or if a client is waiting for one of these: it may be about to send the next.
_GATHERING_SECONDS = 0.05
_MANY_JOBS = 20
_MANY_ITEMS = 500

# The end of a job of these kinds may let several jobs begin at once; unless the next one is of these kinds, too, since
# then they wait for that one.
_AWAITED_BY_OTHER_KINDS = {earlier for kind, kinds in WAITS_FOR.items() for earlier in kinds if earlier != kind}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("ingest.engine.executor")


class Delivery(Enum):
    """The end of a delivery.

    Attributes:
        DONE: the job has ended.
        HELD: another worker holds its block, or has just closed it.
        YIELDED: the job was put down, and any worker may go on with it.
        NOTHING: there was no job to claim.
        TROUBLE: the database was lost, or made it wait, too often. The sweeper notifies again.
    """

    DONE = auto()
    HELD = auto()
    YIELDED = auto()
    NOTHING = auto()
    TROUBLE = auto()


@dataclass(slots=True)
class LastRun:
    """The job that a process ran last: the next tenant is next in turn, and other kinds may have waited for it."""

    tenant_id: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs jobs.

    Attributes:
        pool: of worker connections, opened in this process.
        notifier: notifies workers of jobs that are left.
        job_end: wakes the requests that wait for a job; None in a request that runs its own.
        template_cache: the template versions that this process has read.
        tries: how often one delivery tries again after the database lost it, or made it wait too long. Beyond that, the
            sweeper notifies.
        watchdog: given seconds, ends this process if it is not left in time; for processes that may end.
        last: what this process ran last.
        max_item_bytes: the setting of that name.
    """

    pool: Pool
    notifier: Notifier
    job_end: JobEndSignal | None
    template_cache: TemplateCache
    tries: int = _TRIES
    watchdog: Callable[[int], AbstractContextManager[object]] = nullcontext
    last: LastRun = field(default_factory=LastRun)
    max_item_bytes: int = MOST_ITEM_BYTES

    def run(self, job_id: UUID, *, seconds: float) -> Delivery:
        """Run a job as far as it goes in the time.

        Delivered twice, late, or for a job that ended long ago, this is harmless.

        Args:
            job_id: as the message named it.
            seconds: after which it leaves the job to the next worker, which it notifies, so that a long job does not
                hold short ones up; at least one block is done.
        """
        until = time.monotonic() + seconds
        claim = partial(claims.claim, job_id=job_id)
        with structlog.contextvars.bound_contextvars(job_id=spell(JOB, job_id)):
            delivery = self._deliver(claim, until)
            while delivery is Delivery.YIELDED and time.monotonic() < until:
                delivery = self._deliver(claim, until)
            if delivery is Delivery.YIELDED:
                self.notifier.notify(job_id)
        return delivery

    def run_in_turn(self, job_id: UUID, *, seconds: float, longest: float) -> None:
        """Run a job in the request that accepted it, once the earlier jobs that it waits for have ended.

        Those that no worker has begun are run here too, so that the request needs no worker to be up.

        Args:
            job_id: of a job that was stored.
            seconds: as of `run`.
            longest: seconds that the earlier jobs may take.
        """
        until = time.monotonic() + longest
        elsewhere = {Delivery.NOTHING, Delivery.HELD}
        while self.run(job_id, seconds=seconds) in elsewhere and time.monotonic() < until:
            with autocommit(self.pool) as conn:
                blocker = claims.blocker(conn, job_id)
                job = None if blocker else lookup.get(conn, job_id)
                if job is not None and job.status.ended:
                    return
            first = blocker.id if blocker and blocker.status is JobState.PENDING else None
            if first is None or self.run(first, seconds=seconds) in elsewhere:
                time.sleep(_PAUSE_SECONDS)  # another process runs it

    def serve(self, job_id: UUID | None, listener: Listener, *, seconds: float) -> None:
        """Run a job, and then all other queued jobs.

        Args:
            job_id: as the message named it; None where it named none.
            listener: receives notifications of jobs that arrive while there is nothing to do.
            seconds: after which it claims no further job, and leaves the one that it is at to the next worker.
        """
        until = time.monotonic() + seconds
        named, empty_claims, wakes_another = job_id, 0, True
        while time.monotonic() < until and empty_claims < _MOST_EMPTY_CLAIMS:
            claim = self._claim_next if named is None else partial(claims.claim, job_id=named)
            delivery = self._deliver(claim, until, fair=True, wakes_another=wakes_another)
            if delivery is Delivery.TROUBLE:
                break
            if delivery is not Delivery.NOTHING:
                empty_claims, wakes_another = 0, False
            elif named is None:
                empty_claims, wakes_another = empty_claims + 1, True
                if not self._something_comes(listener):
                    return
            named = None
        # The last notification that this worker received may have no message.
        self._wake_another()

    def _claim_next(self, conn: Connection) -> list[Claim]:
        return claims.claim_next(conn, after_tenant=self.last.tenant_id)

    def _something_comes(self, listener: Listener) -> bool:
        """Listen for a moment. Return True if a job may be queued."""
        with listener.listening():
            # From here on notifications rely on this process; those just before may have reached no worker.
            return self._next_queued() is not None or listener.wait()

    def _wake_another(self) -> None:
        """Wake a second worker if a job is queued: no message is sent while one is in flight or a worker listens."""
        if (job_id := self._next_queued()) is not None:
            self.notifier.notify(job_id)

    def _next_queued(self) -> UUID | None:
        """Return the job that would be claimed next; None if no job is queued, or the database cannot be asked."""
        try:
            with autocommit(self.pool) as conn:
                return claims.next_head(conn, after_tenant=self.last.tenant_id)
        except (TryAgain, Unavailable) as error:
            log.warning("queue_look_failed", error=error.message)
            return None

    def _deliver(
        self, claim: Callable[[Connection], JobGroup], until: float, *, fair: bool = False, wakes_another: bool = False
    ) -> Delivery:
        """Claim a job and run it until the time is up; or several together, and each by itself if that fails."""
        group = self._claimed(claim)
        if group is None:
            return Delivery.TROUBLE
        if not group:
            return Delivery.NOTHING
        freed_others = self.last.kind in _AWAITED_BY_OTHER_KINDS and group[0].job.kind not in _AWAITED_BY_OTHER_KINDS
        self.last.tenant_id, self.last.kind = group[0].job.tenant_id, group[0].job.kind
        faultpoints.passing("job.begun")
        if wakes_another or (fair and freed_others):
            self._wake_another()
        if len(group) == 1:
            return self._run_job(group[0], until, fair=fair)
        return self._run_in_parts(group, until, fair=fair)

    def _claimed(self, claim: Callable[[Connection], JobGroup]) -> JobGroup | None:
        """Claim, over another connection if the first is broken. None if the database is in trouble."""
        for tries in range(1, self.tries + 1):
            try:
                with autocommit(self.pool) as conn:
                    return claim(conn)
            except (TryAgain, Unavailable) as error:
                self._note_trouble(error, tries)
        return None

    def _note_trouble(self, error: TryAgain | Unavailable, tries: int, **named: object) -> None:
        log.warning("block_retried", error=error.message, tries=tries, **named)
        if tries < self.tries:
            self.pool.check()

    def _run_job(self, claimed: Claim, until: float, *, fair: bool) -> Delivery:
        """Run the blocks of a job, one transaction each; `fair` is a worker, which claims the next job itself."""
        job = claimed.job
        block: OpenBlock | None = claimed.block
        tries = 0
        with structlog.contextvars.bound_contextvars(job_id=spell(JOB, job.id), request_id=job.request_id):
            while tries < self.tries:
                try:
                    with autocommit(self.pool) as conn:
                        if tries:  # a COMMIT whose answer was lost may have landed
                            block = _read_again(conn, claimed)
                        while block is not None:
                            left = self._step(conn, Claim(job, block), until, fair=fair)
                            tries = 0
                            if left is not None:
                                return left
                            block = blocks.next_open(conn, job.id)
                        self._announce_ended(conn, [claimed], claims_next=fair)
                        return Delivery.DONE
                except (TryAgain, Unavailable) as error:
                    tries += 1
                    self._note_trouble(error, tries)
        return Delivery.TROUBLE

    def _run_in_parts(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run several jobs, as many in one transaction as its bytes allow; from the first failure on, one by one."""
        left = group
        while left:
            part = _first_part(left)
            if not self._run_together(part):
                return self._run_one_by_one(left, until, fair=fair)
            left = left[len(part) :]
        if next_may_gather(group):
            time.sleep(_GATHERING_SECONDS)
        return Delivery.DONE

    def _run_together(self, group: JobGroup) -> bool:
        """Run several jobs in one transaction. False if that fails for any of them."""
        try:
            with autocommit(self.pool) as conn:
                if self._run_group(conn, group, math.inf) is None:
                    return False
                self._announce_ended(conn, group, claims_next=True)
        except (TryAgain, Unavailable) as error:
            self._note_trouble(error, 1, jobs=len(group))
            return False
        except Exception as error:  # noqa: BLE001 # one of them brings it, whatever it is, and no other shall suffer
            log.info("group_failed", jobs=len(group), error=type(error).__name__)
            return False
        return True

    def _run_one_by_one(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run each of several jobs by itself, in their order."""
        log.info("group_split", jobs=len(group))
        for claimed in group:
            delivery = Delivery.DONE
            try:
                delivery = self._deliver(partial(self._claim_again, claimed=claimed), until, fair=fair)
            except Exception:
                log.exception("job_crashed", job_id=spell(JOB, claimed.job.id), request_id=claimed.job.request_id)
            if delivery is Delivery.TROUBLE:
                return delivery
        return Delivery.DONE

    def _claim_again(self, conn: Connection, *, claimed: Claim) -> JobGroup:
        again = claims.claim(conn, claimed.job.id)
        if not again:
            # A COMMIT whose answer was lost may have landed.
            self._announce_ended(conn, [claimed], claims_next=True)
        return again

    def _step(self, conn: Connection, claimed: Claim, until: float, *, fair: bool) -> Delivery | None:
        """Run a block of a job. None if this process goes on with the next block."""
        job = claimed.job
        try:
            done = self._run_group(conn, [claimed], until, fair=fair)
        except JobEnded:
            done = Done({}, yielded=False)
        except JobUnrunnable as error:
            control.fail(conn, job.id, error.code, error.message)
            done = Done({}, yielded=False)
        if done is None:
            return Delivery.HELD
        if done.states.get(job.id) is JobState.PROCESSING:
            return Delivery.YIELDED if done.yielded else None
        self._announce_ended(conn, [claimed], claims_next=fair)
        return Delivery.DONE

    def _run_group(self, conn: Connection, group: JobGroup, until: float, *, fair: bool = False) -> Done | None:
        """Run a block of a job, or a group of jobs. None if another worker holds a block, or has closed it."""
        faultpoints.passing("block.read")
        job, block = group[0].job, group[0].block
        template = None if job.template_id is None else self.template_cache.get(conn, job.template_id)
        schema = schema_of(KINDS[job.kind], template, self.max_item_bytes)
        poison = _poison(schema, block)
        longest = blocks.lease_seconds(block.deliveries) + _GRACE_SECONDS

        def attempt(*, halving: bool) -> Done | None:
            with self.watchdog(longest), translated(), conn.transaction():
                return run_in_transaction(conn, group, schema, poison, until=until, fair=fair, halving=halving)

        try:
            done = attempt(halving=False)
        except WriteRefused:
            done = attempt(halving=True)
        if done is not None:
            faultpoints.passing("block.committed")
        return done

    def _announce_ended(self, conn: Connection, group: JobGroup, *, claims_next: bool) -> None:
        """Announce the ends of these jobs, unless the process that ended one of them has done so."""
        with conn.transaction():
            Announcer(self.notifier, self.job_end).announce(
                conn, [claim.job.id for claim in group], claims_next=claims_next
            )


def make_executor(
    settings: Settings,
    notifier: Notifier,
    *,
    template_cache: TemplateCache | None = None,
    wakes_requests: bool = True,
    connections: int = 1,
    tries: int = _TRIES,
    watchdog: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> Executor:
    """Make an executor with database connections of its own: after the fork, never before.

    Args:
        settings: where the servers are, and the largest item.
        notifier: of this process.
        template_cache: of this process; None: one of its own.
        wakes_requests: False in a request that runs its own job, for which no other request waits.
        connections: as many jobs may run at once.
        tries: as of Executor.
        watchdog: likewise.
    """
    return Executor(
        open_pool(settings.database_url, WORKER, size=connections),
        notifier,
        JobEndSignal(settings.redis_url) if wakes_requests else None,
        template_cache or TemplateCache(),
        tries=tries,
        watchdog=watchdog,
        max_item_bytes=settings.max_item_bytes,
    )


def _first_part(group: JobGroup) -> JobGroup:
    """Return the first jobs of a group whose items have at most `_MOST_BYTES` together; one job at least."""
    sizes = accumulate(decoded_bytes(claim.block.payload) for claim in group)
    return group[: max(1, sum(size <= _MOST_BYTES for size in sizes))]


def next_may_gather(group: JobGroup) -> bool:
    """True if the jobs that come after these, which ran together, may wait a moment for each other."""
    few = len(group) < _MANY_JOBS and sum(claim.block.items for claim in group) < _MANY_ITEMS
    return few and not any(claim.job.awaited for claim in group)


def _read_again(conn: Connection, claimed: Claim) -> OpenBlock | None:
    """Return the block to go on with: of an unordered job only the claimed one, since others hold the rest."""
    job, block = claimed
    return blocks.next_open(conn, job.id) if job.ordered else blocks.still_open(conn, job.id, block.no)


def _poison(schema: ItemSchema, block: OpenBlock) -> set[int]:
    if block.deliveries < _SUSPICIOUS_DELIVERIES:
        return set()
    log.warning("block_in_quarantine", block=block.no, deliveries=block.deliveries)
    return quarantine.poisonous(
        schema.check, list(enumerate(items_of(block.payload, block.first_line).texts, block.first_index))
    )
