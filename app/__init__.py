"""The web process: parse, call `ingest`, build the response.

    server/              gunicorn's worker: connections and messages, before and after the app
    console/             pages for people
    openapi/             the OpenAPI documents, from the descriptions of all calls, and the pages of error codes
    operator/, public/   the two APIs
    batches.py           accepting a batch, for both APIs
    waiting.py           waiting for the end of a job, for both APIs
    jobs.py              the job resource, for both APIs
    health.py, front.py  health checks, and the page at `/`
    guide.py             the guide, as `make docs` has built it
    metrics.py           what the web processes count, for Prometheus
    http/                shared by all calls: keys, rate limits, queries, bodies, errors

Upper imports lower, and `ingest` only. `create_app` is what gunicorn serves; `gunicorn.py` holds its settings.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask

from app import console, front, guide, health, operator, public
from app.http import errors, headers, paths, request_log, services, traces
from app.openapi import docs
from ingest.settings import Settings

ENVELOPES = errors.Envelopes(
    {**dict.fromkeys(public.BASES, public.failure), console.BASE: console.failure}, elsewhere=operator.failure
)


class _App(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As of Flask, which asks of seven functions a request whether they are coroutines: none here is."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Make the web application.

    Args:
        settings: of the process; read from the environment where None.

    Raises:
        SettingsError: the environment is wrong.
    """
    app = _App(__name__, static_folder=None)
    services.attach(app, settings or Settings.from_env())
    paths.prepare(app)
    request_log.follow(app)
    if app.extensions["sluice"].settings.traces:
        traces.follow(app)
    headers.follow(app)
    errors.handle(app, ENVELOPES)
    operator.mount(app)
    public.mount(app)
    app.register_blueprint(front.bp)
    app.register_blueprint(guide.bp)
    app.register_blueprint(health.bp)
    docs.mount(app)
    if app.extensions["sluice"].settings.console != "off":
        console.mount(app)
    if app.extensions["sluice"].settings.metrics:
        from app import metrics  # noqa: PLC0415 # costs nothing where metrics are off

        app.register_blueprint(metrics.bp)
    return app
