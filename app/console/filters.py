"""The filters of the list of jobs: read from an address, and spelled into one, so that every view has its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from werkzeug.datastructures import MultiDict

from ingest import ids
from ingest.db.connection.pool import Connection
from ingest.db.jobs import durations
from ingest.db.jobs.durations import Median
from ingest.db.jobs.listing import JobFilter
from ingest.engine.kinds import JOB_TYPES
from ingest.errors import InvalidParameter, NotFound
from ingest.jobs import LONGEST_LABEL, JobState

STATES = tuple(state for state in JobState if state is not JobState.RECEIVING)
_ERRORS = {"": None, "any": True, "none": False}
OPEN = tuple(state for state in STATES if not state.ended)

# A job is slow once it has been open for so many times the median of its kind; one that is paused is not.
SLOW_TIMES = 10
_MAY_BE_SLOW = (JobState.PENDING, JobState.PROCESSING)

_MOMENTS = ("accepted_after", "accepted_before", "ended_after", "ended_before")


@dataclass(frozen=True, slots=True)
class Filters:
    """The jobs that a list shows: those that pass all of these, each named as in the address.

    Attributes:
        errors: `any`: an item has failed; `none`: none has, so far; empty: either.
        accepted_after: at that timestamp or later; the other timestamps likewise. A job that is open has not ended.
        slow: open for far longer than others of its kind take.
        before: only jobs behind this one in the list.
        tenant: the public id, where an operator looks at one.
    """

    state: tuple[JobState, ...] = ()
    errors: str = ""
    kind: str = ""
    label: str = ""
    accepted_after: datetime | None = None
    accepted_before: datetime | None = None
    ended_after: datetime | None = None
    ended_before: datetime | None = None
    slow: bool = False
    before: UUID | None = None
    tenant: str = ""

    @property
    def are_set(self) -> bool:
        """True if some jobs may be hidden by them."""
        return replace(self, before=None, tenant="") != Filters()

    def as_job_filter(self, medians: Mapping[str, Median]) -> JobFilter:
        """Return them as `ingest.db.jobs.listing` takes them.

        Args:
            medians: those of the kinds (`medians`).
        """
        return JobFilter(
            statuses=self.state or (_MAY_BE_SLOW if self.slow else ()),
            kinds=(self.kind,) if self.kind else (),
            label=self.label or None,
            created_after=self.accepted_after,
            created_before=self.accepted_before,
            ended_after=self.ended_after,
            ended_before=self.ended_before,
            created_before_by_kind=_slow_since(medians) if self.slow else None,
            has_errors=_ERRORS[self.errors],
        )

    def medians(self, conn: Connection, tenant_id: int | None) -> dict[str, Median]:
        """Return the medians that tell which jobs are slow; none where that is not asked."""
        return durations.medians(conn, tenant_id, JOB_TYPES) if self.slow else {}

    def query(self, **changes: Any) -> str:
        """Return them as the query of an address, `?` included, some of them changed; empty where none is set."""
        spelled = urlencode(list(_spelled(replace(self, **changes))))
        return f"?{spelled}" if spelled else ""


def _slow_since(medians: Mapping[str, Median]) -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {kind: now - SLOW_TIMES * median.time for kind, median in medians.items()}


def _spelled(filters: Filters) -> Iterator[tuple[str, str]]:
    if filters.state:
        yield "state", ",".join(filters.state)
    for name in ("errors", "kind", "label", "tenant"):
        if value := getattr(filters, name):
            yield name, value
    if filters.slow:
        yield "slow", "yes"
    for name in _MOMENTS:
        if timestamp := getattr(filters, name):
            yield name, timestamp.strftime("%Y-%m-%dT%H:%M:%SZ")
    if filters.before is not None:
        yield "before", ids.spell(ids.JOB, filters.before)


def read(values: MultiDict[str, str] | None = None) -> Filters:
    """Return the filters of this request's address, or of a form.

    Raises:
        InvalidParameter: one has no such value.
    """
    sent = request.args if values is None else values
    words = [word for text in sent.getlist("state") for word in text.split(",") if word]
    kind, label, errors, slow = (sent.get(name, "") for name in ("kind", "label", "errors", "slow"))
    if kind and kind not in JOB_TYPES:
        raise InvalidParameter("kind", f"kind must be one of {', '.join(JOB_TYPES)}")
    if errors not in _ERRORS:
        raise InvalidParameter("errors", "errors must be any or none, or be left out")
    if slow not in {"", "yes"}:
        raise InvalidParameter("slow", "slow must be yes, or be left out")
    if slow and not {*words}.issubset(_MAY_BE_SLOW):
        raise InvalidParameter("slow", f"slow jobs are {' or '.join(_MAY_BE_SLOW)}: leave out the other states")
    if len(label) > LONGEST_LABEL or "\0" in label:
        raise InvalidParameter("label", f"label has at most {LONGEST_LABEL} characters, none of them NUL")
    return Filters(
        state=tuple(_state(word) for word in dict.fromkeys(words)),
        errors=errors,
        kind=kind,
        label=label,
        **{name: _moment(name, sent) for name in _MOMENTS},
        slow=bool(slow),
        before=_job(sent.get("before", "")),
        tenant=sent.get("tenant", ""),
    )


def _state(word: str) -> JobState:
    if word not in STATES:
        raise InvalidParameter("state", f"state must be some of {', '.join(STATES)}")
    return JobState(word)


def _moment(name: str, sent: MultiDict[str, str]) -> datetime | None:
    """Return a timestamp; browsers send what was typed into a field without a zone, and pages show UTC."""
    text = sent.get(name, "")
    if not text:
        return None
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidParameter(name, f"{name} must be a time, as in 2026-04-06T12:00Z") from None
    return timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp.astimezone(UTC)


def _job(text: str) -> UUID | None:
    try:
        return ids.parse(ids.JOB, text) if text else None
    except NotFound:
        raise InvalidParameter("before", "before must be the id of a job, such as job_0198…") from None
