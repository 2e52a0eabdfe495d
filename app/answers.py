"""Answers to a batch call, in the shapes that both APIs share (docs/contracts/operator.md section 4)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.http import prefer
from app.http.prefer import Preference
from app.jobs import shape
from app.waiting import Ended
from ingest import ids
from ingest.jobs import Effect, ItemError, Job, JobState

_RETRY_AFTER_SECONDS = "1"


def accepted(job_id: UUID) -> dict[str, Any]:
    """Return the answer for a job that has just been stored."""
    return {
        "jobId": ids.spell(ids.JOB, job_id),
        "status": JobState.PENDING,
        "progress": 0,
        "succeeded": 0,
        "failed": 0,
        "errors": [],
    }


def under_way(job: Job, errors: list[ItemError]) -> dict[str, Any]:
    """Return the answer for a job as it stands.

    Args:
        job: it may have ended.
        errors: of its items, at most INLINE_ERRORS.
    """
    return {
        "jobId": ids.spell(ids.JOB, job.id),
        "status": job.status,
        "progress": job.progress,
        "succeeded": job.succeeded,
        "failed": job.effects[Effect.FAILED],
        "errors": shape.error_list(errors),
    }


def ended(outcome: Ended) -> dict[str, Any]:
    """Return the answer for a job that ended while its request waited."""
    job = outcome.job
    data = under_way(job, outcome.errors)
    # Beyond the contract's fields there is only what the client would else not know.
    if job.warnings:
        data["warnings"] = shape.warning_summary(job.warnings, outcome.warnings)
    return data if job.status is JobState.COMPLETED else {**data, "error": shape.fault_of(job)}


def headers_of_ended(preference: Preference) -> dict[str, str]:
    """Return the headers that go with a job that has ended: which preferences were honoured."""
    return prefer.applied(wait=preference.wait or None, handling=preference.handling)


def headers_of_accepted(job_id: UUID, preference: Preference) -> Mapping[str, str]:
    """Return the headers that go with any other job: where it is, when to look, which preferences were honoured."""
    told = prefer.applied(respond_async="" if preference.respond_async else None, handling=preference.handling)
    return {"Location": shape.address(job_id), "Retry-After": _RETRY_AFTER_SECONDS, **told}
