"""Run the block of a job, or those of a group of jobs, by the transaction that its job asks for.

A watchdog ends a process that stays in the transaction beyond its lease. A block that was delivered often has its items
checked in quarantine before.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from ingest import faultpoints
from ingest.crypto import NO_KEYS, MasterKeys
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.jobs import blocks
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.db.tenants.templates import TemplateCache
from ingest.engine import atomic, job_spans, quarantine, trial
from ingest.engine.atomic import Aborted
from ingest.engine.csv_types import row_types
from ingest.engine.groups import JobGroup
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.measures import Measure
from ingest.engine.sealing import Sealer
from ingest.engine.transaction import Done, run_in_transaction
from ingest.engine.turns import Turn
from ingest.errors import JobUnrunnable, WriteRefused
from ingest.intake.payloads import items_of
from ingest.items.schema import ItemSchema
from ingest.items.templates import Template
from ingest.jobs import TRIAL, Effect, Job
from ingest.logs import Logger, get_logger
from ingest.notify.progress import Progress
from ingest.settings import MOST_ITEM_BYTES

# Deliveries of the same block, with no progress in between, after which its items are checked in quarantine first.
_SUSPICIOUS_DELIVERIES = 3

# Grace after the block's transaction timeout. A process still in the block by then is hung and is killed.
_GRACE_SECONDS = 5

log: Logger = get_logger("ingest.engine.block_runner")


@dataclass(frozen=True, slots=True)
class BlockRunner:
    """Runs blocks of jobs that were claimed.

    Attributes:
        template_cache: the template versions that this process has read.
        progress: counts the items.
        turn: the tenant's whose jobs this process runs.
        watchdog: given seconds, ends this process if it is not left in time; for processes that may end.
        max_item_bytes: the setting of that name.
        keys: the master keys of this process.
    """

    template_cache: TemplateCache
    progress: Progress
    turn: Turn = field(default_factory=Turn)
    watchdog: Callable[[int], AbstractContextManager[object]] = nullcontext
    max_item_bytes: int = MOST_ITEM_BYTES
    keys: MasterKeys = NO_KEYS

    def run(self, conn: Connection, group: JobGroup, until: float = math.inf, *, fair: bool = False) -> Done | None:
        """Run a block of a job, or a group of jobs.

        Args:
            conn: in no transaction.
            group: as it was claimed.
            until: on the monotonic clock; a job with blocks left then is put down.
            fair: likewise once its tenant's turn is over, if another tenant waits.

        Returns:
            None if another worker holds a block, or has closed it.

        Raises:
            JobEnded: as of `ingest.engine.transaction.run_in_transaction`, like those below.
            JobUnrunnable: likewise.
            MasterKeyMissing: likewise.
            SecretUnreadable: likewise.
        """
        faultpoints.passing("block.read")
        self.turn.count()
        measure = Measure()
        with job_spans.of_blocks(group, measure):
            done = self._run_measured(conn, group, measure, until, fair=fair)
            measure.committed = done is not None
            return done

    def _run_measured(
        self, conn: Connection, group: JobGroup, measure: Measure, until: float, *, fair: bool
    ) -> Done | None:
        job, block = group[0].job, group[0].block
        template = None if job.template_id is None else self.template_cache.get(conn, job.template_id)
        if job.kind == TRIAL:
            return self._run_trial(conn, group[0], template)
        schema = schema_of(KINDS[job.kind], template, self.max_item_bytes)
        measure.quarantined = block.deliveries >= _SUSPICIOUS_DELIVERIES
        if job.options.atomic:
            done = self._run_whole(conn, group[0], schema, measure)
        else:
            poison = _poison(schema, job, block, self.keys)
            fair = fair and self.turn.is_over
            run = partial(run_in_transaction, conn, group, schema, poison, keys=self.keys, until=until, fair=fair)
            done = self._attempt(conn, run, measure, blocks.lease_seconds(block.deliveries))
        if done is not None:
            faultpoints.passing("block.committed")
            measure.count(group)
            self.progress.processed(measure.items)
        return done

    def _run_whole(self, conn: Connection, claimed: Claim, schema: ItemSchema, measure: Measure) -> Done | None:
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

    def _run_trial(self, conn: Connection, claimed: Claim, template: Template | None) -> Done | None:
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
