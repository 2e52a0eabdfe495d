"""A job, its errors and warnings as the wire shows them (docs/contracts/operator.md section 5)."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import request, url_for

from ingest import ids
from ingest.db.jobs.queue import Place
from ingest.engine.job_shape import INLINE_WARNINGS, fault_of, job_without_errors, warning_list, warning_summary
from ingest.jobs import Effect, ItemError, ItemWarning, Job

__all__ = [
    "INLINE_ERRORS",
    "INLINE_WARNINGS",
    "address",
    "address_of",
    "error_list",
    "fault_of",
    "job_shape",
    "links_of",
    "row_shapes",
    "warning_list",
    "warning_summary",
]

# A job shows at most so many item errors itself; all of them can be paged through.
INLINE_ERRORS = 1_000

_ANY_JOB = "job_any"

# The calls that a job links to, by their names there: in the jobs' blueprint a call's endpoint is its view.
_ENDPOINTS = {"self": "job", "errors": "errors", "warnings": "warnings", "timeline": "timeline", "results": "results"}


def job_shape(job: Job, place: Place, errors: list[ItemError], warnings: list[ItemWarning]) -> dict[str, Any]:
    """Return the job as docs/contracts/operator.md section 5 shows it; the members from `total` on are additions.

    Args:
        job: with all that it shows (`ingest.db.jobs.lookup`).
        place: in the queue.
        errors: at most INLINE_ERRORS.
        warnings: at most INLINE_WARNINGS.
    """
    members = job_without_errors(job, warnings, links_of(job), place)
    members["output"]["errors"] = error_list(errors)
    truncated = len(errors) < job.effects[Effect.FAILED]
    return {**members, "errors_truncated": truncated, "family": family_shape(job)}


def family_shape(job: Job) -> dict[str, Any] | None:
    """Return the net result of a job and those that descend from it by retries (docs/contracts/jobs.md section 5)."""
    if job.family is None:
        return None
    return {"total": job.total, "effects": {effect.value: count for effect, count in job.family.items()}}


def row_shapes(jobs: Sequence[Job], places: Mapping[UUID, Place]) -> list[dict[str, Any]]:
    """Return jobs as lists show them (docs/contracts/jobs.md section 3): without errors, with a count of warnings.

    Args:
        jobs: with all that they show.
        places: theirs in the queue, by their ids.
    """
    patterns = _patterns(request.script_root, request.blueprints[-1])
    return [job_without_errors(job, None, _links(patterns, job), places[job.id]) for job in jobs]


def links_of(job: Job) -> Callable[[str], str]:
    """Return the paths of a job's calls by their names, under the base path that this request came by."""
    return _links(_patterns(request.script_root, request.blueprints[-1]), job)


def _links(patterns: Mapping[str, str], job: Job) -> Callable[[str], str]:
    spelling = ids.spell(ids.JOB, job.id)
    return lambda call: patterns[call].replace(_ANY_JOB, spelling)


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
            "retryable": error.retryable,
        }
        for error in errors
    ]


def address(job_id: UUID) -> str:
    """Return the path of a job, under the base path that this request came by."""
    return address_of(job_id, "job")


def address_of(job_id: UUID, endpoint: str) -> str:
    """Return the path of a call about a job, by its name in the jobs' blueprint, likewise."""
    # The API's blueprint is the outermost one; the job is mounted beside the blueprint that asks.
    pattern = _pattern(request.script_root, f"{request.blueprints[-1]}.jobs.{endpoint}")
    return pattern.replace(_ANY_JOB, ids.spell(ids.JOB, job_id))


@lru_cache(100)
def _patterns(script_root: str, api: str) -> Mapping[str, str]:
    """Return the paths of all calls that a job links to, for any job: a list would look up some hundreds."""
    return {call: _pattern(script_root, f"{api}.jobs.{endpoint}") for call, endpoint in _ENDPOINTS.items()}


@lru_cache(100)
def _pattern(script_root: str, endpoint: str) -> str:  # noqa: ARG001 # the same endpoint is elsewhere under another root
    """Return the path of an endpoint for any job: to build it costs more than most that a request does."""
    return url_for(endpoint, job_id=_ANY_JOB)
