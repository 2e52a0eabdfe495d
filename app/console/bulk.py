"""Actions on many jobs: those that are ticked, or all that match the filters of a list.

A request acts on a bounded number of jobs, says how far it is, and sends itself again: by the script, or by a button.
Nothing is kept between two of them but what the form holds, so that a closed tab ends it at a job's end.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from flask import Blueprint, Response, g, request
from werkzeug.datastructures import MultiDict

from app.console import access, filters
from app.console.access import needs, note
from app.console.filters import OPEN, Filters
from app.console.pages import confirmed, page
from app.jobs import children, steering
from ingest import ids
from ingest.db.connection.pool import Connection, transaction
from ingest.db.jobs import listing
from ingest.engine.selection import FAILED, Wish
from ingest.errors import InvalidInput, RequestError, TryAgain
from ingest.jobs import Effect, Job
from ingest.rights import WRITE

bp = Blueprint("bulk", __name__)

# A request has as many jobs as a person would wait for; each is a transaction of some milliseconds.
_AT_ONCE = 100
_MOST_TICKED = 200
_MOST_PROBLEMS = 10


class _Deed(NamedTuple):
    """Something that can be done to many jobs.

    Attributes:
        question: asks first.
        fits: True of a job that it may be done to.
        do: does it to the job of a public id.
    """

    question: str
    fits: Callable[[Job], bool]
    do: Callable[[str], object]


def _nothing(_conn: Connection, _job: Job) -> None:
    """Tell nothing of a job that was steered."""


_DEEDS = {
    "cancel": _Deed(
        "Cancel {}? What they have done stands.",
        lambda job: not job.status.ended,
        lambda text: steering.cancel_job(text, _nothing),
    ),
    "retry": _Deed(
        "Send the failed items of {} again, as they are?",
        lambda job: job.status.ended and job.effects[Effect.FAILED] > 0 and not job.options.validate_only,
        lambda text: children.send_again(text, Wish(FAILED, {})),
    ),
}


class _Step(NamedTuple):
    """The ids of jobs that a request acts on, and where the next one goes on; None: nowhere."""

    jobs: Sequence[UUID]
    next_place: UUID | None


@bp.post("/jobs/bulk")
@needs(WRITE)
def act() -> Response:
    """Do something to the next jobs, once its visitor has said yes."""
    deed = _DEEDS.get(request.form.get("do", ""))
    if deed is None:
        raise InvalidInput(f"do must be {' or '.join(_DEEDS)}")
    ticked = request.form.getlist("job")[:_MOST_TICKED]
    takes_all = bool(request.form.get("all"))
    back = f"/jobs{filters.read(_filters_sent()).query()}"
    if not ticked and not takes_all:
        raise InvalidInput("Tick the jobs first, or all that match the filters")
    which = "all jobs that match the filters" if takes_all else f"{len(ticked):,} jobs"
    if asked := confirmed(deed.question.format(which), "Yes, do it", back):
        return asked
    step = _next_of_all(deed) if takes_all else _Step([ids.parse(ids.JOB, text) for text in ticked], None)
    problems = _do(deed, step.jobs)
    done = _count("done") + len(step.jobs) - len(problems)
    refused = _count("refused") + len(problems)
    note(f"bulk_{request.form['do']}", len(step.jobs) - len(problems))
    return page(
        "bulk",
        do=request.form["do"],
        filters=request.form.get("filters", ""),
        back=back,
        done=done,
        refused=refused,
        problems=problems[:_MOST_PROBLEMS],
        next=None if step.next_place is None else ids.spell(ids.JOB, step.next_place),
    )


def _filters_sent() -> MultiDict[str, str]:
    return MultiDict(parse_qsl(request.form.get("filters", "").removeprefix("?")))


def _count(name: str) -> int:
    text = request.form.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(2**63)) else 0


def _next_of_all(deed: _Deed) -> _Step:
    """Return the next jobs that match the filters, in the order of the list, and that the deed fits."""
    wanted = filters.read(_filters_sent())
    after = request.form.get("place", "")
    caller = access.tenant_or_none()
    tenant_id = None if caller is None else caller.tenant_id
    with transaction(access.lent()) as conn:
        found = listing.page(
            conn,
            tenant_id,
            _narrowed(wanted, deed).as_job_filter(wanted.medians(conn, tenant_id)),
            limit=_AT_ONCE,
            after=ids.parse(ids.JOB, after) if after else None,
        )
    return _Step([job.id for job in found.jobs if deed.fits(job)], found.next_place)


def _narrowed(wanted: Filters, deed: _Deed) -> Filters:
    """Return filters that pass over history where only open jobs can be meant."""
    names_states = wanted.state or wanted.slow
    return replace(wanted, state=OPEN) if deed is _DEEDS["cancel"] and not names_states else wanted


def _do(deed: _Deed, jobs: Sequence[UUID]) -> list[str]:
    """Do it to each job; return what was said of those that could not be, as of another tenant's."""
    problems = []
    former = access.tenant_or_none()
    for job_id in jobs:
        text = ids.spell(ids.JOB, job_id)
        try:
            access.enter_tenant_of(job_id)
            deed.do(text)
        except (RequestError, TryAgain) as error:
            problems.append(f"{text}: {error.message}")
        if former is None:  # an operator of all tenants is at none again
            g.pop("caller", None)
    return problems
