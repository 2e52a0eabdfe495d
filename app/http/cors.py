"""Let web pages of other origins call the API from browsers, where `SLUICE_CORS_ORIGINS` names their origins.

The rules are those of the Fetch standard, "CORS protocol". Keys travel in a header, never in a cookie, so no answer
allows credentials. flask-cors takes an IPv6 address for a pattern, leaves `Vary` out where one origin is allowed, and
does not reach the answers that gunicorn's worker makes without Flask; hence these lines in its place.
"""

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from app.http.responses import as_nothing
from app.http.services import services
from ingest.origins import ANY, Origins

# Headers of answers that scripts may read, beside those that the standard lets them read, such as Content-Type. A test
# holds them to what answers have.
EXPOSED = (
    *("X-Request-Id", "Location", "Link", "ETag", "Retry-After", "Allow", "Accept-Encoding", "WWW-Authenticate"),
    *("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    *("Idempotent-Replayed", "Preference-Applied", "Content-Disposition"),
)

# Headers of requests that scripts may set: those that some call looks at, and none that a proxy would believe. A test
# holds them to the OpenAPI documents.
TAKEN = (
    *(
        "Authorization",
        "X-FlowMyna-Api-Key",
        "X-Request-Id",
        "Idempotency-Key",
        "Prefer",
        "If-None-Match",
        "Last-Event-ID",
    ),
    *("Content-Type", "Content-Encoding", "Content-Digest"),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# Browsers ask before a call, and remember the answer: two hours are the longest that Chromium does.
_REMEMBERED_SECONDS = 7200

_PREFLIGHT = {
    "Access-Control-Allow-Methods": ", ".join(_METHODS),
    "Access-Control-Allow-Headers": ", ".join(TAKEN),
    "Access-Control-Max-Age": str(_REMEMBERED_SECONDS),
}


def follow(app: Flask) -> None:
    """Answer browsers that ask whether a page may call."""
    app.before_request(_answer_preflight)


def add_to(headers: Headers, origins: Origins, origin: str | None) -> None:
    """Let scripts read an answer, if pages of their origin may.

    Args:
        headers: of the answer.
        origins: whose pages may.
        origin: the header `Origin` of the request; None where it had none.
    """
    if not origins:
        return
    if not origins.all_of_them:
        headers.add("Vary", "Origin")  # on refusals and calls of other programs too: a cache may hold one of them
    if origins.allow(origin):
        headers["Access-Control-Allow-Origin"] = ANY if origins.all_of_them else str(origin)
        headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)


def _answer_preflight() -> Response | None:
    """Answer for every address, that a script may read the 404 of one that is wrong."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    return as_nothing(204, _PREFLIGHT) if services().origins.allow(request.headers.get("Origin")) else None
