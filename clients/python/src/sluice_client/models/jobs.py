"""Jobs, and the counts of their items."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sluice_client.models.outcomes import ItemError, Warnings
from sluice_client.models.shapes import Camel, Snake


class Fault(Snake):
    """The reason why a job could not be carried out."""

    code: str
    message: str


class Effects(Snake):
    """The count of items by their effect; the sum is the job's `total`."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    failed: int = 0
    unprocessed: int = 0


class Family(Snake):
    """The net result of a job and of the jobs that sent items of it again."""

    total: int
    effects: Effects


class Output(Snake):
    """The counts of a job's items, and at most 1,000 of its errors; lists of jobs leave the errors out."""

    succeeded: int = 0
    failed: int = 0
    errors: list[ItemError] = []


class JobInfo(Snake):
    """A job as the server showed it last.

    Attributes:
        status: `pending`, `processing`, `paused`, `completed`, `failed` or `cancelled`.
        progress: whole percent; 100 only if it is completed.
        rate: items a second.
        queue_ahead: items that will be run before it; None once it has begun.
    """

    id: str
    type: str
    status: str
    progress: int
    created_at: datetime
    total: int = 0
    processed: int = 0
    effects: Effects = msgspec.field(default_factory=Effects)
    output: Output = msgspec.field(default_factory=Output)
    error: Fault | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    finished_in_seconds: float | None = None
    deadline_at: datetime | None = None
    rate: float | None = None
    eta_seconds: float | None = None
    queue_ahead: int | None = None
    blocked_by: str | None = None
    attempts: int = 0
    label: str | None = None
    ordered: bool = True
    atomic: bool = False
    validate_only: bool = False
    parent_job_id: str | None = None
    retried_by: list[str] = []
    family: Family | None = None
    errors_truncated: bool = False
    warnings: Warnings = msgspec.field(default_factory=Warnings)
    links: dict[str, str] = {}

    @property
    def ended(self) -> bool:
        """True if the job will never change again."""
        return self.status in {"completed", "failed", "cancelled"}


class SeenJob(Camel):
    """A job as a batch call answers with it."""

    job_id: str
    status: str
    progress: int = 0
    succeeded: int = 0
    failed: int = 0
    errors: list[ItemError] = []
    error: Fault | None = None
    warnings: Warnings | None = None
    callback_secret: str | None = None


class TimelineEntry(Snake):
    """An event in the life of a job; `by` is the label of a key, `command` or `sweeper`."""

    at: datetime
    what: str
    by: str | None = None
    detail: str | None = None
