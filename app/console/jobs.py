"""S1, the list of jobs: filters, pages, and rows that live."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, time
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from flask import Blueprint, Response, request
from markupsafe import Markup

from app.console import access, filters
from app.console.filters import OPEN, SLOW_TIMES, STATES, Filters
from app.console.pages import page, query, render, to
from app.http.request_log import may_name_a_request
from ingest import ids
from ingest.db.connection.pool import Connection
from ingest.db.jobs import durations, listing, lookup, open_jobs, queue, requests
from ingest.db.jobs.durations import Median
from ingest.db.jobs.queue import Place
from ingest.db.tenants import tenants
from ingest.db.tenants.tenants import Name
from ingest.engine.kinds import JOB_TYPES
from ingest.errors import NotFound
from ingest.jobs import Job, JobState

bp = Blueprint("jobs", __name__)

ROWS = 50

# More new jobs than that are told as "50+".
_MOST_NEW = 50

_NOT_CHANGED = 304
_TAG_DIGITS = 16


class Rows(NamedTuple):
    """The rows of a page.

    Attributes:
        jobs: newest first.
        places: theirs in the queue.
        tenants: the names of theirs, for operators.
        next_place: the next page begins behind it.
        medians: of the kinds, where the page is of slow jobs.
    """

    jobs: list[Job]
    places: dict[UUID, Place]
    tenants: dict[int, Name]
    next_place: UUID | None = None
    medians: Mapping[str, Median] = MappingProxyType({})


@bp.get("/jobs")
def show() -> Response:
    """Answer with a page of the list, or with what a search finds."""
    if sought := request.args.get("q", "").strip():
        return _search(sought)
    wanted = filters.read()
    rows = access.part(partial(_page, wanted=wanted))
    return page(
        "jobs",
        filters=wanted,
        live=None if rows is None else Markup(_live(wanted, rows)[0]),  # noqa: S704 # rendered by a template
        has_rows=bool(rows and rows.jobs),
        next_place=rows and rows.next_place,
        medians=rows and rows.medians,
        medians_of=durations.LOOKED_AT,
        slow_times=SLOW_TIMES,
        counts=access.part(lambda conn: open_jobs.count(conn, _tenant_id())),
        most_counted=open_jobs.MOST_COUNTED,
        presets=_presets(wanted),
        states=STATES,
        kinds=JOB_TYPES,
    )


@bp.get("/jobs/live")
def live() -> Response:
    """Answer with the rows that a page shows, as they stand; 304 if the page shows them so."""
    wanted = filters.read()
    shown = [ids.parse(ids.JOB, text) for text in request.args.get("rows", "").split(",")[:ROWS] if text]
    next_place = request.args.get("next")
    behind = ids.parse(ids.JOB, next_place) if next_place else None
    rows = access.part(lambda conn: _rows(conn, _still_there(conn, shown))._replace(next_place=behind))
    new = access.part(lambda conn: _new(conn, wanted, shown))
    if rows is None or new is None:  # the next look may find more time
        return Response(status=_NOT_CHANGED)
    text, tag = _live(wanted, rows, new=new)
    if request.args.get("seen") == tag:
        return Response(status=_NOT_CHANGED)
    return Response(text, content_type="text/html; charset=utf-8")


def _search(sought: str) -> Response:
    """Go to the job of an id, or of a request's id, or to the entity of any other text."""
    named = request.args.get("tenant")
    try:
        return to(f"/jobs/{ids.spell(ids.JOB, ids.parse(ids.JOB, sought))}")
    except NotFound:
        pass
    found = None
    if may_name_a_request(sought):
        found = access.part(lambda conn: requests.find(conn, _tenant_id(), sought))
    if found:
        return to(f"/jobs/{ids.spell(ids.JOB, found[0])}")
    return to(f"/entities?{query(id=sought, tenant=named, requests='none' if found == [] else None)}")


def _tenant_id() -> int | None:
    caller = access.tenant_or_none()
    return None if caller is None else caller.tenant_id


def _page(conn: Connection, wanted: Filters) -> Rows:
    medians = wanted.medians(conn, _tenant_id())
    found = listing.page(conn, _tenant_id(), wanted.as_job_filter(medians), limit=ROWS, after=wanted.before)
    return _rows(conn, found.jobs)._replace(next_place=found.next_place, medians=medians)


def _rows(conn: Connection, jobs: list[Job]) -> Rows:
    names = tenants.names(conn, {job.tenant_id for job in jobs}) if access.visitor().is_operator else {}
    return Rows(jobs, queue.places_of(conn, jobs), names)


def _still_there(conn: Connection, shown: list[UUID]) -> list[Job]:
    """Return the jobs of these ids in their order, without those that are gone, or are another tenant's."""
    found, tenant_id = lookup.show_many(conn, shown), _tenant_id()
    jobs = [found[job_id] for job_id in shown if job_id in found]
    return [job for job in jobs if tenant_id in {None, job.tenant_id} and job.status is not JobState.RECEIVING]


def _new(conn: Connection, wanted: Filters, shown: list[UUID]) -> int:
    """Return how many jobs have come before the first row of a first page; at most _MOST_NEW."""
    if wanted.before is not None:
        return 0
    newest = shown[0] if shown else UUID(int=0)
    medians = wanted.medians(conn, _tenant_id())
    found = listing.page(conn, _tenant_id(), wanted.as_job_filter(medians), limit=_MOST_NEW)
    return sum(job.id > newest for job in found.jobs)


def _live(wanted: Filters, rows: Rows, *, new: int = 0) -> tuple[str, str]:
    """Return the part of a page that lives, and a tag of what it shows."""
    inner = render("_rows", rows=rows, new=new, most_new=_MOST_NEW, filters=wanted, looked_at=listing.LOOKED_AT)
    tag = hashlib.sha256(inner.encode()).hexdigest()[:_TAG_DIGITS]
    shown = ",".join(ids.spell(ids.JOB, job.id) for job in rows.jobs)
    behind = rows.next_place and ids.spell(ids.JOB, rows.next_place)
    address = f"/jobs/live{wanted.query() or '?'}&{query(rows=shown, next=behind, seen=tag)}"
    return render("_live", inner=Markup(inner), address=address), tag  # noqa: S704 # rendered by a template


def _presets(wanted: Filters) -> list[tuple[str, str]]:
    """Return the names of usual views, and their queries."""
    whose = Filters(tenant=wanted.tenant)
    today = datetime.combine(datetime.now(UTC).date(), time(), UTC)
    return [
        ("All", whose.query()),
        ("Open", whose.query(state=OPEN)),
        ("With errors today", whose.query(errors="any", ended_after=today)),
        ("Failed", whose.query(state=(JobState.FAILED,))),
        ("Slow", whose.query(slow=True)),
    ]
