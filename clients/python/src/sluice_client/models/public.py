"""The answers of the public API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sluice_client.models.outcomes import Warnings
from sluice_client.models.shapes import Snake


class RecordedEvent(Snake):
    """An event that was recorded."""

    event_id: str
    event_type: str
    timestamp: datetime
    objects_count: int
    message: str
    success: bool = True
    warnings: Warnings | None = None


class RecordedEvents(Snake):
    """The outcome of a batch of events; `event_ids` are of those that succeeded, in the order sent."""

    success: bool
    processed: int
    failed: int
    event_ids: list[str]
    errors: list[str]
    warnings: Warnings | None = None


class ObjectRow(Snake):
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


class UpsertedObjects(Snake):
    """The outcome of a batch of objects; `objects` are those that succeeded, in the order sent."""

    success: bool
    processed: int
    failed: int
    objects: list[ObjectRow]
    errors: list[str]
    warnings: Warnings | None = None


class StoredObject(Snake):
    """An object as it is stored."""

    object_id: str
    object_type: str
    external_id: str
    properties: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class KeyHealth(Snake):
    """The workspace and the dataset that a key opens."""

    status: str
    workspace_id: str
    workspace_name: str
    dataset_id: str
    dataset_name: str
    api_key_name: str
