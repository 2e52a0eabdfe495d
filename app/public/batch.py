"""`POST /event/batch` and `/object/batch`: jobs like any other, as a rule run in the request itself.

A body of lines may have millions of items, so workers run it (docs/contracts/jobs.md section 1).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app import answers, batches
from app.batches import BatchOptions
from app.http import prefer, rate_limit
from app.http.auth import caller
from app.http.body import HEADERS, is_lines
from app.http.describe import describe
from app.http.prefer import Preference
from app.http.services import services
from app.jobs.shape import warning_summary
from app.public import body
from app.public.envelope import job, success
from app.stores import at_once, streamed
from app.waiting import Ended
from ingest import json_text
from ingest.engine.kinds import KINDS
from ingest.errors import DigestMismatch
from ingest.intake.blocks import pack
from ingest.intake.resent import corrected, may_be_resent
from ingest.jobs import Effect, JobOptions

bp = Blueprint("batch", __name__)
bp.before_request(rate_limit.scope("ingest:batch"))

_ASYNC = "respond-async"
_HEADERS = {
    "Prefer": (
        f"{_ASYNC}: answer 202 with a job to poll; of lines, wait=N: answer 200 if the job ends in so many seconds, at "
        f"most {prefer.LONGEST_WAIT_SECONDS}; {prefer.HANDLING}: as in RFC 7240"
    ),
    **{name: f"of lines: {text}" for name, text in HEADERS.items()},
}


@bp.post("/event/batch")
@describe(
    "Record 0 to 100 events, or lines of any number",
    operation="recordEvents",
    body="ObjectEventBatch",
    lines=True,
    answers={200: "RecordedOrEnded", 202: "AcceptedObjectBatch"},
    bare=True,
    headers=_HEADERS,
    faults=(DigestMismatch,),
)
def events() -> Response:
    """Append events; a bad one is told of, and sinks no other."""
    if is_lines():
        return _lines("object_events")
    items = body.items("events", KINDS["object_events"].limit)
    outcome = _accept_and_run("object_events", items)
    if isinstance(outcome, Response):
        return outcome
    ids = [result.public_id for result in outcome.results] if outcome else []
    return _answered(_shape(outcome, "Event", event_ids=ids))


@bp.post("/object/batch")
@describe(
    "Upsert 0 to 100 objects, or lines of any number",
    operation="upsertObjects",
    body="ObjectBatch",
    lines=True,
    answers={200: "UpsertedOrEnded", 202: "AcceptedObjectBatch"},
    bare=True,
    headers=_HEADERS,
    faults=(DigestMismatch,),
)
def objects() -> Response:
    """Upsert objects in the order sent; a bad one is told of, and sinks no other."""
    if is_lines():
        return _lines("objects")
    items = body.items("objects", KINDS["objects"].limit)
    outcome = _accept_and_run("objects", items)
    if isinstance(outcome, Response):
        return outcome
    written = [
        {
            "object_id": result.public_id,
            **_named(items[result.index]),
            "created": result.effect is Effect.CREATED,
        }
        for result in (outcome.results if outcome else [])
    ]
    return _answered(_shape(outcome, "Object", objects=written))


def _accept_and_run(kind: str, items: list[msgspec.Raw]) -> Ended | Response | None:
    """Store the batch as a job and run it.

    Returns:
        The job; None for an empty batch, which needs none; or the answer, where the job is still under way.
    """
    if not items:
        return None
    preference = prefer.stated()
    later = preference.respond_async
    blocks = at_once(pack(items, KINDS[kind].block_items))
    options = BatchOptions(merge=True, strict=preference.strict)
    job_id = batches.store(caller(), kind, blocks, options, awaited=not later)
    if later:
        services().notifier.notify(job_id)
    else:
        outcome = batches.run_in_request(caller(), job_id)
        if isinstance(outcome, Ended):
            return outcome
    return _accepted(job_id, preference)


def _lines(kind: str) -> Response:
    """Store the lines of the body as a job while they arrive, and leave it to the workers."""
    preference = prefer.stated()
    # A list's answer has the ids of its items; lines may be millions, and their answer has none.
    options = BatchOptions(merge=True, strict=preference.strict, of_few=JobOptions(keep_results=False))
    outcome = batches.accept(caller(), kind, streamed(), options, wait=preference.seconds(0))
    if isinstance(outcome, Ended):
        return job(answers.ended(outcome), 200, answers.headers_of_ended(preference))
    return _accepted(outcome, preference)


def _accepted(job_id: UUID, preference: Preference) -> Response:
    return job(answers.accepted(job_id), 202, answers.headers_of_accepted(job_id, preference))


def _named(item: msgspec.Raw) -> dict[str, Any]:
    found = corrected(item) if may_be_resent(bytes(item)) else item
    members = json_text.split_object(found)  # type: ignore[arg-type] # of an item that was taken, it is one
    return {"object_type": members["type"], "external_id": members["id"]}


def _shape(ended: Ended | None, noun: str, **written: list[Any]) -> dict[str, Any]:
    """Return the answer to a batch. Items that its job never came to, since it was ended before, have failed."""
    errors = _errors(ended, noun) if ended else []
    processed = ended.job.succeeded if ended else 0
    shape = {"success": not errors, "processed": processed, "failed": len(errors), **written, "errors": errors}
    # Beyond the contract's fields there is only what the client would else not know.
    if ended and ended.job.warnings:
        shape["warnings"] = warning_summary(ended.job.warnings, ended.warnings)
    return shape


def _answered(shape: Mapping[str, Any]) -> Response:
    return success(shape, prefer.applied(handling=prefer.stated().handling))


def _errors(ended: Ended, noun: str) -> list[str]:
    messages = {error.index: error.message for error in ended.errors}
    done = {result.index for result in ended.results}
    reason = f"not carried out: {ended.job.error_message or 'its job was cancelled'}"
    return [f"{noun} {index}: {messages.get(index, reason)}" for index in range(ended.job.total) if index not in done]
