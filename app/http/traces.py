"""Have a span for each request, where SLUICE_TRACES is on (docs/how-to/trace-with-opentelemetry.md).

Its name and its attributes are made of the rule of an address and of ids of jobs. A path, a query, a body, a header, a
caller's address: none of these is in a span, since they hold the ids of clients, or more.
"""

import time
from http import HTTPMethod
from typing import Literal

from flask import Flask, Response, g, request

from ingest.logs import bind_contextvars, bound
from ingest.traces import process

_METHODS = frozenset(HTTPMethod)
_SERVER_ERROR = 500


def follow(app: Flask) -> None:
    """Have a span for each request; behind what names the request for the log."""
    app.before_request(_begin)
    app.after_request(_end)


def traceparent() -> str | None:
    """Return what a job names the span of this request by; None where there is none."""
    name: str | None = g.get("traceparent")
    return name


def _begin() -> None:
    tracer = process.tracer()
    if tracer is None:
        return
    g.span_began = time.time_ns()
    g.span = tracer.start(*_named(), parent=request.headers.get("traceparent"), began=g.span_began)
    g.traceparent = tracer.traceparent_of(g.span)
    bind_contextvars(**tracer.fields_of(g.span))


def _named() -> tuple[str, Literal["SERVER"], dict[str, str | int]]:
    """Return name, kind and first attributes of the span of this request."""
    method = request.method if request.method in _METHODS else "_OTHER"
    route = request.url_rule.rule if request.url_rule else None
    attributes: dict[str, str | int] = {"http.request.method": method}
    if route is None:
        return method, "SERVER", attributes
    return f"{method} {route}", "SERVER", {**attributes, "http.route": route}


def _end(response: Response) -> Response:
    tracer, span = process.tracer(), g.get("span")
    if tracer is None or span is None:
        return response
    told: dict[str, str | int] = {"http.response.status_code": response.status_code}
    if job_id := bound("job_id"):
        told["sluice.job.id"] = job_id
    if response.status_code >= _SERVER_ERROR and not span.is_recording():
        # Too late for the sample: another span says so, in the same trace.
        name, kind, attributes = _named()
        failed = {**attributes, **told, "error.type": str(response.status_code)}
        tracer.start(name, kind, failed, parent=span, began=g.span_began).end()
        return response
    span.set_attributes(told)
    if response.status_code >= _SERVER_ERROR:
        tracer.fail(span, str(response.status_code))
    span.end()
    return response
