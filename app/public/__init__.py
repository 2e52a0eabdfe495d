"""The public API: routes, wire shapes and envelope of docs/contracts/public.md. One file a noun."""

from flask import Blueprint, Flask

from app import jobs
from app.http import auth, rate_limit
from app.public import batch, envelope, events, health, objects
from app.public.envelope import failure

__all__ = ["BASES", "failure", "mount"]

# The same calls at each, never a redirect from one to the other: the SDK follows none.
BASES = ("/api/public/v1", "/v1")

# Authenticate the caller before reading anything else of the request; then each noun counts it in its own rate limit.
_api = Blueprint("public", __name__)
_api.before_request(auth.public)
_api.after_request(rate_limit.add_headers(envelope.limits))

for _noun in (events.bp, objects.bp, batch.bp, health.bp, jobs.blueprint(envelope.job, "PublicJob")):
    _api.register_blueprint(_noun)


def mount(app: Flask) -> None:
    """Serve the API at all of its addresses."""
    for number, base in enumerate(BASES):
        app.register_blueprint(_api, url_prefix=base, name=f"public_{number}")
