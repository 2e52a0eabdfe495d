"""Build JSON responses, in which a stored document is the database's own text, with exact numbers."""

from collections.abc import Callable, Mapping
from typing import Any
from wsgiref.types import WSGIEnvironment

import msgspec
from flask import Response
from werkzeug.datastructures import Headers

from ingest.timestamps import timestamp, timestamp_or_none

# Times are a part of responses, whose views find them here.
__all__ = ["JsonResponse", "Respond", "as_json", "as_text", "document", "timestamp", "timestamp_or_none"]

# An API's way to answer: of data, a status and headers it makes a response in its envelope.
Respond = Callable[[Any, int, Mapping[str, str]], Response]


class JsonResponse(Response):
    """Sends its headers as they are."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:  # noqa: ARG002 # werkzeug passes it
        """Return the headers unchanged: werkzeug would rewrite `Location`, which is right already."""
        return self.headers


def as_json(value: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body, which no cache may keep: it holds a tenant's data, or one of its keys.

    Args:
        value: what msgspec can encode; `msgspec.Raw` stands for a JSON text that is copied as it is.
        status: of HTTP.
        headers: further ones.
    """
    text = msgspec.json.encode(value) + b"\n"  # for terminals: the prompt begins a line of its own
    usual = {"Content-Type": "application/json", "Cache-Control": "no-store", "Content-Length": str(len(text))}
    # Set all headers at once: to set one later makes werkzeug search the others.
    return JsonResponse(text, status, {**usual, **(headers or {})})


def as_nothing(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response without a body.

    Args:
        status: of HTTP, one that has none.
        headers: beside those that every answer has.
    """
    response = JsonResponse(b"", status, {"Cache-Control": "no-store", **(headers or {})})
    del response.headers["Content-Type"]
    return response


def as_text(text: bytes, media: str) -> Response:
    """Return a response with a text of another kind than JSON, which no cache may keep.

    Args:
        text: in UTF-8.
        media: its Content-Type.
    """
    usual = {"Content-Type": media, "Cache-Control": "no-store", "Content-Length": str(len(text))}
    return JsonResponse(text, 200, usual)


def document(text: str) -> msgspec.Raw:
    """Wrap a stored JSON text for use in a response."""
    return msgspec.Raw(text.encode())
