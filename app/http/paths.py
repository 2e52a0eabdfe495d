"""Paths: ids may hold anything, a slash included, so a path is taken apart before its parts are decoded.

WSGI servers decode PATH_INFO, in which `a%2Fb` and `a/b` are one; what the client sent still stands in RAW_URI.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit

from flask import Flask
from werkzeug.exceptions import BadRequest
from werkzeug.routing import BaseConverter

from ingest.items.addresses import UNADDRESSABLE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LONGEST_ID = 500


class EncodedPath:
    """WSGI middleware: routing sees the path as it was sent, with its percent signs; gunicorn lets only ASCII in.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass a request on."""
        environ["PATH_INFO"] = _sent_path(environ)
        return self._app(environ, start_response)


def _sent_path(environ: "WSGIEnvironment") -> str:
    """Return the path of RAW_URI, which in a request that was meant for a proxy has a scheme and a host."""
    uri: str = environ["RAW_URI"]
    path = uri.partition("?")[0].partition("#")[0] if uri.startswith("/") else urlsplit(uri).path
    return path.removeprefix(environ.get("SCRIPT_NAME", ""))


class TextConverter(BaseConverter):
    """One part of a path: any text of 1 to 500 characters, percent-encoded."""

    def to_python(self, value: str) -> str:
        """Decode strictly.

        Raises:
            BadRequest: it is no text, is too long, or could not be stored or addressed.
        """
        try:
            text = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise BadRequest("A part of the path is not percent-encoded UTF-8") from None
        if len(text) > _LONGEST_ID:
            raise BadRequest(f"A part of the path is {len(text)} characters long; the most is {_LONGEST_ID}")
        if "\0" in text:
            raise BadRequest("A part of the path holds a NUL character (%00), which cannot be stored")
        if text in UNADDRESSABLE:
            raise BadRequest('"." and ".." cannot be parts of a path: proxies and clients resolve them')
        return text

    def to_url(self, value: str) -> str:
        """Encode, slashes included."""
        return quote(value, safe="")


def prepare(app: Flask) -> None:
    """Route by encoded paths, and never redirect: a client that follows no redirects must not need to."""
    app.wsgi_app = EncodedPath(app.wsgi_app)  # type: ignore[method-assign] # Flask's documented place for middleware
    app.url_map.converters["text"] = TextConverter
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
