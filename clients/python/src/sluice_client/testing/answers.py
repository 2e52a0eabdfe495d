"""The fake server's answers, and the bodies that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx2
import msgspec

from sluice_client.testing.parameters import elsewhere
from sluice_client.testing.rules import Refused
from sluice_client.values import exact_json

DECODE = msgspec.json.Decoder(float_hook=Decimal).decode
_LINES, _JSON = "application/x-ndjson", "application/json"


def items_of(request: httpx2.Request) -> list[tuple[Any, int | None]]:
    """Return the items of a body, each with the number of its line."""
    content_type = request.headers["Content-Type"]
    if content_type == _JSON:
        items: list[tuple[Any, int | None]] = [(item, None) for item in DECODE(request.content)]
    elif content_type == _LINES:
        lines = enumerate(request.content.split(b"\n"), 1)
        items = [(_line(line), number) for number, line in lines if line.strip()]
    else:
        raise elsewhere(f"batches of {content_type}")
    if not items:
        raise Refused(400, "INVALID_INPUT", "The body holds no item")
    return items


def _line(line: bytes) -> Any:
    try:
        return DECODE(line)
    except msgspec.DecodeError:
        return Refused(400, "INVALID_JSON", "The line is not valid JSON")


def item_error(index: int, line: int | None, item: Any, refused: Refused) -> dict[str, Any]:
    """Return the error of an item, with the item."""
    external_id = item.get("externalId") if isinstance(item, dict) else None
    named = external_id if isinstance(external_id, str) else None
    told = {"index": index, "line": line, "externalId": named, "code": refused.code, "message": refused.message}
    sent = None if isinstance(item, Refused) else item
    return {**told, "field": None, "retryable": refused.code == "NOT_FOUND", "item": sent}


def without_item(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error as lists show it unless they are asked for items."""
    return {name: value for name, value in error.items() if name != "item"}


def capabilities(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of `GET /capabilities`."""
    return {
        "kinds": ["entities", "events", "states"],
        "limits": limits,
        "rates": {},
        "formats": [{"form": "array", "contentTypes": [_JSON]}, {"form": "lines", "contentTypes": [_LINES]}],
        "contentCodings": ["identity"],
        "contentDigests": [],
        "modes": ["replace", "merge"],
        "preferences": {"wait": 30, "handling": ["strict", "lenient"]},
        "uploads": {"kinds": [], "contentTypes": [], "contentCodings": []},
        "webhooks": {"events": [], "available": False, "privateAddresses": False},
        "parameters": [],
    }


def success(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    """Return an answer with data."""
    body = exact_json({"success": True, "data": data})
    return httpx2.Response(status, content=body, headers={"Content-Type": _JSON, **(headers or {})})


def refusal(status: int, code: str, message: str, headers: Mapping[str, str]) -> httpx2.Response:
    """Return an answer with an error."""
    error = {"code": code, "message": message, "docs": f"/docs/errors/{code}"}
    body = msgspec.json.encode({"success": False, "error": error})
    return httpx2.Response(status, content=body, headers={"Content-Type": _JSON, **headers})


def page(rows: list[Any], query: dict[str, str]) -> httpx2.Response:
    """Return a page of a list; the cursor of a page is the place of its first row."""
    first, most = int(query.get("cursor", 0)), int(query.get("limit", 50))
    more = {"Link": f'</page?cursor={first + most}>; rel="next"'} if len(rows) > first + most else {}
    return success(rows[first : first + most], 200, more)
