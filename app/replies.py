"""Replies: JSON in which stored documents stand as the text that the database gave, numbers exact."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Response


def as_json(value: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A reply with a JSON body, which no cache may keep: it holds a tenant's data, or one of its keys.

    Args:
        value: what msgspec can encode; `msgspec.Raw` stands for a JSON text that is copied as it is.
        status: of HTTP.
        headers: further ones.
    """
    response = Response(msgspec.json.encode(value), status, headers, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def document(text: str) -> msgspec.Raw:
    """A stored JSON text, for use in a reply."""
    return msgspec.Raw(text.encode())


def moment(time: datetime) -> str:
    """A time as it goes out: ISO 8601, UTC, milliseconds, `Z` (contracts/operator.md section 1)."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def moment_or_none(time: datetime | None) -> str | None:
    """Likewise, where there may be none yet."""
    return None if time is None else moment(time)
