"""`GET /batch/jobs/{id}/timeline`: what happened to a job, when, and who asked for it."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response

from app.http import pagination, query
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond, timestamp
from app.http.services import services
from app.jobs.own import own_job
from ingest.db.connection.pool import transaction
from ingest.db.jobs import timeline as stored_timeline
from ingest.db.jobs.timeline import Entry

_LIMIT = query.Whole(name="limit", most=1_000, default=100)

# A time that the database can compare, and the number of an entry.
_Place = tuple[Annotated[datetime, msgspec.Meta(tz=True)], Annotated[int, msgspec.Meta(ge=-2, le=2**63 - 1)]]


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>/timeline")
    @describe(
        "The events of a job, and who asked for each, in the order of time",
        operation=f"list{noun}Timeline",
        answers={200: "Timeline"},
        query=(_LIMIT, pagination.CURSOR),
    )
    def timeline(job_id: str) -> Response:
        most = _LIMIT.read()
        after = pagination.cursor(_Place)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            page = stored_timeline.page(conn, found.id, limit=most + 1, after=after)
        last = page[most - 1] if len(page) > most else None
        more = {} if last is None else pagination.next_link((last.at, last.no))
        return respond([_shape(entry) for entry in page[:most]], 200, more)


def _shape(entry: Entry) -> dict[str, Any]:
    return {"at": timestamp(entry.at), "what": entry.what, "by": entry.actor, "detail": entry.detail}
