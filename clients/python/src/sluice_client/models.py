"""The server's answers as Python values, one class a shape of its OpenAPI documents.

Members that a newer server adds are ignored, and those that an older one leaves out have their defaults. Times are
aware datetimes; free JSON (`data`, `value`) has its numbers exact, as the client's `numbers` says.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class _Snake(msgspec.Struct, kw_only=True):
    """A shape whose members are spelled as here."""


class _Camel(msgspec.Struct, kw_only=True, rename="camel"):
    """A shape whose members are spelled in camelCase on the wire."""


# Jobs, and the outcomes of their items.


class Fault(_Snake):
    """The reason why a job could not be carried out."""

    code: str
    message: str


class Effects(_Snake):
    """The count of items by their effect; the sum is the job's `total`."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    failed: int = 0
    unprocessed: int = 0


class Family(_Snake):
    """The net result of a job and of the jobs that sent items of it again."""

    total: int
    effects: Effects


class ItemError(_Camel):
    """The reason why one item was refused.

    Attributes:
        index: 0-based; of a load, in the caller's own stream.
        item: the caller's own object, where a load sent it; else as it was sent, if `items=True` asked for it.
        field: a JSON Pointer into the item.
        retryable: the same item may be taken later.
        job_id: of the job that refused it; filled in by loads.
    """

    index: int
    code: str
    message: str
    line: int | None = None
    external_id: str | None = None
    field: str | None = None
    retryable: bool = False
    item: Any = None
    job_id: str = ""

    def __str__(self) -> str:
        named = f" ({self.external_id})" if self.external_id else ""
        return f"item {self.index}{named}: {self.code}: {self.message}"


class ErrorGroup(_Snake):
    """Errors that are alike; `ranges` are the first runs of their indexes."""

    code: str
    message: str
    count: int
    ranges: list[tuple[int, int]]
    sample: ItemError
    field: str | None = None


class ItemWarning(_Snake):
    """A word to the sender of an item that was taken."""

    index: int
    code: str
    message: str
    line: int | None = None
    field: str | None = None


class Warnings(_Snake):
    """The count of a job's warnings, and the first of them."""

    count: int = 0
    first: list[ItemWarning] = []


class Output(_Snake):
    """The counts of a job's items, and at most 1,000 of its errors; lists of jobs leave the errors out."""

    succeeded: int = 0
    failed: int = 0
    errors: list[ItemError] = []


class JobInfo(_Snake):
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


class SeenJob(_Camel):
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


class ItemResult(_Snake):
    """The outcome of an item that was taken; `id` is of what it wrote."""

    index: int
    effect: str
    line: int | None = None
    id: str | None = None


class JobItem(_Snake):
    """The outcome of one item; None stands for what is not kept."""

    index: int
    line: int | None = None
    effect: str | None = None
    id: str | None = None
    error: ItemError | None = None
    warnings: list[ItemWarning] = []


class TimelineEntry(_Snake):
    """An event in the life of a job; `by` is the label of a key, `command` or `sweeper`."""

    at: datetime
    what: str
    by: str | None = None
    detail: str | None = None


# Uploads in parts.


class CreatedUpload(_Camel):
    """An upload that has just begun."""

    upload_id: str
    part_max_bytes: int
    expires_at: datetime
    callback_secret: str | None = None


class UploadedPart(_Camel):
    """A part that has arrived; `digest` is `sha-256=:…:` of its bytes as they were sent."""

    part: int
    items: int
    bytes: int
    digest: str


class Upload(_Camel):
    """An upload, `open` or `completed`, and its parts so far."""

    upload_id: str
    kind: str
    content_type: str
    content_encoding: str
    status: str
    parts: list[UploadedPart]
    expires_at: datetime | None = None
    job_id: str | None = None


# Single writes and reads.


class WrittenEntity(_Camel):
    """An entity that was `created`, `updated` or `unchanged`."""

    id: str
    external_id: str
    entity_type: str
    action: str
    warnings: Warnings | None = None


class StoredEntity(_Camel):
    """An entity as it is stored."""

    id: str
    entity_type: str
    external_id: str
    data: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class WrittenEvent(_Camel):
    """An event that was appended; `action` is `duplicate` if it was there already."""

    id: str
    action: str | None = None
    warnings: Warnings | None = None


class StoredEvent(_Camel):
    """An event as it is stored."""

    id: str
    event_type: str
    data: dict[str, Any]
    timestamp: datetime
    created_at: datetime


class StoredState(_Camel):
    """A state; one that was just set has no `updated_at`."""

    state_key: str
    value: Any
    updated_at: datetime | None = None


# The tenant's own: templates, settings, keys, webhooks, its log, and what the installation can do.


class Template(_Snake):
    """A template; `schema` is as docs/contracts/templates.md says."""

    id: str
    name: str
    version: str
    schema: dict[str, Any]
    created_at: datetime


