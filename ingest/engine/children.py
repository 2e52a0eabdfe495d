"""Make the child of a job: its failed or unprocessed items again, or all of a job that only validated, now for good."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import structs

from ingest import faultpoints, json_text
from ingest.db.connection.pool import Connection
from ingest.db.jobs import children, families, receiving
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.families import Member
from ingest.errors import InvalidInput, LimitReached, WrongState
from ingest.ids import JOB, spell
from ingest.intake.blocks import items_of, pack_picked
from ingest.intake.csv_header import RowTypes
from ingest.intake.error_files import takes_a_note
from ingest.intake.picked import Picked
from ingest.items.templates import exact_json
from ingest.jobs import VALIDATED, Effect, ItemError, Job, JobState

FAILED, RETRYABLE, UNPROCESSED = "failed", "retryable", "unprocessed"

_RETRYABLE_CODE = "NOT_FOUND"


class Wish(NamedTuple):
    """The items that a retry shall send again.

    Attributes:
        select: FAILED, RETRYABLE, UNPROCESSED, or the indexes of failed items.
        patch: by index, a merge patch (RFC 7396) of the item.
    """

    select: str | Sequence[int]
    patch: Mapping[int, Any]


def child_of(parent: Job, child_id: UUID, *, template_id: int | None, request_id: str, picked: str | None) -> NewJob:
    """Return the child of a job as it is before it has items: with the options that say how items are written.

    Args:
        parent: the job.
        child_id: the child's.
        template_id: internal id of the template version that checks the items now.
        request_id: of the request that makes the child.
        picked: the effect that its items had; None for all items of a job that only validated.
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
    )


def retry(conn: Connection, parent: Job, child: NewJob, wish: Wish, types: RowTypes | None) -> UUID:
    """Make a child of a job's items, or find the one that has them.

    Args:
        conn: a transaction that has written nothing but an idempotency key's lock.
        parent: the job.
        child: as of `child_of`.
        wish: which items.
        types: of cells of rows of CSV, under the template of today.

    Returns:
        The id of the child; or of an earlier one that has not ended, where that has all of these items.

    Raises:
        WrongState: the job has not ended, or has no such items that could be sent again.
        InvalidInput: an index did not fail, or is not among those that are sent again, or its item cannot be patched.
        LimitReached: the family has as many jobs as it may have.
    """
    if not parent.status.ended:
        raise WrongState(f"{_name(parent)} is {parent.status}; a job is retried once it has ended")
    children.lock_family(conn, parent.id)
    family = families.members(conn, parent.id)
    if len(family) >= families.MOST_JOBS:
        raise LimitReached(f"{_name(parent)} and its children are {families.MOST_JOBS} jobs, which is the most")
    indexes = None if isinstance(wish.select, str) else sorted(set(wish.select))
    if indexes is not None and (wrong := children.not_failed(conn, parent.id, indexes)) is not None:
        raise InvalidInput(f"select: The item {wrong} did not fail in this job")
    if indexes is not None and (strange := sorted(set(wish.patch) - set(indexes))):
        raise InvalidInput(f"patch: The item {strange[0]} is not among those that select names")
    receiving.begin(conn, child, durable=True)
    if wish.select == UNPROCESSED:
        blocks, items = _copy_unprocessed(conn, parent, child, family, wish)
    else:
        blocks, items = _send_failed(conn, child, family, wish._replace(select=indexes or wish.select), types)
    if not items:
        return _under_way(conn, parent, child, family, picked=child.options.picked)
    children.finish(conn, child.id, parent.id, blocks=blocks, items=items)
    faultpoints.passing("child.made")
    return child.id


