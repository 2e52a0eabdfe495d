"""The tenant's own: templates, settings, keys, and the log of their changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluice_client.models.shapes import Camel, Snake


class Template(Snake):
    """A template; `schema` is as docs/contracts/templates.md says."""

    id: str
    name: str
    version: str
    schema: dict[str, Any]
    created_at: datetime


class ChosenTemplate(Snake):
    """The template that checks the tenant's items."""

    id: str
    name: str
    version: str


class Settings(Camel):
    """The tenant's settings."""

    template: ChosenTemplate | None = None
    data_retention_days: int | None = None
    retention_policy: dict[str, Any] | None = None
    batch_wait_seconds: int = 0


class Key(Camel):
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


class Actor(Snake):
    """The key or the command that changed something."""

    kind: str
    id: str
    label: str


class Changed(Snake):
    """The object of a change."""

    kind: str
    id: str


class AuditEntry(Camel):
    """A change of what is the tenant's."""

    id: int
    at: datetime
    actor: Actor
    action: str
    object: Changed
    details: dict[str, Any]
    request_id: str | None = None
