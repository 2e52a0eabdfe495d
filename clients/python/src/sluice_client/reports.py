"""Events, progress and report of a load."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sluice_client.models import ItemError, JobInfo

_KEPT = 10_000


class Accepted(NamedTuple):
    """A batch is stored by the server, as a job.

    Attributes:
        job_id: of the job.
        first: the index of its first item in the load.
        items: how many it has.
        callback_secret: `whsec_…`, which signs the messages to its `callback`; None without one. It is shown this once.
    """

    job_id: str
    first: int
    items: int
    callback_secret: str | None = None

    def __repr__(self) -> str:
        return f"Accepted(job_id={self.job_id!r}, first={self.first}, items={self.items})"


class ItemFailed(NamedTuple):
    """An item was refused: `error.item` is the caller's own object, `error.index` its place in the load."""

    error: ItemError


class JobEnded(NamedTuple):
    """A job of the load has ended."""

    job: JobInfo


class PartSent(NamedTuple):
    """A part of a file has arrived, from 1; it is `skipped` if an earlier load had sent it."""

    part: int
    bytes: int
    items: int
    skipped: bool


LoadEvent = Accepted | ItemFailed | JobEnded | PartSent


class Progress(NamedTuple):
    """The state of a load.

    Attributes:
        sent: items that the server has accepted.
        processed: items whose job has ended.
        failed: of these.
        seconds: since the load began.
    """

    sent: int
    processed: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Processed items a second."""
        return self.processed / self.seconds if self.seconds else 0.0


@dataclass
class Report:
    """The outcome of a load; the six counts sum to `total`.

    Attributes:
        accepted: items that the server has stored, as jobs: so many from the first of the source on.
        total: of these, items whose job has ended.
        errors: the first 10,000 items that were refused; `failed` counts all.
        codes: the count of all refused items by their code.
        jobs: ids of the load's jobs, in the order of their items.
        unfinished: of these, jobs that failed or were cancelled.
        stopped: more items failed than `max_errors` allows, so that the load sent nothing more.
        callback_secrets: of jobs with a `callback`, by their ids.
        seconds: from the beginning of the load to its end.
    """

    accepted: int = 0
    total: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    failed: int = 0
    unprocessed: int = 0
    errors: list[ItemError] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)
    unfinished: list[JobInfo] = field(default_factory=list)
    stopped: bool = False
    callback_secrets: dict[str, str] = field(default_factory=dict, repr=False)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True if every item was taken."""
        return not (self.failed or self.unfinished or self.stopped)

    def add(self, event: LoadEvent) -> None:
        """Count an event of a load."""
        if isinstance(event, Accepted):
            self.accepted += event.items
            self.jobs.append(event.job_id)
            if event.callback_secret is not None:
                self.callback_secrets[event.job_id] = event.callback_secret
        elif isinstance(event, ItemFailed):
            self.codes[event.error.code] += 1
            if len(self.errors) < _KEPT:
                self.errors.append(event.error)
        elif isinstance(event, JobEnded):
            self._add_ended(event.job)

    def _add_ended(self, job: JobInfo) -> None:
        effects: Any = job.effects
        self.total += job.total
        for effect in ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed"):
            setattr(self, effect, getattr(self, effect) + getattr(effects, effect))
        if job.status != "completed":
            self.unfinished.append(job)
