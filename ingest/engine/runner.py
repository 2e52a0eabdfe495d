"""Run claimed jobs: one block by block, or several in one transaction; and announce those that end.

`ingest.engine.transaction` runs one transaction. This file says what comes after one that fails.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial

from ingest import faultpoints
from ingest.crypto import NO_KEYS, MasterKeys
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection, Connections, autocommit
from ingest.db.jobs import blocks, claims, control, timeline, unreadable
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.db.tenants.templates import TemplateCache
from ingest.engine import atomic, job_spans, quarantine, trial
from ingest.engine.announcer import Announcer
from ingest.engine.atomic import Aborted
from ingest.engine.csv_types import row_types
from ingest.engine.groups import GATHERING_SECONDS, JobGroup, first_part, next_may_gather
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.measures import Measure
from ingest.engine.sealing import Sealer
from ingest.engine.transaction import Done, JobEnded, run_in_transaction
from ingest.engine.turns import Turn
from ingest.errors import JobUnrunnable, MasterKeyMissing, SecretUnreadable, TryAgain, Unavailable, WriteRefused
from ingest.ids import JOB, spell
from ingest.intake.blocks import items_of
from ingest.items.schema import ItemSchema
from ingest.items.templates import Template
from ingest.jobs import TRIAL, Effect, Job, JobState
from ingest.logs import Logger, bound_contextvars, get_logger
from ingest.notify.job_end import JobEndSignal
from ingest.notify.notifier import Notifier
from ingest.notify.progress import Progress
from ingest.settings import MOST_ITEM_BYTES

# Deliveries of the same block, with no progress in between, after which its items are checked in quarantine first.
_SUSPICIOUS_DELIVERIES = 3

# A delivery tries again so often after trouble with the database.
TRIES = 3

# Grace after the block's transaction timeout. A process still in the block by then is hung and is killed.
_GRACE_SECONDS = 5

log: Logger = get_logger("ingest.engine.runner")

# A statement that claims jobs, in the transaction of a connection that commits by itself.
Claiming = Callable[[Connection], JobGroup]


class Delivery(Enum):
    """The end of a delivery.

    Attributes:
        DONE: the job has ended, or was paused.
        HELD: another worker holds its block, or has just closed it.
        YIELDED: the job was put down, and any worker may go on with it.
        NOTHING: there was no job to claim.
        TROUBLE: the database was lost, or made it wait, too often. The sweeper notifies again.
        UNREADABLE: this process has not the master key of its items. The sweeper notifies again, until one has.
    """

    DONE = auto()
    HELD = auto()
    YIELDED = auto()
    NOTHING = auto()
    TROUBLE = auto()
    UNREADABLE = auto()


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Claims and runs jobs.

    Attributes:
        pool: of worker connections, opened in this process.
        notifier: notifies workers of jobs that are left.
        job_end: wakes the requests that wait for a job; None in a request that runs its own.
        progress: tells the requests that watch a job.
        template_cache: the template versions that this process has read.
        tries: how often one delivery tries again after the database lost it, or made it wait too long. Beyond that, the
            sweeper notifies.
        turn: the tenant's whose jobs this process runs.
        watchdog: given seconds, ends this process if it is not left in time; for processes that may end.
        max_item_bytes: the setting of that name.
        keys: the master keys of this process.
    """

    pool: Connections
    notifier: Notifier
    job_end: JobEndSignal | None
    progress: Progress
    template_cache: TemplateCache
    tries: int = TRIES
    watchdog: Callable[[int], AbstractContextManager[object]] = nullcontext
    turn: Turn = field(default_factory=Turn)
    max_item_bytes: int = MOST_ITEM_BYTES
    keys: MasterKeys = NO_KEYS

    def claim(self, claiming: Claiming) -> JobGroup | None:
        """Claim, over another connection if the first is broken. None if the database is in trouble."""
        for tries in range(1, self.tries + 1):
            try:
                with autocommit(self.pool) as conn:
                    group = claiming(conn)
                    if again := [claim for claim in group if claim.block.deliveries > 1]:
                        timeline.record_deliveries(
                            conn,
                            again[0].job.tenant_id,
                            [(claim.job.id, claim.block.no, claim.block.deliveries) for claim in again],
                        )
            except (TryAgain, Unavailable) as error:
                self._note_trouble(error, tries)
                continue
            if group:
                faultpoints.passing("job.begun")
                self.progress.moved([claimed.job.id for claimed in group])
            return group
        return None

    def run_claimed(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run a job until the time is up; or several jobs together, and each by itself if that fails.

        Args:
            group: as it was claimed.
            until: on the monotonic clock.
            fair: put a job of several blocks down once its tenant's turn is over and another one waits.
        """
        with job_spans.of_group(group):
            if len(group) == 1:
                return self._run_job(group[0], until, fair=fair)
            return self._run_group(group, until, fair=fair)

    def _run_job(self, claimed: Claim, until: float, *, fair: bool) -> Delivery:
        """Run the blocks of a job, one transaction each; `fair` is a worker, which claims the next job itself."""
        job = claimed.job
        block: OpenBlock | None = claimed.block
        tries = 0
        with bound_contextvars(job_id=spell(JOB, job.id), request_id=job.request_id):
            while tries < self.tries:
                try:
                    with autocommit(self.pool) as conn:
                        if tries:  # a COMMIT whose answer was lost may have landed
                            block = _read_again(conn, claimed)
                        while block is not None:
                            left = self._run_block(conn, Claim(job, block), until, fair=fair)
                            tries = 0
                            if left is not None:
                                return left
                            block = blocks.next_to_run(conn, job.id)
                        self._announce_ended(conn, [claimed], claims_next=fair)
                        return Delivery.DONE
                except (TryAgain, Unavailable) as error:
                    tries += 1
                    self._note_trouble(error, tries)
        return Delivery.TROUBLE

    def _run_block(self, conn: Connection, claimed: Claim, until: float, *, fair: bool) -> Delivery | None:
        """Run a block of a job. None if this process goes on with the next block."""
        job = claimed.job
        try:
            done = self._transact(conn, [claimed], until, fair=fair)
        except JobEnded:
            done = Done({}, yielded=False)
        except JobUnrunnable as error:
            control.fail(conn, job.id, error.code, error.message)
            done = Done({}, yielded=False)
        except (SecretUnreadable, MasterKeyMissing) as error:
            # The job waits for the key, in its place and for as long as that takes: no delivery counts against it.
            log.error("items_unreadable", error=error.message)  # noqa: TRY400 # the traceback says nothing more
            unreadable.put_off(conn, [(job.id, claimed.block.no)])
            return Delivery.UNREADABLE
        if done is None:
            return Delivery.HELD
        if done.states.get(job.id) is JobState.PROCESSING:
            self.progress.moved([job.id])
            return Delivery.YIELDED if done.yielded else None
        self._announce_ended(conn, [claimed], claims_next=fair)
        return Delivery.DONE

    def _run_group(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run several jobs, as many in one transaction as its bytes allow; from the first failure on, one by one."""
        sealer, left = Sealer(self.keys, group[0].job.tenant_id, seals=False), group
        try:
            while left:
                part = first_part(left, sealer)
                if not self._run_part(part):
                    return self._run_one_by_one(left, until, fair=fair)
                left = left[len(part) :]
        except (SecretUnreadable, MasterKeyMissing):
            return self._run_one_by_one(left, until, fair=fair) if self._put_off(left) else Delivery.TROUBLE
        if next_may_gather(group):
            time.sleep(GATHERING_SECONDS)
        return Delivery.DONE

    def _put_off(self, group: JobGroup) -> bool:
        """Take back the deliveries of jobs that want a master key. False if the database is in trouble."""
        try:
            with autocommit(self.pool) as conn:
                unreadable.put_off(conn, [(claim.job.id, claim.block.no) for claim in group])
        except (TryAgain, Unavailable) as error:
            self._note_trouble(error, 1, jobs=len(group))
            return False
        return True

    def _run_part(self, group: JobGroup) -> bool:
        """Run several jobs in one transaction. False if that fails for any of them, but for want of a master key."""
        try:
            with autocommit(self.pool) as conn:
                if self._transact(conn, group, math.inf) is None:
                    return False
                self._announce_ended(conn, group, claims_next=True)
        except (TryAgain, Unavailable) as error:
            self._note_trouble(error, 1, jobs=len(group))
            return False
        except (SecretUnreadable, MasterKeyMissing):
            raise
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
                delivery = self._run_again(claimed, until, fair=fair)
            except Exception:
                log.exception("job_crashed", job_id=spell(JOB, claimed.job.id), request_id=claimed.job.request_id)
            if delivery is Delivery.TROUBLE:
                return delivery
        return Delivery.DONE

    def _run_again(self, claimed: Claim, until: float, *, fair: bool) -> Delivery:
        """Claim a job of a group again, and run it by itself."""
        group = self.claim(partial(self._claim_again, claimed=claimed))
        if group is None:
            return Delivery.TROUBLE
        return self._run_job(group[0], until, fair=fair) if group else Delivery.NOTHING

    def _claim_again(self, conn: Connection, *, claimed: Claim) -> JobGroup:
        again = claims.claim(conn, claimed.job.id)
        if not again:
            # A COMMIT whose answer was lost may have landed.
            self._announce_ended(conn, [claimed], claims_next=True)
        return again

    def _transact(self, conn: Connection, group: JobGroup, until: float, *, fair: bool = False) -> Done | None:
        """Run a block of a job, or a group of jobs. None if another worker holds a block, or has closed it."""
        faultpoints.passing("block.read")
        self.turn.count()
        measure = Measure()
        with job_spans.of_blocks(group, measure):
            done = self._transact_measured(conn, group, measure, until, fair=fair)
            measure.committed = done is not None
            return done

    def _transact_measured(
        self, conn: Connection, group: JobGroup, measure: Measure, until: float, *, fair: bool
    ) -> Done | None:
        job, block = group[0].job, group[0].block
        template = None if job.template_id is None else self.template_cache.get(conn, job.template_id)
        if job.kind == TRIAL:
            return self._transact_trial(conn, group[0], template)
        schema = schema_of(KINDS[job.kind], template, self.max_item_bytes)
        measure.quarantined = block.deliveries >= _SUSPICIOUS_DELIVERIES
        if job.options.atomic:
            done = self._transact_whole(conn, group[0], schema, measure)
        else:
            poison = _poison(schema, job, block, self.keys)
            fair = fair and self.turn.is_over
            run = partial(run_in_transaction, conn, group, schema, poison, keys=self.keys, until=until, fair=fair)
            done = self._attempt(conn, run, measure, blocks.lease_seconds(block.deliveries))
        if done is not None:
            faultpoints.passing("block.committed")
            measure.count(group)
        return done

    def _transact_whole(self, conn: Connection, claimed: Claim, schema: ItemSchema, measure: Measure) -> Done | None:
        """Run an atomic job, all of its blocks; or record what was wrong with it, once that is rolled back."""
        lease = blocks.lease_seconds(claimed.block.deliveries, blocks.count_open(conn, claimed.job.id))
        poison = _poison_of_all(conn, schema, claimed, self.keys)
        try:
            run = partial(atomic.run_whole, conn, claimed, schema, poison, keys=self.keys)
            return self._attempt(conn, run, measure, lease)
        except Aborted as aborted:
            faultpoints.passing("atomic.rolled_back")
            measure.begin()
            measure.tally({Effect.FAILED: len(aborted.errors)}, aborted.errors)
            with self.watchdog(lease + _GRACE_SECONDS), translated(), conn.transaction():
                return atomic.record(conn, claimed, aborted.errors)

    def _transact_trial(self, conn: Connection, claimed: Claim, template: Template | None) -> Done | None:
        """Judge a page of the rows that a trial reads."""
        if template is None:
            raise JobUnrunnable("The check has no schema")
        deliveries = claimed.block.deliveries
        poison = (
            trial.poisonous(conn, claimed, template, self.keys)
            if deliveries >= _SUSPICIOUS_DELIVERIES
            else set[bytes]()
        )
        with self.watchdog(blocks.lease_seconds(deliveries) + _GRACE_SECONDS), translated(), conn.transaction():
            done = trial.run_step(conn, claimed, template, poison, keys=self.keys)
        if done is not None:
            faultpoints.passing("block.committed")
        return done

    def _attempt(self, conn: Connection, run: Callable[..., Done | None], measure: Measure, lease: int) -> Done | None:
        """Run in a transaction; in a second one that narrows down what the database refuses, if it refuses anything."""
        for halving in (False, True):
            measure.begin()
            measure.halved = halving
            try:
                with self.watchdog(lease + _GRACE_SECONDS), translated(), conn.transaction():
                    done = run(measure=measure, halving=halving)
                    measure.lap("close")
            except WriteRefused:
                if halving:
                    raise
            else:
                measure.lap("commit")
                return done
        return None

    def _announce_ended(self, conn: Connection, group: JobGroup, *, claims_next: bool) -> None:
        """Announce the ends of these jobs, unless the process that ended one of them has done so."""
        with conn.transaction():
            Announcer(self.notifier, self.job_end, self.progress).announce(
                conn, [claim.job.id for claim in group], claims_next=claims_next
            )

    def _note_trouble(self, error: TryAgain | Unavailable, tries: int, **named: object) -> None:
        log.warning("block_retried", error=error.message, tries=tries, **named)
        if tries < self.tries:
            self.pool.check()


def _read_again(conn: Connection, claimed: Claim) -> OpenBlock | None:
    """Return the block to go on with: of an unordered job only the claimed one, since others hold the rest."""
    job, block = claimed
    return blocks.next_to_run(conn, job.id) if job.in_order else blocks.still_open(conn, job.id, block.no)


def _poison_of_all(conn: Connection, schema: ItemSchema, claimed: Claim, keys: MasterKeys) -> set[int]:
    """Return the poisonous items of all blocks of an atomic job, whose deliveries are counted on the first one."""
    poison: set[int] = set()
    block: OpenBlock | None = claimed.block
    while block is not None and claimed.block.deliveries >= _SUSPICIOUS_DELIVERIES:
        poison |= _poison(schema, claimed.job, replace(block, deliveries=claimed.block.deliveries), keys)
        block = blocks.next_open(conn, claimed.job.id, after=block.no)
    return poison


def _poison(schema: ItemSchema, job: Job, block: OpenBlock, keys: MasterKeys) -> set[int]:
    if block.deliveries < _SUSPICIOUS_DELIVERIES:
        return set()
    log.warning("block_in_quarantine", block=block.no, deliveries=block.deliveries)
    payload = Sealer(keys, job.tenant_id, seals=False).payload(block.payload)
    items = items_of(payload, block.first_line, job.options.csv, row_types(schema, job.options.csv))
    indexes = items.indexes or range(block.first_index, block.first_index + len(items.texts))
    return quarantine.poisonous(schema.check, list(zip(indexes, items.texts, strict=True)))
