"""S6, what the installation stands on, for its operators: its speed, and the lines of `sluice doctor`."""

import hashlib
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request
from markupsafe import Markup

from app.console import tallies
from app.console.access import OPERATOR, needs
from app.console.pages import page, query, render
from app.http.services import services
from ingest.db.connection.pool import autocommit, transaction
from ingest.db.jobs import open_jobs
from ingest.doctor import broker, database
from ingest.doctor.line import Level, Line, warn
from ingest.errors import TryAgain
from ingest.jobs import JobState

bp = Blueprint("system", __name__)

# One check may take as long as any statement of the console, and all of them so long together.
_CHECK_SECONDS = 0.5
_LOOK_SECONDS = 3.0

# A look costs some twenty statements.
_EVERY = 15

# Counts jobs of all times.
_HISTORY = {"jobs"}

_NOT_CHANGED = 304
_TAG_DIGITS = 16


@bp.get("/system")
@needs(OPERATOR)
def show() -> Response:
    """Answer with the page."""
    return page("system", live=Markup(_live()[0]))  # noqa: S704 # rendered by a template


@bp.get("/system/live")
@needs(OPERATOR)
def live() -> Response:
    """Answer with all lines; 304 if the page shows them as they are."""
    text, tag = _live()
    if request.args.get("seen") == tag:
        return Response(status=_NOT_CHANGED)
    return Response(text, content_type="text/html; charset=utf-8")


def _live() -> tuple[str, str]:
    lines = list(_lines())
    levels = {level: sum(line.level is level for line in lines) for level in Level}
    known = {"counts": _counts(), "most_counted": open_jobs.MOST_COUNTED, "tallies": tallies.read()}
    inner = render("_system", lines=lines, levels=levels, **known)
    tag = hashlib.sha256(inner.encode()).hexdigest()[:_TAG_DIGITS]
    address = f"/system/live?{query(seen=tag)}"
    return render("_live", inner=Markup(inner), address=address, every=_EVERY), tag  # noqa: S704 # by a template


def _lines() -> Iterator[Line]:
    """Yield the lines of both servers, for as long as a page may take."""
    settings = services().settings
    until = time.monotonic() + _LOOK_SECONDS
    with autocommit(services().console_pool(None)) as conn:
        for line in database.look(conn, settings, seconds=_CHECK_SECONDS, without=_HISTORY):
            yield line
            if time.monotonic() > until:
                advice = "The database is very busy: `sluice doctor` takes more time, and sees the rest"
                yield warn("time", f"after {_LOOK_SECONDS:.0f} s nothing more was looked at", advice)
                break
    yield from broker.examine(settings.redis_url, embedded=False)
    yield tallies.verify_line()


def _counts() -> dict[JobState, int] | None:
    try:
        with transaction(services().console_pool(None)) as conn:
            return open_jobs.count(conn, None)
    except TryAgain:
        return None
