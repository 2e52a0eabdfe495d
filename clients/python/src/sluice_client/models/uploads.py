"""Uploads in parts."""

from __future__ import annotations

from datetime import datetime

from sluice_client.models.shapes import Camel


class CreatedUpload(Camel):
    """An upload that has just begun."""

    upload_id: str
    part_max_bytes: int
    expires_at: datetime
    callback_secret: str | None = None


class UploadedPart(Camel):
    """A part that has arrived; `digest` is `sha-256=:…:` of its bytes as they were sent."""

    part: int
    items: int
    bytes: int
    digest: str


class Upload(Camel):
    """An upload, `open` or `completed`, and its parts so far."""

    upload_id: str
    kind: str
    content_type: str
    content_encoding: str
    status: str
    parts: list[UploadedPart]
    expires_at: datetime | None = None
    job_id: str | None = None
