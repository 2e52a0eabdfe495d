"""Entities, events and states: as a call wrote one, and as they are stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluice_client.models.outcomes import Warnings
from sluice_client.models.shapes import Camel


class WrittenEntity(Camel):
    """An entity that was `created`, `updated` or `unchanged`."""

    id: str
    external_id: str
    entity_type: str
    action: str
    warnings: Warnings | None = None


class StoredEntity(Camel):
    """An entity as it is stored."""

    id: str
    entity_type: str
    external_id: str
    data: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class WrittenEvent(Camel):
    """An event that was appended; `action` is `duplicate` if it was there already."""

    id: str
    action: str | None = None
    warnings: Warnings | None = None


class StoredEvent(Camel):
    """An event as it is stored."""

    id: str
    event_type: str
    data: dict[str, Any]
    timestamp: datetime
    created_at: datetime


class StoredState(Camel):
    """A state; one that was just set has no `updated_at`."""

    state_key: str
    value: Any
    updated_at: datetime | None = None
