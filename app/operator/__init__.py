"""The operator API: routes, wire shapes and envelope of docs/contracts/operator.md. One file a noun."""

from flask import Blueprint, Flask

from app import jobs
from app.http import auth, idempotency, rate_limit
from app.operator import (
    audit,
    batch,
    capabilities,
    entities,
    envelope,
    events,
    keys,
    settings,
    states,
    templates,
    uploads,
    webhooks,
    workers,
)
from app.operator.envelope import failure

__all__ = ["failure", "mount"]

_DATA_API = "/operator-data-api"
_KEYS_API = "/api-keys"

# Authenticate the caller before reading anything else of the request, and answer a repeat before anything judges it;
# then each noun counts it in its own rate limit.
_api = Blueprint("operator", __name__)
_api.before_request(auth.operator)
_api.before_request(idempotency.answer_repeat)
_api.after_request(rate_limit.add_headers(lambda verdict: verdict.headers))

_jobs = jobs.blueprint(envelope.success, "Job")
for _noun in (
    batch.bp,
    uploads.bp,
    entities.bp,
    events.bp,
    states.bp,
    templates.bp,
    settings.bp,
    capabilities.bp,
    workers.bp,
    webhooks.bp,
    audit.bp,
    _jobs,
):
    _api.register_blueprint(_noun, url_prefix=_DATA_API)
_api.register_blueprint(keys.bp, url_prefix=_KEYS_API)


def mount(app: Flask) -> None:
    """Serve the API at both of its addresses."""
    app.register_blueprint(_api)
    app.register_blueprint(_api, url_prefix="/functions/v1", name="operator_functions")
