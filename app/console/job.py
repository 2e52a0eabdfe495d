"""S2, one job: where it stands, what happened to it, what was wrong with its items, and what can be done about it."""

import hashlib
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import msgspec
from flask import Blueprint, Response, request, url_for
from markupsafe import Markup

from app.console import access
from app.console.access import needs, note
from app.console.pages import confirmed, page, query, render, to
from app.http import audit
from app.http.auth import caller
from app.jobs import children, error_files, groups, steering
from app.jobs.groups import Group
from app.jobs.own import first_warnings, own_job
from app.jobs.shape import fault_of
from ingest import ids
from ingest.db.connection.pool import Connection, transaction
from ingest.db.jobs import queue
from ingest.db.jobs import timeline as stored_timeline
from ingest.db.jobs.queue import Place
from ingest.db.tenants.audit import Action
from ingest.engine.job_shape import job_without_errors
from ingest.engine.selection import FAILED, RETRYABLE, UNPROCESSED, Wish
from ingest.errors import InvalidInput, NotFound
from ingest.jobs import Effect, Job
from ingest.rights import WRITE

bp = Blueprint("job", __name__)

_MOST_ENTRIES = 100
_MOST_GROUPS = 50
_NOT_CHANGED = 304
_TAG_DIGITS = 16


class _Entry(NamedTuple):
    """An entry of the timeline, and how many seconds after the one before it."""

    entry: stored_timeline.Entry
    since: float


class _Shown(NamedTuple):
    """The part of the page that lives."""

    job: Job
    place: Place
    timeline: list[_Entry]


class _Causes(NamedTuple):
    """The errors by their cause.

    Attributes:
        groups: the largest of them.
        looked_at: errors, the first of the job.
        more: there may be further errors behind those that were looked at.
    """

    groups: list[Group]
    looked_at: int
    more: bool


@bp.get("/jobs/<text:job_id>")
def show(job_id: str) -> Response:
    """Answer with the page of a job."""
    enter(job_id)
    shown = access.part(partial(_shown, job_id=job_id))
    parts = None if shown is None else _parts(shown)
    return page(
        "job",
        id=job_id,
        shown=shown,
        live=parts and _live_part(parts),
        facts=parts and parts.facts,
        causes=_causes_part(job_id, shown and shown.job),
    )


@bp.get("/jobs/<text:job_id>/live")
def live(job_id: str) -> Response:
    """Answer with the part of the page that lives; 304 if the page shows the job as it stands.

    The causes of errors come once, with the end of the job.
    """
    enter(job_id)
    shown = access.part(partial(_shown, job_id=job_id))
    if shown is None:
        return Response(status=_NOT_CHANGED)
    parts = _parts(shown)
    if request.args.get("seen") == parts.tag:
        return Response(status=_NOT_CHANGED)
    beside = {"facts": parts.facts}
    if shown.job.status.ended:
        beside["causes"] = _causes_part(job_id, shown.job)
    return Response(_live_part(parts, beside), content_type="text/html; charset=utf-8")


@bp.get("/jobs/<text:job_id>/raw")
def raw(job_id: str) -> Response:
    """Answer with the job as the API shows it."""
    enter(job_id)

    def read(conn: Connection) -> tuple[str, str]:
        job = own_job(conn, caller().tenant_id, job_id, shown=True)
        place = queue.places_of(conn, [job])[job.id]
        members = job_without_errors(job, first_warnings(conn, job), lambda call: _api_path(job, call), place)
        return msgspec.json.format(msgspec.json.encode(members), indent=2).decode(), job.request_id

    return page("job_raw", id=job_id, found=access.part(read))


@bp.get("/jobs/<text:job_id>/errors.ndjson")
def download_lines(job_id: str) -> Response:
    """Answer with the failed items, to be corrected and sent again."""
    enter(job_id)
    return _noted(error_files.as_lines(job_id), job_id, "ndjson")


@bp.get("/jobs/<text:job_id>/errors.csv")
def download_rows(job_id: str) -> Response:
    """Answer with the failed rows of a job that came as CSV, likewise."""
    enter(job_id)
    return _noted(error_files.as_rows(job_id), job_id, "csv")


def _noted(answer: Response, job_id: str, form: str) -> Response:
    """Return an answer with failed items once it is noted who takes them: personal data are in the clear in it."""
    with transaction(access.lent()) as conn:
        audit.record(conn, Action.ITEMS_READ, job_id, {"file": form}, of_read=True)
    note("download_errors", job_id=job_id)
    return answer


@bp.post("/jobs/<text:job_id>/cancel")
@needs(WRITE)
def cancel(job_id: str) -> Response:
    """End the job, once its visitor has said yes."""
    job = enter(job_id)
    question = f"Cancel this job? {job.effects[Effect.UNPROCESSED]:,} of {job.total:,} items stay unprocessed."
    if asked := confirmed(question, "Cancel the job", f"/jobs/{job_id}"):
        return asked
    steering.cancel_job(job_id, _nothing)
    note("cancel", job_id=job_id)
    return to(f"/jobs/{job_id}?said=cancelled")


@bp.post("/jobs/<text:job_id>/pause")
@needs(WRITE)
def pause(job_id: str) -> Response:
    """Begin no further block of the job."""
    enter(job_id)
    steering.pause_job(job_id, _nothing)
    note("pause", job_id=job_id)
    return to(f"/jobs/{job_id}?said=paused")


