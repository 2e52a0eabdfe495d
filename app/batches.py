"""Accepting a batch, and waiting for its job where the client wants that. Both faces do it by these."""

from dataclasses import dataclass
from uuid import UUID

import structlog

from app.jobs import INLINE_ERRORS, own_job
from app.requests import request_id
from app.services import services
from ingest import faultpoints, intake
from ingest.db import blocks, jobs
from ingest.db.commits import committed
from ingest.db.jobs import NewJob
from ingest.db.keys import Caller
from ingest.db.pool import transaction
from ingest.errors import DatabaseError, TemplateNotConfigured
from ingest.ids import uuid7
from ingest.jobs import ItemError, Job
from ingest.kinds import Kind


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that ended while its request waited."""

    job: Job
    errors: list[ItemError]


def require_template(caller: Caller) -> int:
    """The edition of the tenant's template that new writes are checked by.

    Raises:
        TemplateNotConfigured: it has chosen none.
    """
    if caller.template_id is None:
        raise TemplateNotConfigured("Choose a template first: PUT /operator-data-api/settings with a templateId")
    return caller.template_id


def accept(caller: Caller, kind: Kind, body: bytes, *, merge: bool, after: str | None, wait: int) -> UUID | Ended:
    """Store a batch as a job, ring for it, and wait for its end if asked to. What is stored stays stored.

    Args:
        caller: whose batch it is.
        kind: of its items.
        body: a JSON array of them.
        merge: entities: merge top-level fields instead of replacing all of `data`.
        after: the public id of a job that must end before this one begins.
        wait: seconds to wait for the end of the job, 0 to 30; where too many requests wait already, this one does not.

    Returns:
        The job's id, or the job itself where it has ended in time.

    Raises:
        InvalidInput: the body is no batch.
        TemplateNotConfigured: the tenant has chosen no template.
        NotFound: `after` names no job of this tenant.
        DatabaseError: nothing was stored.
    """
    template_id = require_template(caller)
    cut = intake.cut(body, limit=kind.limit, block_items=kind.block_items)
    places = services().waiting_places
    waits = wait > 0 and places.acquire(blocking=False)
    try:
        job_id = uuid7()
        faultpoints.passing("accept.begun")
        with committed(services().pool) as conn:
            after_id = None if after is None else own_job(conn, caller.tenant_id, after).id
            new_job = NewJob(
                id=job_id,
                tenant_id=caller.tenant_id,
                kind=kind.name,
                merge=merge,
                template_id=template_id,
                after_job_id=after_id,
                request_id=request_id(),
                awaited=waits,
            )
            jobs.accept(conn, new_job, cut)
            faultpoints.passing("accept.stored")
        faultpoints.passing("accept.committed")
        structlog.contextvars.bind_contextvars(job_id=job_id.hex)  # the request's own line names the job, too
        services().bell.ring(job_id)
        faultpoints.passing("accept.rung")
        return _await(job_id, wait) if waits else job_id
    finally:
        if waits:
            places.release()


def _await(job_id: UUID, seconds: int) -> UUID | Ended:
    """Sleep until the job has ended or the time is up, then look once. The batch is stored: no error may leave here."""
    services().wakeups.wait(job_id, seconds)
    try:
        with transaction(services().pool) as conn:
            job = jobs.get(conn, job_id)
            if job is None or not job.status.ended:
                return job_id
            return Ended(job, blocks.errors_of(conn, job_id, limit=INLINE_ERRORS))
    except DatabaseError:
        return job_id
