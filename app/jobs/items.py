"""`GET /batch/jobs/{id}/items/{index}`: what became of one item of a job, as far as that is kept."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from app.http import personal_data
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs.outcomes import spelled
from app.jobs.own import own_job
from app.jobs.shape import error_list, warning_list
from ingest.db.connection.pool import Connection, transaction
from ingest.db.jobs import errors, item_warnings, items
from ingest.db.jobs.items import StoredItem
from ingest.errors import NotFound, SecretUnreadable
from ingest.intake.payloads import has_item
from ingest.jobs import MOST_TRIAL_ERRORS_KEPT, TRIAL, Effect, Job

_MOST_DIGITS = 10
_MOST_INDEX = 2**31 - 1
_MOST_WARNINGS = 100


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>/items/<text:index>")
    @describe(
        "The outcome of one item of a job; a member that is not known is null",
        operation=f"get{noun}Item",
        answers={200: "JobItem"},
        faults=(SecretUnreadable,),
    )
    def item(job_id: str, index: str) -> Response:
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            return respond(_shape(conn, found, _index(index, found), index), 200, {})


def _index(text: str, job: Job) -> int:
    index = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else _MOST_INDEX
    # Items that were picked from another job keep their indexes.
    if index >= (job.total if job.options.picked is None else _MOST_INDEX):
        raise NotFound(f"The job has no item {text!r}")
    return index


def _shape(conn: Connection, job: Job, index: int, text: str) -> dict[str, Any]:
    error = errors.of_item(conn, job.id, index)
    found = item_warnings.of_job(conn, job.id, limit=_MOST_WARNINGS, after=(index, -1)) if job.warnings else []
    warnings = [warning for _, warning in found if warning.index == index]
    stored = items.find(conn, job.id, index, with_block=job.options.picked is not None)
    if job.options.picked and not error and not _is_there(job, stored, index):
        raise NotFound(f"The job has no item {text!r}")
    lines = [error.line] if error else [warning.line for warning in warnings] or [stored.line if stored else None]
    return {
        "index": index,
        "line": lines[0],
        "effect": Effect.FAILED if error else _effect(job, stored, index),
        "id": None if error or stored is None else spelled(job.kind, stored.public_id),
        "error": error_list([error])[0] if error else None,
        "warnings": warning_list(warnings),
    }


def _is_there(job: Job, stored: StoredItem | None, index: int) -> bool:
    """True if an item without an error is one of a job whose items were picked from another, which keeps results."""
    if stored is None or stored.block is None:
        return stored is not None and stored.effect is not None
    payload = personal_data.opener(job.tenant_id).payload(stored.block.payload)
    return has_item(replace(stored.block, payload=payload), index)


def _effect(job: Job, stored: StoredItem | None, index: int) -> Effect | None:
    """Return the effect of an item without an error; None where only the sums of its job are kept."""
    if job.kind == TRIAL:
        return _effect_of_row(job, index)
    if stored is None or stored.is_open or job.error_code == "ATOMIC_ABORTED":
        return Effect.UNPROCESSED
    if stored.effect is not None:
        return stored.effect
    # If all items that were taken had the same effect, so had this one.
    taken = [effect for effect in Effect if job.effects[effect] and effect not in {Effect.FAILED, Effect.UNPROCESSED}]
    return taken[0] if len(taken) == 1 else None


def _effect_of_row(trial: Job, index: int) -> Effect | None:
    """Return the effect of a row without an error; None where the trial may have had one that it does not keep."""
    if index >= trial.processed:  # rows are judged one after the other
        return Effect.UNPROCESSED
    return Effect.UNCHANGED if trial.effects[Effect.FAILED] <= MOST_TRIAL_ERRORS_KEPT else None
