"""Headers of every answer, be it made by a view, by Flask or by gunicorn's worker."""

from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers

from app.http import cors
from app.http.services import services
from ingest.origins import Origins

# Nothing is fetched, run or framed: a page is text and links. A page that needs more sets a policy of its own.
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def follow(app: Flask) -> None:
    """Complete the headers of every answer of the app."""
    cors.follow(app)
    app.after_request(_complete)


def complete(headers: Headers, request_id: str, origins: Origins, origin: str | None) -> None:
    """Add what every answer has.

    No cache may keep an answer (RFC 9111 section 5.2.2.5), unless its view has said otherwise. That holds for jobs too,
    which have an `ETag`: a client keeps the tag itself and sends it back, and their errors name a tenant's ids.

    Args:
        headers: of the answer.
        request_id: names the request in the log.
        origins: whose pages may read the answer in a browser.
        origin: the header `Origin` of the request; None where it had none.
    """
    headers.add("X-Request-Id", request_id)
    # Browsers are to take an answer for what it says it is, and for nothing that it may look like.
    headers.add("X-Content-Type-Options", "nosniff")
    if "Cache-Control" not in headers:
        headers.add("Cache-Control", "no-store")
    if headers.get("Content-Type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", _POLICY)
        headers.setdefault("Referrer-Policy", "no-referrer")  # an address may hold a client's ids
    cors.add_to(headers, origins, origin)


def _complete(response: Response) -> Response:
    complete(response.headers, g.request_id, services().origins, request.headers.get("Origin"))
    return response
