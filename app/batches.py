"""Accept a batch, and run its job in the request where the client wants that. Both APIs use this file."""

import time
from dataclasses import dataclass, field
from uuid import UUID

from flask import g

from app.http import idempotency
from app.http.auth import CallerChanged, cached_caller
from app.http.request_log import request_id
from app.http.services import services
from app.http.traces import traceparent
from app.jobs.own import own_job
from app.stores import Store
from app.waiting import Ended, await_end, ended_or_id
from ingest import faultpoints, ids
from ingest.db.connection.pool import autocommit
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants.keys import Caller
from ingest.errors import TemplateNotConfigured
from ingest.ids import uuid7
from ingest.jobs import NO_OPTIONS, JobOptions
from ingest.logs import Logger, bind_contextvars, get_logger

# A request that runs its own batch begins no further block after this long; a block may take 9 s, and twice.
_SLICE_SECONDS = 5

# The longest that such a request may take, so that it is answered well inside a client's 30 s; and the longest that
# the jobs which its own waits for may take of that.
_LONGEST_SECONDS = 24
_LONGEST_TURN_SECONDS = 10

log: Logger = get_logger("app.batches")


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The wishes of a request for its batch, beside the items (docs/contracts/jobs.md section 1).

    Attributes:
        merge: entities: merge top-level fields instead of replacing all of `data`.
        strict: members that an item should not have are errors.
        after: the public id of a job that must end before this one begins.
        after_any: whatever becomes of that one; otherwise this one fails unless that one completes.
        ordered: it waits for the tenant's earlier jobs too, and runs its blocks in their order.
        of_few: what few jobs have.
        callback_secret: of its callback, in the clear: the answer tells it this once, and nothing keeps it.
    """

    merge: bool = False
    strict: bool = False
    after: str | None = None
    after_any: bool = False
    ordered: bool = True
    of_few: JobOptions = NO_OPTIONS
    callback_secret: str | None = field(default=None, repr=False)


def require_template(caller: Caller) -> int:
    """Return the internal id of the template version that checks the tenant's new writes.

    Raises:
        TemplateNotConfigured: it has chosen none.
    """
    if caller.template_id is None:
        raise TemplateNotConfigured("Choose a template first: PUT /operator-data-api/settings with a templateId")
    return caller.template_id


def accept(
    caller: Caller,
    kind: str,
    store_blocks: Store,
    options: BatchOptions,
    *,
    wait: int,
    template_id: int | None = None,
) -> UUID | Ended:
    """Store a batch as a job, notify workers, and wait for its end if asked to. What is stored stays stored.

    Args:
        caller: whose batch it is.
        kind: its name.
        store_blocks: stores the job with its blocks.
        options: what the request says of it.
        wait: seconds to wait for the end of the job, 0 to 30; where too many requests wait already, this one does not.
        template_id: internal id of the template version that checks the items; None for kinds that have none.

    Returns:
        The job's id, or the job itself where it has ended in time.

    Raises:
        NotFound: the job that it is to come after is none of this tenant's.
        Gone: retention has deleted that job.
        CallerChanged: something about the caller, who came from the cache, has changed; nothing was stored.
        KeyInProgress: another request had the idempotency key first; nothing was stored.
        DatabaseError: nothing was stored; and all that `store_blocks` raises.
    """
    places = services().waiting_places
    waits = wait > 0 and places.acquire(blocking=False)
    try:
        job_id = store(caller, kind, store_blocks, options, template_id=template_id, awaited=waits)
        services().notifier.notify(job_id)
        faultpoints.passing("accept.notified")
        return await_end(job_id, wait) if waits else job_id
    finally:
        if waits:
            places.release()


def store(
    caller: Caller,
    kind: str,
    store_blocks: Store,
    options: BatchOptions,
    *,
    awaited: bool,
    template_id: int | None = None,
) -> UUID:
    """Store a batch as a job. Once this returns, it is safe, and no error may leave its request any more.

    Args:
        caller: whose batch it is.
        kind: its name.
        store_blocks: stores the job with its blocks.
        options: what the request says of it.
        awaited: the request waits for the end, and wants to be woken.
        template_id: internal id of the template version that checks the items; None for kinds that have none.

    Returns:
        The job's id.

    Raises:
        NotFound: the job that it is to come after is none of this tenant's.
        Gone: retention has deleted that job.
        CallerChanged: something about the caller, who came from the cache, has changed; nothing was stored.
        KeyInProgress: another request had the idempotency key first; nothing was stored.
        DatabaseError: nothing was stored.
    """
    job_id = _job_id()
    faultpoints.passing("accept.begun")
    new_job = NewJob(
        id=job_id,
        tenant_id=caller.tenant_id,
        kind=kind,
        merge=options.merge,
        template_id=template_id,
        after_job_id=None if options.after is None else _own_job(caller, options.after),
        after_any=options.after_any,
        ordered=options.ordered,
        request_id=request_id(),
        awaited=awaited,
        cached_caller=cached_caller(),
        strict=options.strict,
        options=options.of_few,
        key=idempotency.key(),
        traceparent=traceparent(),
    )
    if not store_blocks(new_job):
        raise CallerChanged
    faultpoints.passing("accept.committed")
    # The request's own line names the job, too.
    bind_contextvars(job_id=ids.spell(ids.JOB, job_id))
    return job_id


def _job_id() -> UUID:
    """Make one id a request, however often it tries: an attempt whose answer was lost may land late."""
    if "job_id" not in g:
        g.job_id = uuid7()
    known: UUID = g.job_id
    return known


def _own_job(caller: Caller, spelling: str) -> UUID:
    with autocommit(services().pool) as conn:
        return own_job(conn, caller.tenant_id, spelling).id


def run_in_request(caller: Caller, job_id: UUID) -> UUID | Ended:
    """Run a job in this request, by the code that workers run, so that no worker need be up.

    If another process has claimed the job, wait for that one. The batch is stored: no error may leave here.

    Args:
        caller: whose job it is.
        job_id: of a job that was stored as awaited.

    Returns:
        The job, or its id if it has not ended in time.
    """
    until = time.monotonic() + _LONGEST_SECONDS
    turn = services().turn(caller.tenant_id)
    try:
        if turn.acquire(timeout=_LONGEST_TURN_SECONDS):
            try:
                services().executor.run_in_turn(job_id, seconds=_SLICE_SECONDS, longest=_LONGEST_TURN_SECONDS)
            finally:
                turn.release()
    except Exception:  # whatever it was, sweep takes the job up again
        log.exception("job_crashed", job_id=ids.spell(ids.JOB, job_id))
    ended = ended_or_id(job_id)
    left = int(until - time.monotonic())
    places = services().waiting_places
    if isinstance(ended, Ended) or left < 1 or not places.acquire(blocking=False):
        return ended
    try:
        return await_end(job_id, left)
    finally:
        places.release()
