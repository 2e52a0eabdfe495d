"""Paginate lists: an opaque cursor, and a `Link` to the next page (RFC 8288)."""

import base64
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import request, url_for

from app.http.query import Text
from ingest.errors import InvalidParameter

CURSOR = Text(name="cursor", text="as the Link header gives it; the first page has none")


def cursor(place: Any) -> Any:
    """Return the place where the page before ended, from the query parameter `cursor`; None for the first page.

    Args:
        place: type of the place that `next_link` was given; msgspec checks it.

    Raises:
        InvalidParameter: `next_link` made no such cursor.
    """
    text = CURSOR.read()
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)  # the padding is left out, since "=" would be encoded in a query
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=place)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidParameter(CURSOR.name, "cursor must be the one of a Link header of this call, unchanged") from None


def next_link(place: Any) -> dict[str, str]:
    """Return the header that links to the next page of this call.

    Args:
        place: where this page ended.
    """
    text = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
    path = url_for(request.endpoint or "", **(request.view_args or {}))
    return {"Link": f'<{path}?{urlencode({**request.args.to_dict(), CURSOR.name: text})}>; rel="next"'}
