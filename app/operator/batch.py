"""`POST /batch/{entities|events|states}`: durable first, then 202, or 200 where the client waits and the job ends."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from app import answers
from app.batches import accept, require_template
from app.http import body, prefer, rate_limit
from app.http.auth import CallerChanged, authenticates_on_insert, caller, reauthenticate
from app.http.describe import describe
from app.http.prefer import Preference
from app.operator import options
from app.operator.envelope import success
from app.stores import at_once, streamed
from app.waiting import Ended, present
from ingest.db.tenants.idempotency import Answer
from ingest.db.tenants.keys import Caller
from ingest.engine.kinds import KINDS, Kind
from ingest.errors import DigestMismatch, Gone, MasterKeyMissing, NotFound, TemplateNotConfigured
from ingest.intake.blocks import Block, cut

bp = Blueprint("batch", __name__)
bp.before_request(rate_limit.scope("ingest:batch"))

_ANSWERS = {202: "AcceptedBatch", 200: "EndedBatch"}
WAIT = f"wait=N (0 to {prefer.LONGEST_WAIT_SECONDS} seconds); respond-async"
_HEADERS = {
    "Prefer": f"{WAIT}; {prefer.HANDLING}: as in RFC 7240",
    **body.HEADERS,
}
_FAULTS = (NotFound, Gone, TemplateNotConfigured, DigestMismatch, MasterKeyMissing)


def _again(answer: Answer, _sent: bytes) -> Response:
    return answer_present(answer.job_id)  # type: ignore[arg-type] # the key of a batch names its job


def answer_present(job_id: UUID) -> Response:
    """Return the answer of a batch call for a job that is stored, in its present state; wait for its end if asked to.

    Raises:
        Gone: retention has deleted the job.
    """
    preference = prefer.stated()
    wait = preference.seconds(caller().batch_wait_seconds)
    outcome = present(caller(), job_id, wait)
    if isinstance(outcome, Ended):
        return success(answers.ended(outcome), 200, answers.headers_of_ended(preference))
    job, errors = outcome
    return _accepted(job.id, answers.under_way(job, errors), preference)


@bp.post("/batch/entities")
@authenticates_on_insert
@describe(
    "Write 1 to 1,000 entities",
    operation="writeEntities",
    body="EntityBatch",
    lines=True,
    csv=True,
    answers=_ANSWERS,
    faults=_FAULTS,
    query=options.of_kind("entities"),
    headers=_HEADERS,
    repeat=_again,
)
def entities() -> Response:
    """Upsert entities, `data` replaced as a whole or merged."""
    return _batch(KINDS["entities"])


@bp.post("/batch/events")
@authenticates_on_insert
@describe(
    "Append 1 to 5,000 events",
    operation="writeEvents",
    body="EventBatch",
    lines=True,
    csv=True,
    answers=_ANSWERS,
    faults=_FAULTS,
    query=options.of_kind("events"),
    headers=_HEADERS,
    repeat=_again,
)
def events() -> Response:
    """Append events to entities that exist."""
    return _batch(KINDS["events"])


@bp.post("/batch/states")
@authenticates_on_insert
@describe(
    "Set 1 to 1,000 states",
    operation="writeStates",
    body="StateBatch",
    lines=True,
    csv=True,
    answers=_ANSWERS,
    faults=_FAULTS,
    query=options.of_kind("states"),
    headers=_HEADERS,
    repeat=_again,
)
def states() -> Response:
    """Set states of entities that exist."""
    return _batch(KINDS["states"])


def _batch(kind: Kind) -> Response:
    require_template(caller())
    preference = prefer.stated()
    spelled = request.args if request.query_string else {}
    said = options.parse(spelled, strict=preference.strict, csv=body.is_csv())
    store_blocks = streamed() if body.is_stream() else at_once(_array(kind))

    def accepted_for(caller: Caller) -> UUID | Ended:
        wait = preference.seconds(caller.batch_wait_seconds)
        return accept(caller, kind.name, store_blocks, said, wait=wait, template_id=require_template(caller))

    try:
        outcome = accepted_for(caller())
    except CallerChanged:
        reauthenticate()
        outcome = accepted_for(caller())
    return answer(outcome, preference, callback_secret=said.callback_secret)


def answer(outcome: UUID | Ended, preference: Preference, *, callback_secret: str | None = None) -> Response:
    """Return the answer for a job that was just stored, and may have ended while its request waited."""
    told = {} if callback_secret is None else {"callbackSecret": callback_secret}
    if isinstance(outcome, Ended):
        return success({**answers.ended(outcome), **told}, 200, answers.headers_of_ended(preference))
    return _accepted(outcome, {**answers.accepted(outcome), **told}, preference)


def _accepted(job_id: UUID, data: dict[str, Any], preference: Preference) -> Response:
    return success(data, 202, answers.headers_of_accepted(job_id, preference))


def _array(kind: Kind) -> list[Block]:
    return cut(body.read_batch(), limit=kind.limit, block_items=kind.block_items)