@bp.post("/jobs/<text:job_id>/resume")
@needs(WRITE)
def resume(job_id: str) -> Response:
    """Let the job go on."""
    enter(job_id)
    steering.resume_job(job_id, _nothing)
    note("resume", job_id=job_id)
    return to(f"/jobs/{job_id}?said=resumed")


@bp.post("/jobs/<text:job_id>/retry")
@needs(WRITE)
def retry(job_id: str) -> Response:
    """Send items of the job again, once its visitor has said yes."""
    job = enter(job_id)
    select = request.form.get("select", FAILED)
    if select not in {FAILED, RETRYABLE, UNPROCESSED}:
        raise InvalidInput(f"select must be {FAILED}, {RETRYABLE} or {UNPROCESSED}")
    count = job.effects[Effect.UNPROCESSED if select == UNPROCESSED else Effect.FAILED]
    which = "those of the failed items that may pass now" if select == RETRYABLE else f"{count:,} {select} items"
    if asked := confirmed(f"Send {which} again, as they are?", "Send them", f"/jobs/{job_id}"):
        return asked
    child = ids.spell(ids.JOB, children.send_again(job_id, Wish(select, {})))
    note("retry", count, job_id=job_id, child=child)
    return to(f"/jobs/{child}?said=sent")


@bp.post("/jobs/<text:job_id>/commit")
@needs(WRITE)
def commit(job_id: str) -> Response:
    """Write what the job has only checked, once its visitor has said yes."""
    job = enter(job_id)
    if asked := confirmed(f"Write the {job.total:,} items that were checked?", "Write them", f"/jobs/{job_id}"):
        return asked
    child = ids.spell(ids.JOB, children.write_checked(job_id))
    note("commit", job.total, job_id=job_id, child=child)
    return to(f"/jobs/{child}?said=written")


@bp.post("/jobs/<text:job_id>/label")
@needs(WRITE)
def label(job_id: str) -> Response:
    """Give the job another label, or none."""
    enter(job_id)
    steering.relabel_job(job_id, request.form.get("label", "").strip() or None, _nothing)
    note("relabel", job_id=job_id)
    return to(f"/jobs/{job_id}?said=labelled")


def _nothing(_conn: Connection, _job: Job) -> None:
    """Tell nothing of a job that was steered: its page follows."""


def enter(job_id: str) -> Job:
    """Return the job that a page is about, as far as the page's visitor may see it.

    Raises:
        NotFound: there is no such job, or it is another tenant's.
        Gone: retention has deleted it.
    """
    access.enter_tenant_of(ids.parse(ids.JOB, job_id))
    found = access.part(lambda conn: own_job(conn, caller().tenant_id, job_id))
    if found is None:
        raise NotFound(f"The database is too busy to find {job_id}: try again")
    return found


def _shown(conn: Connection, job_id: str) -> _Shown:
    job = own_job(conn, caller().tenant_id, job_id, shown=True)
    entries = stored_timeline.last(conn, job.id, limit=_MOST_ENTRIES)
    since = [0.0, *((after.at - before.at).total_seconds() for before, after in pairwise(entries))]
    return _Shown(job, queue.places_of(conn, [job])[job.id], list(map(_Entry, entries, since)))


def _causes(conn: Connection, job_id: str) -> _Causes:
    job = own_job(conn, caller().tenant_id, job_id)
    found = groups.read(conn, job.id, most=_MOST_GROUPS)
    return _Causes(found.groups, found.looked_at, found.after is not None)


class _Parts(NamedTuple):
    """The parts of the page that live.

    Attributes:
        job: that they show.
        tag: of what they show.
    """

    job: Job
    inner: Markup
    facts: Markup
    tag: str


def _causes_part(job_id: str, job: Job | None) -> Markup:
    causes = access.part(partial(_causes, job_id=job_id))
    return Markup(render("_job_causes", id=job_id, job=job, causes=causes))  # noqa: S704 # by a template


def _parts(shown: _Shown) -> _Parts:
    known = {"job": shown.job, "place": shown.place, "timeline": shown.timeline, "fault": fault_of(shown.job)}
    inner, facts = Markup(render("_job", **known)), Markup(render("_job_facts", **known))  # noqa: S704 # by templates
    tag = hashlib.sha256((inner + facts).encode()).hexdigest()[:_TAG_DIGITS]
    return _Parts(shown.job, inner, facts, tag)


def _live_part(parts: _Parts, beside: Mapping[str, Markup] | None = None) -> Markup:
    """Return the first part, which asks for itself.

    Args:
        parts: of the page.
        beside: what goes along with it, to be put into places of its own, by the ids of these.
    """
    job = f"/jobs/{ids.spell(ids.JOB, parts.job.id)}"
    live = render(
        "_live",
        inner=parts.inner,
        address=f"{job}/live?{query(seen=parts.tag)}",
        stream=f"{job}/stream",
        still=parts.job.status.ended,
        beside=beside,
    )
    return Markup(live)  # noqa: S704 # by a template


def _api_path(job: Job, call: str) -> str:
    endpoint = {"self": "job"}.get(call, call)
    return url_for(f"operator.jobs.{endpoint}", job_id=ids.spell(ids.JOB, job.id))
