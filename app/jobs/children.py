"""`POST /batch/jobs/{id}/retry` and `/commit`: send items of a job again, as a job of their own.

Each is one transaction, so that a child is there with all of its items, or not at all.
"""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app.http import body, idempotency
from app.http.auth import caller
from app.http.describe import describe
from app.http.request_log import request_id
from app.http.responses import Respond
from app.http.services import services
from app.http.traces import traceparent
from app.jobs.own import first_warnings, inline_errors, own_job
from app.jobs.shape import address, job_shape
from ingest import faultpoints, ids, json_repeats, json_screen, json_text
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection, transaction
from ingest.db.jobs import queue
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants.idempotency import Answer
from ingest.engine.children import child_of, commit, template_of_child
from ingest.engine.csv_types import row_types_of_job
from ingest.engine.retries import retry
from ingest.engine.sealing import sealer_of
from ingest.engine.selection import FAILED, MOST_INDEXES, RETRYABLE, UNPROCESSED, Wish
from ingest.errors import (
    InvalidInput,
    LimitReached,
    MasterKeyMissing,
    SecretUnreadable,
    TemplateNotConfigured,
    WrongState,
)
from ingest.ids import uuid7
from ingest.items.schema import DEEPEST
from ingest.jobs import Effect, Job
from ingest.logs import bind_contextvars

_WORDS = (FAILED, RETRYABLE, UNPROCESSED)

_Index = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_INDEXES = msgspec.json.Decoder(Annotated[list[_Index], msgspec.Meta(min_length=1, max_length=MOST_INDEXES)])


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the calls to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    def answered(child_id: UUID) -> Response:
        with transaction(services().pool) as conn:
            child = own_job(conn, caller().tenant_id, ids.spell(ids.JOB, child_id), shown=True)
            place = queue.places_of(conn, [child])[child.id]
            shape = job_shape(child, place, inline_errors(conn, child), first_warnings(conn, child))
        return respond(shape, 202, {"Location": address(child_id)})

    def again(first: Answer, _sent: bytes, *, job_id: str) -> Response:  # noqa: ARG001 # of the path
        return answered(first.job_id)  # type: ignore[arg-type] # the key of a child names it

    @bp.post("/batch/jobs/<text:job_id>/retry")
    @describe(
        "Send failed or unprocessed items of a job again, patched where that is wished",
        operation=f"retry{noun}",
        body="RetryForm",
        answers={202: "Job"},
        faults=(WrongState, LimitReached, TemplateNotConfigured, MasterKeyMissing, SecretUnreadable),
        repeat=again,
    )
    def retry_job(job_id: str) -> Response:
        return answered(send_again(job_id, _wish()))

    @bp.post("/batch/jobs/<text:job_id>/commit")
    @describe(
        "Write what a job of ?validateOnly=true has checked",
        operation=f"commit{noun}",
        answers={202: "Job"},
        faults=(WrongState, TemplateNotConfigured),
        repeat=again,
    )
    def commit_job(job_id: str) -> Response:
        return answered(write_checked(job_id))


def send_again(text: str, wish: Wish) -> UUID:
    """Send items of a job of the caller's again, as a child. Return the child's id, or that of one that has them.

    Args:
        text: the job's public id.
        wish: which items, and what to patch in them.

    Raises:
        NotFound: there is no such job of the caller's.
        WrongState: it has no such items that could be sent again.
        InvalidInput: an index that did not fail, or a patch that does not fit.
        LimitReached: its family is as large as one may be.
        TemplateNotConfigured: no template could check them.
    """

    def make(conn: Connection, parent: Job, child: NewJob) -> UUID:
        cache, most_bytes = services().template_cache, services().settings.max_item_bytes
        types = row_types_of_job(conn, parent, child.template_id, cache, most_bytes)
        template = None if child.template_id is None else cache.get(conn, child.template_id)
        sealer = sealer_of(services().master_keys, child.tenant_id, template)
        return retry(conn, parent, child, wish, types, sealer=sealer)

    return make_child(text, make, picked=Effect.UNPROCESSED if wish.select == UNPROCESSED else Effect.FAILED)


def write_checked(text: str) -> UUID:
    """Write what a job of the caller's has only checked, as a child. Return the child's id.

    Args:
        text: the job's public id.

    Raises:
        NotFound: there is no such job of the caller's.
        WrongState: it has not completed, or has not only checked.
        TemplateNotConfigured: no template could check its items.
    """
    return make_child(text, commit, picked=None)


def make_child(text: str, make: Callable[[Connection, Job, NewJob], UUID], *, picked: Effect | None) -> UUID:
    """Make a child of a job of the caller's, and notify workers of it. Return the child's id.

    Args:
        text: the job's public id.
        make: takes the transaction, the job, and the child as it is before it has items; it gives the child its items,
            and returns its id, or that of one that has them.
        picked: the effect that these items had; None for all of a job that only validated.

    Raises:
        NotFound: there is no such job of the caller's.
        WrongState: it is no batch.
        TemplateNotConfigured: no template could check its items.
    """
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        parent = own_job(conn, caller().tenant_id, text)
        template_id = template_of_child(parent, caller().template_id)
        child = child_of(
            parent,
            uuid7(),
            template_id=template_id,
            request_id=request_id(),
            picked=picked,
            traceparent=traceparent(),
        )
        child_id = make(conn, parent, child)
        idempotency.remember(conn, job_id=child_id)
    faultpoints.passing("accept.committed")
    bind_contextvars(job_id=ids.spell(ids.JOB, child_id))
    services().notifier.notify(child_id)
    return child_id


def _wish() -> Wish:
    """Return what the body of this request says.

    Raises:
        InvalidInput: it is not `{"select": …, "patch": …}`.
    """
    text = body.read_form()
    if json_screen.is_deep(text, DEEPEST) or json_screen.has_huge_exponent(text):
        raise InvalidInput(f"The body is nested over {DEEPEST} levels deep, or holds an exponent beyond 999")
    try:
        json_repeats.check_once(text)
        members = json_text.split_object(text)
        values = {name: json_text.decode(value) for name, value in members.items()}
    except json_repeats.Repeated as error:
        raise InvalidInput(str(error)) from None
    except ValueError as error:
        raise InvalidInput(f"The body must be a JSON object: {error}") from None
    if strange := sorted(members.keys() - {"select", "patch"}):
        raise InvalidInput(f'Unknown field "{strange[0]}": this call takes select and patch')
    return Wish(_select(values.get("select", FAILED), members.get("select", b"")), _patch(values.get("patch", {})))


def _select(select: Any, text: bytes | msgspec.Raw) -> Any:
    if isinstance(select, str) and select in _WORDS:
        return select
    try:
        return _INDEXES.decode(text)
    except msgspec.ValidationError:
        words = ", ".join(f'"{word}"' for word in _WORDS)
        raise InvalidInput(f"select: Must be {words}, or a list of 1 to {MOST_INDEXES} indexes") from None


def _patch(patch: Any) -> dict[int, Any]:
    if not isinstance(patch, dict) or not all(map(_is_index, patch)):
        raise InvalidInput('patch: Must be an object of merge patches by index, as in {"17": {"data": {"email": "…"}}}')
    return {int(index): value for index, value in patch.items()}


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text[:10])) == text
