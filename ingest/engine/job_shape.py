"""A job as answers and messages show it, but for its errors (docs/contracts/operator.md section 5)."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from ingest import ids
from ingest.db.jobs.queue import Place
from ingest.engine.kinds import JOB_TYPES, keeps_results
from ingest.jobs import Effect, ItemWarning, Job
from ingest.timestamps import timestamp, timestamp_or_none

# A job shows at most so many warnings itself.
INLINE_WARNINGS = 10


def job_without_errors(
    job: Job, warnings: Sequence[ItemWarning] | None, link: Callable[[str], str], place: Place | None = None
) -> dict[str, Any]:
    """Return a job's members; those from `total` on are additions to the contract.

    Args:
        job: as it stands, with all that it shows (`ingest.db.jobs.lookup`).
        warnings: the first of its items', at most INLINE_WARNINGS; None: show how many there are, and no more.
        link: returns the path of one of the job's calls: `self`, `errors`, `warnings`, `timeline` or `results`.
        place: in the queue; None where the job has begun.
    """
    place = place or Place(None, None, job.eta_seconds)
    calls = ("self", "errors", "warnings", "timeline", *(("results",) if keeps_results(job) else ()))
    return {
        "id": ids.spell(ids.JOB, job.id),
        "type": JOB_TYPES[job.kind],
        "status": job.status,
        "progress": job.progress,
        "output": {"succeeded": job.succeeded, "failed": job.effects[Effect.FAILED]},
        "error": fault_of(job),
        "created_at": timestamp(job.created_at),
        "completed_at": timestamp_or_none(job.ended_at),
        "total": job.total,
        "processed": job.processed,
        "effects": dict(job.effects),
        "started_at": timestamp_or_none(job.started_at),
        "rate": None if job.rate is None else round(job.rate, 1),
        "eta_seconds": None if place.eta_seconds is None else round(place.eta_seconds, 1),
        "attempts": job.attempts,
        "warnings": {"count": job.warnings} if warnings is None else warning_summary(job.warnings, warnings),
        "label": job.options.label,
        "ordered": job.ordered,
        "atomic": job.options.atomic,
        "validate_only": job.options.validate_only,
        "deadline_at": timestamp_or_none(job.deadline_at),
        "finished_in_seconds": None if job.finished_in_seconds is None else round(job.finished_in_seconds, 3),
        "parent_job_id": _spelled(job.parent_job_id),
        "retried_by": [_spelled(child) for child in job.retried_by],
        "blocked_by": _spelled(place.blocked_by),
        "queue_ahead": place.queue_ahead,
        "links": {call: link(call) for call in calls},
    }


def _spelled(job_id: UUID | None) -> str | None:
    return None if job_id is None else ids.spell(ids.JOB, job_id)


def fault_of(job: Job) -> dict[str, str | None] | None:
    """Return the error of a failed job; None for any other."""
    return None if job.error_code is None else {"code": job.error_code, "message": job.error_message}


def warning_list(warnings: Sequence[ItemWarning]) -> list[dict[str, Any]]:
    """Return warnings as the wire shows them (docs/contracts/jobs.md section 1)."""
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
