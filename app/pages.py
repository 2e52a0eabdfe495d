"""Query parameters, and lists in pages: a limit, an opaque cursor, and a `Link` to the next page (RFC 8288)."""

import base64
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import request, url_for

from ingest.errors import InvalidParameter

_MOST_DIGITS = 9


def limit(default: int, most: int) -> int:
    """The query parameter `limit`: how many entries a page has at most.

    Args:
        default: where it is absent.
        most: the largest that is taken.

    Raises:
        InvalidParameter: it is no whole number from 1 to `most`.
    """
    text = request.args.get("limit", str(default))
    good = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and 1 <= int(text) <= most
    if not good:
        raise InvalidParameter("limit", f"limit must be a whole number from 1 to {most}")
    return int(text)


def choice(name: str, default: str, *others: str) -> str:
    """A query parameter that takes one of a few words.

    Raises:
        InvalidParameter: it is another word.
    """
    word = request.args.get(name, default)
    if word not in {default, *others}:
        raise InvalidParameter(name, f"{name} must be {' or '.join([default, *others])}")
    return word


def cursor(place: Any) -> Any:
    """The query parameter `cursor`: the place where the page before ended; None for the first page.

    Args:
        place: what `next_link` was given, as a type that msgspec can check.

    Raises:
        InvalidParameter: it is not one that `next_link` made.
    """
    text = request.args.get("cursor")
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)  # the padding is left out, since "=" would be encoded in a query
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=place)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidParameter("cursor", "cursor must be the one of a Link header of this call, unchanged") from None


def next_link(place: Any) -> dict[str, str]:
    """The header that leads to the next page of this call.

    Args:
        place: where this page ended.
    """
    text = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
    path = url_for(request.endpoint or "", **(request.view_args or {}))
    return {"Link": f'<{path}?{urlencode({**request.args.to_dict(), "cursor": text})}>; rel="next"'}
