"""The job resource, which both APIs mount: the progress of a batch, and the errors of its items."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

import msgspec
from flask import Blueprint, Response, request, url_for

from app.http import pagination, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp, timestamp_or_none
from app.http.services import services
from ingest import ids
from ingest.db.connection.pool import Connection, transaction
from ingest.db.jobs import blocks, lookup
from ingest.db.jobs import results as stored_results
from ingest.db.jobs.results import Result
from ingest.engine.kinds import KINDS, keeps_results
from ingest.errors import NotFound, ResultsNotKept
from ingest.jobs import Effect, ItemError, ItemWarning, Job, JobState

# A job shows at most so many item errors itself; all of them can be paged through.
INLINE_ERRORS = 1_000
_LIMIT = query.Whole(name="limit", most=INLINE_ERRORS, default=100)

# A job shows at most so many warnings itself.
INLINE_WARNINGS = 10

_ANY_JOB = "job_any"

Respond = Callable[[Any, int, Mapping[str, str]], Response]
_Index = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Place = tuple[_Index, _Index]  # an item's index, and which of its warnings
_ResultPlace = tuple[_Index, Annotated[int, msgspec.Meta(ge=-1, lt=2**31)]]  # a block, and an index

# Items with other effects have errors, or nothing to read.
_TAKEN = tuple(effect.value for effect in Effect if effect not in {Effect.FAILED, Effect.UNPROCESSED})
_EFFECT = query.Filter(name="effect", words=_TAKEN, text="only items with this effect")

# Of the ids of a kind's items; the public API shows bare UUIDs, and states have none.
_PREFIXES = {"entities": ids.ENTITY, "events": ids.EVENT}


def blueprint(respond: Respond, noun: str) -> Blueprint:
    """Answer with a job in an API's envelope; its caller is known by `app.http.auth.caller`.

    Args:
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """
    bp = Blueprint("jobs", __name__)
    bp.before_request(rate_limit.scope("read"))

    @bp.get("/batch/jobs/<text:job_id>")
    @describe("Where a job stands", operation=f"get{noun}", answers={200: "Job"}, faults=(404,))
    def job(job_id: str) -> Response:
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            errors, warnings = inline_errors(conn, found), first_warnings(conn, found)
        return respond(_shape(found, errors, warnings), 200, {})

    @bp.get("/batch/jobs/<text:job_id>/errors")
    @describe(
        "What was wrong with a job's bad items, in the order of their indexes",
        operation=f"list{noun}Errors",
        answers={200: "ItemErrors"},
        faults=(400, 404),
        query=(_LIMIT, pagination.CURSOR),
    )
    def errors(job_id: str) -> Response:
        most = _LIMIT.read()
        after = pagination.cursor(_Index)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            page = blocks.errors_of(conn, found.id, limit=most + 1, after=-1 if after is None else after)
        more = pagination.next_link(page[most - 1].index) if len(page) > most else {}
        return respond(error_list(page[:most]), 200, more)

    @bp.get("/batch/jobs/<text:job_id>/warnings")
    @describe(
        "What the sender of a job's items should know, in the order of their indexes",
        operation=f"list{noun}Warnings",
        answers={200: "ItemWarnings"},
        faults=(400, 404),
        query=(_LIMIT, pagination.CURSOR),
    )
    def warnings(job_id: str) -> Response:
        most = _LIMIT.read()
        after = pagination.cursor(_Place)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            page = blocks.warnings_of(conn, found.id, limit=most + 1, after=after or (-1, -1))
        more = pagination.next_link(page[most - 1][0]) if len(page) > most else {}
        return respond(warning_list([warning for _, warning in page[:most]]), 200, more)

    @bp.get("/batch/jobs/<text:job_id>/results")
    @describe(
        "What became of each item that a job has taken, in the order of their indexes",
        operation=f"list{noun}Results",
        answers={200: "ItemResults"},
        faults=(400, 404, 409),
        query=(_EFFECT, _LIMIT, pagination.CURSOR),
    )
    def results(job_id: str) -> Response:
        most, effect = _LIMIT.read(), _EFFECT.read()
        place = pagination.cursor(_ResultPlace)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            if not keeps_results(found):
                raise ResultsNotKept("This job kept no results; send a batch with ?keepResults=true")
            page = stored_results.page(
                conn, found.id, limit=most, place=place or (0, -1), effect=None if effect is None else Effect(effect)
            )
        more = {} if page.next_place is None else pagination.next_link(page.next_place)
        return respond(_result_list(found, page.results), 200, more)

    return bp


def own_job(conn: Connection, tenant_id: int, text: str) -> Job:
    """Return a tenant's job.

    Args:
        conn: an open transaction.
        tenant_id: whose it must be.
        text: its public id.

    Raises:
        NotFound: there is none of that id, or it is another tenant's.
    """
    found = lookup.get(conn, ids.parse(ids.JOB, text))
    if found is None or found.tenant_id != tenant_id or found.status is JobState.RECEIVING:
        raise NotFound(f"There is no job {text!r}")
    return found


def inline_errors(conn: Connection, job: Job) -> list[ItemError]:
    """Return the item errors that come with a job, and no more than it counts: another block may have ended."""
    most = min(job.effects[Effect.FAILED], INLINE_ERRORS)
    return blocks.errors_of(conn, job.id, limit=most) if most else []


def error_list(errors: Sequence[ItemError]) -> list[dict[str, Any]]:
    """Return item errors as the wire shows them (docs/contracts/operator.md section 4)."""
    return [
        {
            "index": error.index,
            "line": error.line,
            "externalId": error.external_id,
            "code": error.code,
            "message": error.message,
            "field": error.field,
        }
        for error in errors
    ]


def first_warnings(conn: Connection, job: Job) -> list[ItemWarning]:
    """Return the warnings that come with a job, and no more than it counts: another block may have ended."""
    most = min(job.warnings, INLINE_WARNINGS)
    return [warning for _, warning in blocks.warnings_of(conn, job.id, limit=most)] if most else []


def warning_list(warnings: Sequence[ItemWarning]) -> list[dict[str, Any]]:
    """Warnings as the wire shows them (docs/contracts/jobs.md section 1)."""
    return [
        {
            "index": warning.index,
            "line": warning.line,
            "code": warning.code,
            "message": warning.message,
            "field": warning.field,
        }
        for warning in warnings
    ]


def _result_list(job: Job, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as the wire shows them (docs/contracts/jobs.md section 4), with ids as their API spells them."""
    prefix = _PREFIXES.get(job.kind)
    return [
        {
            "index": result.index,
            "line": result.line,
            "effect": result.effect,
            "id": _spelled(prefix, result.public_id),
        }
        for result in results
    ]


