"""The web process: parse, call `ingest`, build the response.

    paths.py                        ids in paths, split before they are decoded; no redirects
    request_log.py                  request ids and log lines
    auth.py, key_cache.py           whose key it is
    rate_limit.py, rate_counter.py  how often it may call
    body.py, responses.py           reading bodies, writing JSON
    errors.py                       every error to one response
    query.py, pagination.py         query parameters
    prefer.py                       the header `Prefer`
    batches.py                      accepting a batch
    jobs.py                         the job resource, for both APIs
    connections.py, parsing.py      gunicorn's worker: connections and messages, before and after the app
    operator/, public/              the two APIs
    health.py                       health checks
    services.py                     the connections of the process
    front.py                        the page at `/`
    docs.py                         the OpenAPI document, from describe.py, shapes.py and examples.py

Imports `ingest` only. `create_app` is what gunicorn serves; `gunicorn.py` holds its settings.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask

from app import docs, errors, front, health, operator, paths, public, request_log, services
from ingest.config import Settings

ENVELOPES = errors.Envelopes(dict.fromkeys(public.BASES, public.failure), elsewhere=operator.failure)


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
    errors.handle(app, ENVELOPES)
    operator.mount(app)
    public.mount(app)
    app.register_blueprint(front.bp)
    app.register_blueprint(health.bp)
    docs.mount(app)
    return app
