"""Make the child of a job: as it is before it has items, and with all of a job that only validated, now for good."""

from uuid import UUID

from msgspec import structs

from ingest import faultpoints
from ingest.db.connection.pool import Connection
from ingest.db.jobs import children, families, gone, receiving
from ingest.db.jobs.acceptance import NewJob
from ingest.engine.kinds import KINDS
from ingest.errors import Gone, TemplateNotConfigured, WrongState
from ingest.ids import JOB, spell
from ingest.jobs import VALIDATED, Job, JobState


def template_of_child(parent: Job, chosen: int | None) -> int | None:
    """Return the internal id of the template version that checks a job's items when they are sent again.

    Args:
        parent: the job.
        chosen: the version that its tenant has chosen by now; None where it has none.

    Raises:
        WrongState: the job is no batch.
        TemplateNotConfigured: its items were checked by a template, and its tenant has none any more.
    """
    if parent.kind not in KINDS:
        raise WrongState(f"{spell(JOB, parent.id)} is no batch, so none of its items can be sent again")
    if parent.template_id is not None and chosen is None:
        raise TemplateNotConfigured("The dataset has no template any more that could check these items")
    return None if parent.template_id is None else chosen


def child_of(
    parent: Job,
    child_id: UUID,
    *,
    template_id: int | None,
    request_id: str,
    picked: str | None,
    traceparent: str | None = None,
) -> NewJob:
    """Return the child of a job as it is before it has items: with the options that say how items are written.

    Args:
        parent: the job.
        child_id: the child's.
        template_id: internal id of the template version that checks the items now.
        request_id: of the request that makes the child.
        picked: the effect that its items had; None for all items of a job that only validated.
        traceparent: names the span of that request, if it has one.
    """
    of_all = None if parent.options.picked is None else VALIDATED
    options = structs.replace(
        parent.options,
        max_errors=None,
        deadline_seconds=None,
        callback=None,
        keep_results=True if picked else parent.options.keep_results,
        validate_only=parent.options.validate_only and picked is not None,
        picked=picked or of_all,
    )
    return NewJob(
        id=child_id,
        tenant_id=parent.tenant_id,
        kind=parent.kind,
        merge=parent.merge,
        template_id=template_id,
        after_job_id=None,
        request_id=request_id,
        awaited=False,
        ordered=parent.ordered,
        strict=parent.strict,
        options=options,
        traceparent=traceparent,
    )


def commit(conn: Connection, parent: Job, child: NewJob) -> UUID:
    """Make a child of all that a job has validated, to write it; or find the one that was made before.

    Args:
        conn: a transaction that has written nothing but an idempotency key's lock.
        parent: the job.
        child: as of `child_of`.

    Raises:
        WrongState: the job has written its items itself, or has not completed, or its items are not kept any more.
        Gone: retention has deleted the job meanwhile.
    """
    name = spell(JOB, parent.id)
    if not parent.options.validate_only:
        raise WrongState(f"{name} did not only validate: it has written its items itself")
    if parent.status is not JobState.COMPLETED:
        raise WrongState(f"{name} is {parent.status}; a job is committed once it has completed")
    if families.lock(conn, parent.id) is None:
        raise Gone(gone.MESSAGE.format(name))
    made = children.committed(conn, parent.id)
    if made is not None:
        return made
    receiving.begin(conn, child, durable=True)
    blocks, items = children.move_blocks(conn, parent.id, child.id)
    if items != parent.total:
        raise WrongState(f"The items of {name} are not kept any more; send the batch again")
    children.finish(conn, child.id, parent.id, blocks=blocks, items=items)
    faultpoints.passing("child.made")
    return child.id
