"""Give each request an id, and log one line for each request that writes. Polling is silent."""

import re
import time

from flask import Flask, Response, g, request

from ingest.ids import uuid7
from ingest.logs import Logger, bind_contextvars, clear_contextvars, get_logger
from ingest.metrics import names

# Ids that a client may send: enough for UUIDs and trace ids, and nothing that could forge a log line.
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

log: Logger = get_logger("app.http.request_log")


def follow(app: Flask) -> None:
    """Give each request an id, and log its outcome."""
    app.before_request(_name)
    app.after_request(_log)
    app.teardown_request(_forget)


def request_id() -> str:
    """Return the id of this request: the client's `X-Request-Id` where that is a sane one."""
    name: str = g.request_id
    return name


def may_name_a_request(text: str) -> bool:
    """True if a client's `X-Request-Id` is taken as the id of its request."""
    return _SANE_ID.fullmatch(text) is not None


def _name() -> None:
    sent = request.headers.get("X-Request-Id", "")
    g.request_id = sent if may_name_a_request(sent) else uuid7().hex
    g.began = time.perf_counter()
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _log(response: Response) -> Response:
    """Log the URL rule, never the path or the query: those hold the clients' ids."""
    seconds = time.perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule else None
    names.REQUESTS.add(route or "", request.method, str(response.status_code))
    names.REQUEST_DURATION.observe(seconds, route or "", request.method)
    write = log.debug if request.method in _READS else log.info
    write(
        "request",
        method=request.method,
        route=route,
        status=response.status_code,
        milliseconds=round(seconds * 1000, 1),
    )
    return response


def _forget(_error: BaseException | None) -> None:
    clear_contextvars()
