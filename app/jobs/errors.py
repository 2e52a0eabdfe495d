"""`GET /batch/jobs/{id}/errors`: what was wrong with a job's items, one by one, or in groups of what is alike."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response

from app.http import pagination, personal_data, query
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs import groups
from app.jobs.groups import GROUPED_AT_ONCE, Group
from app.jobs.outcomes import LIMIT
from app.jobs.own import own_job
from app.jobs.shape import error_list
from ingest.db.connection.pool import transaction
from ingest.db.jobs import errors as stored_errors
from ingest.errors import InvalidParameter, SecretUnreadable
from ingest.intake.error_files import is_patched, shown
from ingest.jobs import ITEM_ERROR_CODES, ItemError, Job

_MOST_INDEX = 2**31 - 1

_Index = Annotated[int, msgspec.Meta(ge=0, le=_MOST_INDEX)]

_CODE = query.Filter(name="code", words=ITEM_ERROR_CODES, text="only errors of this code")
_FROM = query.Limit(name="from", least=0, most=999_999_999, text="only errors of items from this index on")
_ITEMS = query.Flag(name="items", default=False, text="true: each error has the item as it was sent")
_GROUP = query.Flag(
    name="group", default=False, text=f"true: how many errors are alike, of {GROUPED_AT_ONCE} errors a page"
)


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>/errors")
    @describe(
        "The errors of a job's bad items, in the order of their indexes, or how many of them are alike",
        operation=f"list{noun}Errors",
        answers={200: "ItemErrorsOrGroups"},
        faults=(SecretUnreadable,),
        query=(_CODE, _FROM, _ITEMS, _GROUP, LIMIT, pagination.CURSOR),
    )
    def errors(job_id: str) -> Response:
        code, first, with_items, in_groups = _CODE.read(), _FROM.read(), _ITEMS.read(), _GROUP.read()
        if in_groups and with_items:
            raise InvalidParameter(_ITEMS.name, "items is for single errors; leave it or group out")
        most = LIMIT.read()
        place = pagination.cursor(_Index)
        after = max((first or 0) - 1, -1 if place is None else place)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            if in_groups:
                alike = groups.read(conn, found.id, after=after, code=code)
                return respond(list(map(_group_shape, alike.groups)), 200, _next(alike.after))
            if with_items:
                personal_data.require_admin_for_items(conn, found)
            page = stored_errors.page(conn, found.id, limit=most, after=after, code=code, with_items=with_items)
        shape = _with_items(found, page.errors) if with_items else error_list(page.errors)
        return respond(shape, 200, _next(page.after))


def _next(after: int | None) -> dict[str, str]:
    """Return the header that leads to the next page, which begins behind an index; none where that is None."""
    return {} if after is None else pagination.next_link(after)


def _with_items(job: Job, stored: Sequence[ItemError]) -> list[dict[str, Any]]:
    is_csv = job.options.csv is not None
    errors = list(map(personal_data.reader(job.tenant_id).opened, stored))
    return [
        {**shape, "item": shown(error.item, as_text=is_csv and not is_patched(error.item, patched=error.patched))}
        for shape, error in zip(error_list(errors), errors, strict=True)
    ]


def _group_shape(group: Group) -> dict[str, Any]:
    [sample] = error_list([group.sample])
    return {
        "code": group.code,
        "field": group.field,
        "message": group.message,
        "count": group.count,
        "ranges": group.ranges,
        "sample": sample,
    }
