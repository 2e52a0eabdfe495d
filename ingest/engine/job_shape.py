"""A job as answers and messages show it, but for its errors (docs/contracts/operator.md section 5)."""

from collections.abc import Callable, Sequence
from typing import Any

from ingest import ids
from ingest.engine.kinds import JOB_TYPES, keeps_results
from ingest.jobs import Effect, ItemWarning, Job
from ingest.timestamps import timestamp, timestamp_or_none

# A job shows at most so many warnings itself.
INLINE_WARNINGS = 10


def job_without_errors(job: Job, warnings: Sequence[ItemWarning], link: Callable[[str], str]) -> dict[str, Any]:
    """Return a job's members; those from `total` on are additions to the contract.

    Args:
        job: as it stands.
        warnings: the first of its items', at most INLINE_WARNINGS.
        link: returns the path of one of the job's calls: `self`, `errors`, `warnings` or `results`.
    """
    calls = ("self", "errors", "warnings", *(("results",) if keeps_results(job) else ()))
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
        "effects": {effect.value: count for effect, count in job.effects.items()},
        "started_at": timestamp_or_none(job.started_at),
        "rate": None if job.rate is None else round(job.rate, 1),
        "eta_seconds": None if job.eta_seconds is None else round(job.eta_seconds, 1),
        "attempts": job.attempts,
        "warnings": warning_summary(job.warnings, warnings),
        "label": job.options.label,
        "ordered": job.ordered,
        "atomic": job.options.atomic,
        "validate_only": job.options.validate_only,
        "deadline_at": timestamp_or_none(job.deadline_at),
        "links": {call: link(call) for call in calls},
    }


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