def commit(conn: Connection, parent: Job, child: NewJob) -> UUID:
    """Make a child of all that a job has validated, to write it; or find the one that was made before.

    Args:
        conn: a transaction that has written nothing but an idempotency key's lock.
        parent: the job.
        child: as of `child_of`.

    Raises:
        WrongState: the job has written its items itself, or has not completed, or its items are not kept any more.
    """
    if not parent.options.validate_only:
        raise WrongState(f"{_name(parent)} did not only validate: it has written its items itself")
    if parent.status is not JobState.COMPLETED:
        raise WrongState(f"{_name(parent)} is {parent.status}; a job is committed once it has completed")
    children.lock_family(conn, parent.id)
    made = children.committed(conn, parent.id)
    if made is not None:
        return made
    receiving.begin(conn, child, durable=True)
    blocks, items = children.copy_blocks(conn, parent.id, child.id, closed=True)
    if items != parent.total:
        raise WrongState(f"The items of {_name(parent)} are not kept any more; send the batch again")
    children.forget_payload(conn, parent.id)
    children.finish(conn, child.id, parent.id, blocks=blocks, items=items)
    faultpoints.passing("child.made")
    return child.id


def _name(job: Job) -> str:
    return spell(JOB, job.id)


def _send_failed(
    conn: Connection,
    child: NewJob,
    family: Sequence[Member],
    wish: Wish,
    types: RowTypes | None,
) -> tuple[int, int]:
    """Give a child the failed items of a family that no other has taken. Return the number of blocks and of items."""
    job_ids = [member.id for member in family if member.has_ended]
    indexes = None if isinstance(wish.select, str) else wish.select
    patched: set[int] = set()
    no = items = 0
    for page in _pages(conn, job_ids, code=_RETRYABLE_CODE if wish.select == RETRYABLE else None, indexes=indexes):
        texts = [_text(error, child, wish.patch, types) for error in page]
        block = pack_picked([Picked(error.index, error.line, text) for error, text in zip(page, texts, strict=True)])
        children.append(conn, child.id, no, block)
        children.take(conn, job_ids, [error.index for error in page], child.id)
        patched |= {error.index for error in page} & wish.patch.keys()
        no, items = no + 1, items + block.items
    if items and (left := sorted(wish.patch.keys() - patched)):
        raise InvalidInput(f"patch: The item {left[0]} is not among those that are sent again")
    return no, items


def _pages(
    conn: Connection, job_ids: Sequence[UUID], *, code: str | None, indexes: Sequence[int] | None
) -> Iterator[list[ItemError]]:
    after = -1
    while page := children.failed(conn, job_ids, after=after, code=code, indexes=indexes):
        yield page
        after = page[-1].index


def _text(error: ItemError, child: NewJob, patch: Mapping[int, Any], types: RowTypes | None) -> bytes:
    """Return the text of an item that is sent again, patched where that is wished."""
    text = error.item or b""
    if error.index not in patch:
        return text
    csv = child.options.csv
    if csv is not None and not takes_a_note(text):
        made = items_of(pack_picked([Picked(error.index, error.line, text)]).payload, None, csv, types)
        text = bytes(made.texts[0]) if not made.unreadable else b""
    try:
        value = json_text.decode(text)
    except ValueError:
        raise InvalidInput(
            f"patch: The item {error.index} is no JSON that could be patched; correct it in the error file"
        ) from None
    return exact_json(merged(value, patch[error.index]))


def merged(target: Any, patch: Any) -> Any:
    """Return a JSON value with a merge patch applied (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _copy_unprocessed(
    conn: Connection, parent: Job, child: NewJob, family: Sequence[Member], wish: Wish
) -> tuple[int, int]:
    if wish.patch:
        raise InvalidInput("patch: Items that were not processed are sent again as they are; leave the patch out")
    if any(member.picked == UNPROCESSED and member.parent_id == parent.id for member in family):
        return 0, 0
    blocks, items = children.copy_blocks(conn, parent.id, child.id, closed=False)
    if items != parent.effects[Effect.UNPROCESSED]:
        raise WrongState(f"The unprocessed items of {_name(parent)} are not kept any more; send them again")
    return blocks, items


def _under_way(conn: Connection, parent: Job, child: NewJob, family: Sequence[Member], *, picked: str | None) -> UUID:
    """Return the child that has these items, once the one that would have none is removed."""
    receiving.remove(conn, [child.id])
    open_ones = [member.id for member in family[1:] if not member.has_ended and member.picked == picked]
    if open_ones:
        return open_ones[-1]
    raise WrongState(f"{_name(parent)} has no such items that are not taken or sent again already")
