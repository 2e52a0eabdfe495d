"""Run one transaction: a block of a job, or the only blocks of a group of jobs that are alike.

The row lock on each block is the lease: a worker that dies, hangs or is late cannot commit, and the next worker finds
either all of it done or none of it (docs/explanation/how-it-works.md, "The row lock is the lease").
"""

import math
import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from ingest import faultpoints
from ingest.crypto import NO_KEYS, MasterKeys, is_sealed
from ingest.db.connection.pool import Connection
from ingest.db.jobs import blocks, completion, item_errors, item_warnings
from ingest.db.jobs.completion import Yields
from ingest.engine.checking import check
from ingest.engine.groups import JobGroup
from ingest.engine.kinds import KINDS, keeps_results
from ingest.engine.late import past_retention
from ingest.engine.measures import Measure
from ingest.engine.sealing import Sealer, has_personal_data
from ingest.engine.shares import Share, shares_of
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.items.personal import Protection
from ingest.items.schema import ItemSchema
from ingest.jobs import Job, JobState


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
    item_errors.record(conn, job.tenant_id, errors)
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
    item_warnings.record(conn, {share.outcome.job_id: share.warnings for share in shares if share.warnings})
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
) -> list[Share]:
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
    checked = check(schema, group, poison, sealer)
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
    shares = shares_of(group, checked, outcomes, late, most_bytes=schema.most_bytes)
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
