"""A job, its errors and warnings as the wire shows them (docs/contracts/operator.md section 5)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import request, url_for

from app.http.responses import timestamp, timestamp_or_none
from ingest import ids
from ingest.engine.kinds import KINDS, keeps_results
from ingest.jobs import Effect, ItemError, ItemWarning, Job

# A job shows at most so many item errors itself; all of them can be paged through.
INLINE_ERRORS = 1_000

# A job shows at most so many warnings itself.
INLINE_WARNINGS = 10

_ANY_JOB = "job_any"


def job_shape(job: Job, errors: list[ItemError], warnings: list[ItemWarning]) -> dict[str, Any]:
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
            "errors": address_of(job.id, "errors"),
            "warnings": address_of(job.id, "warnings"),
            **({"results": address_of(job.id, "results")} if keeps_results(job) else {}),
        },
    }


def fault_of(job: Job) -> dict[str, str | None] | None:
    """Return the error of a failed job; None for any other."""
    return None if job.error_code is None else {"code": job.error_code, "message": job.error_message}


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


def warning_summary(count: int, first: Sequence[ItemWarning]) -> dict[str, Any]:
    """Return how many warnings there are, and the first of them (docs/contracts/jobs.md section 3)."""
    return {"count": count, "first": warning_list(first[:INLINE_WARNINGS])}


def address(job_id: UUID) -> str:
    """Return the path of a job, under the base path that this request came by."""
    return address_of(job_id, "job")


def address_of(job_id: UUID, endpoint: str) -> str:
    """Return the path of a call about a job, by its name in the jobs' blueprint, likewise."""
    # The API's blueprint is the outermost one; the job is mounted beside the blueprint that asks.
    pattern = _pattern(request.script_root, f"{request.blueprints[-1]}.jobs.{endpoint}")
    return pattern.replace(_ANY_JOB, ids.spell(ids.JOB, job_id))


@lru_cache(100)
def _pattern(script_root: str, endpoint: str) -> str:  # noqa: ARG001 # the same endpoint is elsewhere under another root
    """Return the path of an endpoint for any job: to build it costs more than most that a request does."""
    return url_for(endpoint, job_id=_ANY_JOB)
