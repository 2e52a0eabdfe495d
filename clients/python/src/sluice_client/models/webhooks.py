"""Webhooks, and the messages to them."""

from __future__ import annotations

from datetime import datetime

from sluice_client.models.shapes import Camel


class Webhook(Camel):
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


class Attempt(Camel):
    """A try to deliver a message; `status` is of HTTP, None where no answer came."""

    attempt: int
    started_at: datetime
    status: int | None = None
    milliseconds: int | None = None
    error: str | None = None


class Delivery(Camel):
    """A message to a webhook: `pending`, `delivered` or `failed`."""

    id: str
    type: str
    status: str
    occurred_at: datetime
    job_id: str | None = None
    next_try_at: datetime | None = None
    attempts: list[Attempt] = []