class ChosenTemplate(_Snake):
    """The template that checks the tenant's items."""

    id: str
    name: str
    version: str


class Settings(_Camel):
    """The tenant's settings."""

    template: ChosenTemplate | None = None
    data_retention_days: int | None = None
    retention_policy: dict[str, Any] | None = None
    batch_wait_seconds: int = 0


class Key(_Camel):
    """A key, without what opens anything."""

    id: str
    label: str
    created_at: datetime
    operator_id: str = ""
    key_hash: str = ""
    last_used_at: datetime | None = None
    revoked: bool = False
    scopes: list[str] = []
    expires_at: datetime | None = None
    addresses: list[str] | None = None
    requests_per_minute: int | None = None


class NewKey(Key, kw_only=True):
    """A key that was just made; `key` is shown this once."""

    key: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r}, label={self.label!r}, key=…)"


class Actor(_Snake):
    """The key or the command that changed something."""

    kind: str
    id: str
    label: str


class Changed(_Snake):
    """The object of a change."""

    kind: str
    id: str


class AuditEntry(_Camel):
    """A change of what is the tenant's."""

    id: int
    at: datetime
    actor: Actor
    action: str
    object: Changed
    details: dict[str, Any]
    request_id: str | None = None


class Webhook(_Camel):
    """A webhook, or the callback of one job (`job_id`)."""

    id: str
    url: str
    events: list[str]
    enabled: bool
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    job_id: str | None = None
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    last_delivered_at: datetime | None = None
    former_secret_until: datetime | None = None


class NewWebhook(Webhook, kw_only=True):
    """A webhook with its secret, `whsec_…`, which is shown this once."""

    secret: str

    def __repr__(self) -> str:
        return f"NewWebhook(id={self.id!r}, url={self.url!r}, secret=…)"


class Attempt(_Camel):
    """A try to deliver a message; `status` is of HTTP, None where no answer came."""

    attempt: int
    started_at: datetime
    status: int | None = None
    milliseconds: int | None = None
    error: str | None = None


class Delivery(_Camel):
    """A message to a webhook: `pending`, `delivered` or `failed`."""

    id: str
    type: str
    status: str
    occurred_at: datetime
    job_id: str | None = None
    next_try_at: datetime | None = None
    attempts: list[Attempt] = []


class Format(_Camel):
    """A form of batch bodies, and its content types."""

    form: str
    content_types: list[str]


class Preferences(_Snake):
    """The values that the header Prefer may have: seconds to wait, and handlings."""

    wait: int
    handling: list[str]


class UploadForms(_Camel):
    """The forms that an upload may have."""

    kinds: list[str]
    content_types: list[str]
    content_codings: list[str]


class WebhookForms(_Camel):
    """The webhooks of an installation."""

    events: list[str]
    available: bool
    private_addresses: bool


class Parameter(_Snake):
    """A parameter of batch calls, and the kinds whose call takes it."""

    name: str
    schema: dict[str, Any]
    description: str
    kinds: list[str]


class Capabilities(_Camel):
    """The limits, formats, codings, parameters and modes of an installation."""

    kinds: list[str]
    limits: dict[str, Any]
    rates: dict[str, str]
    formats: list[Format]
    content_codings: list[str]
    content_digests: list[str]
    modes: list[str]
    preferences: Preferences
    uploads: UploadForms
    webhooks: WebhookForms
    parameters: list[Parameter]


# The public API.


class RecordedEvent(_Snake):
    """An event that was recorded."""

    event_id: str
    event_type: str
    timestamp: datetime
    objects_count: int
    message: str
    success: bool = True
    warnings: Warnings | None = None


class RecordedEvents(_Snake):
    """The outcome of a batch of events; `event_ids` are of those that succeeded, in the order sent."""

    success: bool
    processed: int
    failed: int
    event_ids: list[str]
    errors: list[str]
    warnings: Warnings | None = None


class ObjectRow(_Snake):
    """An object that a batch wrote."""

    object_id: str
    object_type: str
    external_id: str
    created: bool


class UpsertedObject(ObjectRow, kw_only=True):
    """An object that was created or updated."""

    message: str
    success: bool = True
    warnings: Warnings | None = None


class UpsertedObjects(_Snake):
    """The outcome of a batch of objects; `objects` are those that succeeded, in the order sent."""

    success: bool
    processed: int
    failed: int
    objects: list[ObjectRow]
    errors: list[str]
    warnings: Warnings | None = None


class StoredObject(_Snake):
    """An object as it is stored."""

    object_id: str
    object_type: str
    external_id: str
    properties: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class KeyHealth(_Snake):
    """The workspace and the dataset that a key opens."""

    status: str
    workspace_id: str
    workspace_name: str
    dataset_id: str
    dataset_name: str
    api_key_name: str
