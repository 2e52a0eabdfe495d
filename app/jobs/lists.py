"""`GET /batch/jobs`: a tenant's jobs, newest first (docs/contracts/jobs.md section 3)."""

from uuid import UUID

from flask import Blueprint, Response

from app.http import pagination, query
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs.shape import row_shapes
from ingest import ids
from ingest.db.connection.pool import transaction
from ingest.db.jobs import listing, queue
from ingest.db.jobs.listing import JobFilter
from ingest.engine.kinds import JOB_TYPES
from ingest.errors import InvalidParameter, NotFound
from ingest.jobs import LONGEST_LABEL, JobState

# The most jobs that a page shows.
MOST_LISTED = 200

_KINDS = {job_type: kind for kind, job_type in JOB_TYPES.items()}
_STATUS = query.Filters(
    name="status",
    words=tuple(state.value for state in JobState if state is not JobState.RECEIVING),
    text="only jobs in one of these states, with commas between",
)
_TYPE = query.Filter(name="type", words=tuple(_KINDS), text="only jobs of this type")
_LABEL = query.Text(name="label", most=LONGEST_LABEL, text="only jobs with exactly this label")
_AFTER = query.Timestamp(name="created_after", text="only jobs that were accepted at this moment or later")
_BEFORE = query.Timestamp(name="created_before", text="only jobs that were accepted before this moment")
_HAS_ERRORS = query.Flag(name="has_errors", default=False, text="only jobs of which an item has failed")
_PARENT = query.Text(
    name="parent", pattern="^job_[0-9a-f]{32}$", text="only jobs that send items of this job again, by its id"
)
_LIMIT = query.Whole(name="limit", most=MOST_LISTED, default=50)


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs")
    @describe(
        "The tenant's jobs, newest first; a page may hold fewer than there are, and the Link header leads on",
        operation=f"list{noun}s",
        answers={200: "JobList"},
        query=(_STATUS, _TYPE, _LABEL, _AFTER, _BEFORE, _HAS_ERRORS, _PARENT, _LIMIT, pagination.CURSOR),
    )
    def jobs() -> Response:
        wanted, limit, after = _wanted(), _LIMIT.read(), pagination.cursor(UUID)
        with transaction(services().pool) as conn:
            page = listing.page(conn, caller().tenant_id, wanted, limit=limit, after=after)
            places = queue.places_of(conn, page.jobs)
        more = {} if page.next_place is None else pagination.next_link(page.next_place)
        return respond(row_shapes(page.jobs, places), 200, more)


def _wanted() -> JobFilter:
    """Return the filters that the query names.

    Raises:
        InvalidParameter: a filter has no such value.
    """
    job_type = _TYPE.read()
    return JobFilter(
        statuses=[JobState(word) for word in _STATUS.read()],
        kinds=() if job_type is None else (_KINDS[job_type],),
        label=_LABEL.read(),
        created_after=_AFTER.read(),
        created_before=_BEFORE.read(),
        has_errors=_HAS_ERRORS.read() or None,
        parent=_parent(),
    )


def _parent() -> UUID | None:
    text = _PARENT.read()
    try:
        return None if text is None else ids.parse(ids.JOB, text)
    except NotFound:
        raise InvalidParameter(_PARENT.name, "parent must be the id of a job, such as job_0198…") from None
