"""Jobs: one accepted batch each, its states, and what became of its items. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

# A job keeps at most so many warnings, and counts all: more would help no sender, and a batch may bring millions.
MOST_WARNINGS_KEPT = 10_000

# A trial keeps at most so many errors of each kind of rows, and counts all: there may be a hundred million rows.
MOST_TRIAL_ERRORS_KEPT = 10_000

# The kind of a job whose items are rows that its tenant has stored: it judges them by a schema, and changes nothing.
TRIAL = "trial"

# The most characters of a job's label.
LONGEST_LABEL = 200

# The most bytes of an atomic job, decoded: its transaction holds locks and a snapshot for as long as all of it takes.
MOST_ATOMIC_BYTES = 64 * 1024**2


class JobState(StrEnum):
    """The state of a job (docs/contracts/operator.md section 5). A row moves down this list, and up by a resume alone.

    Attributes:
        RECEIVING: its body is still arriving: nothing of it runs, and no call shows it. The request that reads the body
            moves it in and out; if that request dies, the sweeper removes the job. An upload's job is moved in by the
            request that begins the upload, and out by the one that completes it.
        PENDING: stored, not begun. The request that accepts the batch moves it in; the first delivery moves it out.
        PROCESSING: a worker, or sweep, has begun it. The first delivery moves it in; one of the three ends, out.
        PAUSED: no worker begins a further block of it. A client or a person moves it in, from either state above, and
            back by a resume. A block that was under way may complete it.
        COMPLETED: every item has an outcome, failed ones included. The closing of its last block moves it in.
        FAILED: it could not run, or not as its client wished. Sweep moves it in past a deadline, the executor where it
            is unrunnable, the closing of a block where too many items have failed, the executor an atomic one where any
            has failed.
        CANCELLED: a client or a person ended it. What was done before stands and is counted.
    """

    RECEIVING = "receiving"
    PENDING = "pending"
    PROCESSING = "processing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True if a job never leaves this state."""
        return self in {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}


# The kinds of earlier jobs of its tenant that an ordered job waits for, by its own kind: docs/contracts/operator.md
# section 4, "Order between jobs". An event of the public API merges the objects that it names, as an object does.
WAITS_FOR: Mapping[str, tuple[str, ...]] = {
    "entities": ("entities",),
    "events": ("entities",),
    "states": ("entities", "states"),
    "objects": ("objects", "object_events"),
    "object_events": ("objects", "object_events"),
}


class Effect(StrEnum):
    """The effect of one item; a job counts each item under exactly one.

    Attributes:
        CREATED: a row that was not there before, or was deleted, is there now.
        UPDATED: a row that was there has changed.
        UNCHANGED: a row that was there already said the same.
        DUPLICATE: an event whose id, as its sender gave it, the tenant has stored already; it is not stored again.
        FAILED: refused, with an error; nothing of it is stored.
        UNPROCESSED: not yet looked at; or never, where the job ended before.
    """

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    UNPROCESSED = "unprocessed"


ITEM_ERROR_CODES = (
    "VALIDATION_FAILED",
    "INVALID_JSON",
    "UNKNOWN_FIELD",
    "ITEM_TOO_LARGE",
    "NOT_FOUND",
    "TOO_LARGE",
    "WRITE_FAILED",
    "SECRET_UNREADABLE",
)

WARNING_CODES = ("UNKNOWN_FIELD", "PAST_RETENTION")

# Of the `error` of a failed job; the statement that fails it has the code.
JOB_ERROR_CODES = (
    "TOO_MANY_ERRORS",
    "DEADLINE_EXCEEDED",
    "ATOMIC_ABORTED",
    "PREDECESSOR_FAILED",
    "JOB_UNRUNNABLE",
    "JOB_DEADLINE",
)


@dataclass(frozen=True, slots=True)
class ItemError:
    """The reason why one item was refused.

    Attributes:
        index: 0-based, in the whole batch.
        external_id: the item's, where one could be read.
        code: one of ITEM_ERROR_CODES.
        message: what is wrong, and with which field.
        line: the number of its line in the body, from 1; None where the body has no lines.
        malformed: the item is not of the call's shape, as against its template's; a single call answers the two apart.
        field: the way to the first fault, a JSON Pointer (RFC 6901) into the item; None where that is the item itself.
        item: its text as it was sent, be it JSON or not; None where that is not asked for, or was too large to be kept.
        patched: a retry has patched the item, so that its text is JSON, though its job may have come as CSV; None where
            that is not known, as of errors of before this was kept.
        sealed: the text is encrypted (`ingest.engine.sealing`).
    """

    index: int
    external_id: str | None
    code: str
    message: str
    line: int | None = None
    malformed: bool = False
    field: str | None = None
    item: bytes | None = None
    patched: bool | None = None
    sealed: bool = False

    @property
    def retryable(self) -> bool:
        """True if the same item may be taken when it comes again, since what it names may be there by then."""
        return self.code == "NOT_FOUND"


@dataclass(frozen=True, slots=True)
class ItemWarning:
    """A warning for the sender of an accepted item.

    Attributes:
        index: 0-based, in the whole batch.
        code: one of WARNING_CODES.
        message: what it is about, and what becomes of it.
        field: a JSON Pointer (RFC 6901) into the item.
        line: as of an error.
    """

    index: int
    code: str
    message: str
    field: str | None
    line: int | None = None


class CsvFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The way from a row of CSV to an item (docs/contracts/jobs.md section 1).

    Attributes:
        header: the header row as it was sent, without its line end; empty until it has been read.
        delimiter: one character.
        empty: what an empty cell means: `absent`, `null` or `string`.
        constants: members that have one value in all rows, and those values.
        has_data: each item has `data`, if none of its columns then as an empty object.
    """

    header: str = ""
    delimiter: str = ","
    empty: str = "absent"
    constants: tuple[tuple[str, str], ...] = ()
    has_data: bool = True


class Callback(msgspec.Struct, frozen=True):
    """A webhook for one job alone.

    Attributes:
        url: where it is.
        secret: encrypted (`ingest.crypto`).
    """

    url: str
    secret: str


# Of a job that commits one whose items were picked from another.
VALIDATED = "validated"


class JobOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Wishes that few requests have for their job (docs/contracts/jobs.md section 1); kept as one column.

    Attributes:
        label: the client's own name for the job, 1 to 200 characters.
        max_errors: with more failed items than that, the job fails.
        deadline_seconds: not ended so long after it was accepted, the job fails.
        atomic: all of its items are written, or none.
        validate_only: its items are checked and their effects predicted, and nothing is written.
        keep_results: index, effect and id of each item that is taken can be read afterwards; None: as its kind has it.
        csv: the way to read its items; None where they came as JSON.
        callback: is told of its end; None where nobody is.
        picked: its items are those of another job which had this effect there, or VALIDATED where it commits such a
            job; None: they are all of a batch.
    """

    label: str | None = None
    max_errors: int | None = None
    deadline_seconds: int | None = None
    atomic: bool = False
    validate_only: bool = False
    keep_results: bool | None = None
    csv: CsvFormat | None = None
    callback: Callback | None = None
    picked: str | None = None


NO_OPTIONS = JobOptions()


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands in its row.

    Attributes:
        kind: a name of the table of kinds, or TRIAL.
        merge: entities: merge top-level fields instead of replacing them all.
        effects: a count each; they sum to `total`.
        after_job_id: the job that must have ended before this one begins.
        after_any: it begins whatever became of that one; otherwise only where that one has completed.
        ordered: it takes effect after the earlier jobs that WAITS_FOR names, and its blocks in their order.
        attempts: deliveries that found work, the first included.
        strict: members that an item should not have are errors, as against warnings.
        warnings: how many there are of the items that were taken.
        options: what few jobs have.
        deadline_at: if it has not ended by then, it fails.
        error_code: why it failed, where it did; likewise `error_message`.
        seq: its place among all jobs, in the order in which they were accepted; 0 where it was not read.
        parent_job_id: the job of which it sends items again.
        retried_by: the jobs that do so with its own items, in the order in which they were made; empty where they were
            not read.
        family: how many items have each effect as their newest one, here or in a job that descends from this one; None
            where there is none, or it was not read.
        traceparent: names the span of its request (W3C Trace Context); None where web did not trace.
    """

    id: UUID
    tenant_id: int
    kind: str
    merge: bool
    template_id: int | None
    after_job_id: UUID | None
    after_any: bool
    ordered: bool
    request_id: str
    awaited: bool
    status: JobState
    total: int
    effects: Mapping[Effect, int]
    attempts: int
    error_code: str | None
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    progressed_at: datetime
    ended_at: datetime | None
    strict: bool = False
    warnings: int = 0
    options: JobOptions = NO_OPTIONS
    deadline_at: datetime | None = None
    seq: int = 0
    parent_job_id: UUID | None = None
    retried_by: Sequence[UUID] = ()
    family: Mapping[Effect, int] | None = None
    traceparent: str | None = None

    @property
    def in_order(self) -> bool:
        """True if its blocks are run one after the other, from the first one on."""
        return self.ordered or self.options.atomic

    @property
    def processed(self) -> int:
        """Items with an outcome."""
        return self.total - self.effects[Effect.UNPROCESSED]

    @property
    def succeeded(self) -> int:
        """Items with a good outcome."""
        return self.processed - self.effects[Effect.FAILED]

    @property
    def progress(self) -> int:
        """Whole percent of items with an outcome; 100 only in COMPLETED."""
        return 100 * self.processed // self.total if self.total else 100  # a trial may find no row at all

    @property
    def finished_in_seconds(self) -> float | None:
        """Seconds from its acceptance to its end; None before that."""
        return None if self.ended_at is None else (self.ended_at - self.created_at).total_seconds()

    @property
    def rate(self) -> float | None:
        """Items a second from its begin to its last progress; None before there is any."""
        if self.started_at is None or not self.processed:
            return None
        seconds = (self.progressed_at - self.started_at).total_seconds()
        return self.processed / seconds if seconds > 0 else None

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to its end at the present rate; 0 when it has ended, None while nothing can be said."""
        if self.status.ended:
            return 0.0
        if self.status is JobState.PAUSED:
            return None
        return self.effects[Effect.UNPROCESSED] / self.rate if self.rate else None
