"""The page at `/`: what answers here, and where to read on. Plain text, or HTML for browsers."""

from html import escape

from flask import Blueprint, Response, request

from app.http.shapes import ERROR_PAGES

bp = Blueprint("front", __name__)

_TITLE = "Sluice: batches of entities, events and states, as jobs to poll"
_ADDRESSES = {
    "guide/": "how to use it, to run it, and how it works, where this guide is built",
    "docs": "every call, with its fields and answers",
    ERROR_PAGES.removeprefix("/"): "every error code: its cause, and what to do",
    "openapi.json": "the calls for programs (OpenAPI 3.1)",
    "healthz": "this process answers",
    "readyz": "so do the database and the broker",
}
_CALLS = (
    "POST batches to /operator-data-api/batch/{entities|events|states} or, for the public API, to /v1/event/batch and "
    "/v1/object/batch, each with a key: Authorization: Bearer ..."
)
_TEXT = "\n".join(
    [_TITLE, "", *(f"  /{address:<13} {what}" for address, what in _ADDRESSES.items()), "", _CALLS, ""],
)
_LINKS = [f'<li><a href="{address}">/{address}</a>: {escape(what)}</li>' for address, what in _ADDRESSES.items()]
_HTML = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sluice</title>
<h1>Sluice</h1>
<p>{escape(_TITLE.partition(": ")[2]).capitalize()}.</p>
<ul>
{"".join(_LINKS)}
</ul>
<p>{escape(_CALLS)}</p>
</html>
"""


@bp.get("/")
def show() -> Response:
    """Answer with the page, in the form that the client likes best."""
    html = request.accept_mimetypes.best_match(["text/plain", "text/html"]) == "text/html"
    response = Response(_HTML if html else _TEXT, content_type=f"text/{'html' if html else 'plain'}; charset=utf-8")
    response.headers["Vary"] = "Accept"
    return response