def _spelled(prefix: str | None, public_id: UUID | None) -> str | None:
    if public_id is None:
        return None
    return str(public_id) if prefix is None else ids.spell(prefix, public_id)


def warning_summary(count: int, first: Sequence[ItemWarning]) -> dict[str, Any]:
    """Return how many warnings there are, and the first of them (docs/contracts/jobs.md section 3)."""
    return {"count": count, "first": warning_list(first[:INLINE_WARNINGS])}


def address(job_id: UUID) -> str:
    """Return the path of a job, under the base path that this request came by."""
    return _address(job_id, "job")


def _address(job_id: UUID, endpoint: str) -> str:
    # The API's blueprint is the outermost one; the job is mounted beside the blueprint that asks.
    pattern = _pattern(request.script_root, f"{request.blueprints[-1]}.jobs.{endpoint}")
    return pattern.replace(_ANY_JOB, ids.spell(ids.JOB, job_id))


@lru_cache(100)
def _pattern(script_root: str, endpoint: str) -> str:  # noqa: ARG001 # the same endpoint is elsewhere under another root
    """Return the path of an endpoint for any job: to build it costs more than most that a request does."""
    return url_for(endpoint, job_id=_ANY_JOB)


def fault_of(job: Job) -> dict[str, str | None] | None:
    """Return the error of a failed job; None for any other."""
    return None if job.error_code is None else {"code": job.error_code, "message": job.error_message}


def _shape(job: Job, errors: list[ItemError], warnings: list[ItemWarning]) -> dict[str, Any]:
    """Return the job as docs/contracts/operator.md section 5 shows it; the members from `total` on are additions."""
    return {
        "id": ids.spell(ids.JOB, job.id),
        "type": KINDS[job.kind].job_type,
        "status": job.status,
        "progress": job.progress,
        "output": {
            "succeeded": job.succeeded,
            "failed": job.effects[Effect.FAILED],
            "errors": error_list(errors),
        },
        "error": fault_of(job),
        "created_at": timestamp(job.created_at),
        "completed_at": timestamp_or_none(job.ended_at),
        "total": job.total,
        "processed": job.processed,
        "effects": {effect.value: count for effect, count in job.effects.items()},
        "started_at": timestamp_or_none(job.started_at),
        "rate": None if job.rate is None else round(job.rate, 1),
        "eta_seconds": None if job.eta_seconds is None else round(job.eta_seconds, 1),
        "attempts": job.attempts,
        "errors_truncated": len(errors) < job.effects[Effect.FAILED],
        "warnings": warning_summary(job.warnings, warnings),
        "label": job.options.label,
        "ordered": job.ordered,
        "atomic": job.options.atomic,
        "validate_only": job.options.validate_only,
        "deadline_at": timestamp_or_none(job.deadline_at),
        "links": {
            "self": address(job.id),
            "errors": _address(job.id, "errors"),
            "warnings": _address(job.id, "warnings"),
            **({"results": _address(job.id, "results")} if keeps_results(job) else {}),
        },
    }
