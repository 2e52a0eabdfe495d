"""`GET /batch/jobs/{id}/warnings` and `/results`: what became of a job's items."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app.http import pagination, query
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs.own import own_job
from app.jobs.shape import INLINE_ERRORS, warning_list
from ingest import ids
from ingest.db.connection.pool import transaction
from ingest.db.jobs import item_warnings
from ingest.db.jobs import results as stored_results
from ingest.db.jobs.results import Result
from ingest.engine.kinds import keeps_results
from ingest.errors import ResultsNotKept
from ingest.jobs import Effect, Job

LIMIT = query.Whole(name="limit", most=INLINE_ERRORS, default=100)

_Index = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Place = tuple[_Index, _Index]  # an item's index, and which of its warnings
_ResultPlace = tuple[_Index, Annotated[int, msgspec.Meta(ge=-1, lt=2**31)]]  # a block, and an index

# Items with other effects have errors, or nothing to read.
_TAKEN = tuple(effect.value for effect in Effect if effect not in {Effect.FAILED, Effect.UNPROCESSED})
_EFFECT = query.Filter(name="effect", words=_TAKEN, text="only items with this effect")

# Of the ids of a kind's items; the public API shows bare UUIDs, and states have none.
_PREFIXES = {"entities": ids.ENTITY, "events": ids.EVENT}


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the calls to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>/warnings")
    @describe(
        "The warnings about a job's items, in the order of their indexes",
        operation=f"list{noun}Warnings",
        answers={200: "ItemWarnings"},
        query=(LIMIT, pagination.CURSOR),
    )
    def warnings(job_id: str) -> Response:
        most = LIMIT.read()
        after = pagination.cursor(_Place)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            page = item_warnings.of_job(conn, found.id, limit=most + 1, after=after or (-1, -1))
        more = pagination.next_link(page[most - 1][0]) if len(page) > most else {}
        return respond(warning_list([warning for _, warning in page[:most]]), 200, more)

    @bp.get("/batch/jobs/<text:job_id>/results")
    @describe(
        "The outcome of each item that a job has taken, in the order of their indexes",
        operation=f"list{noun}Results",
        answers={200: "ItemResults"},
        faults=(ResultsNotKept,),
        query=(_EFFECT, LIMIT, pagination.CURSOR),
    )
    def results(job_id: str) -> Response:
        most, effect = LIMIT.read(), _EFFECT.read()
        place = pagination.cursor(_ResultPlace)
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id)
            if not keeps_results(found):
                raise ResultsNotKept("This job kept no results; send a batch with ?keepResults=true")
            page = stored_results.page(
                conn, found.id, limit=most, place=place or (0, -1), effect=None if effect is None else Effect(effect)
            )
        more = {} if page.next_place is None else pagination.next_link(page.next_place)
        return respond(_result_list(found, page.results), 200, more)


def _result_list(job: Job, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as the wire shows them (docs/contracts/jobs.md section 4), with ids as their API spells them."""
    return [
        {
            "index": result.index,
            "line": result.line,
            "effect": result.effect,
            "id": spelled(job.kind, result.public_id),
        }
        for result in results
    ]


def spelled(kind: str, public_id: UUID | None) -> str | None:
    """Return the id of what an item of a kind was written to, as its API spells it; None where there is none."""
    if public_id is None:
        return None
    prefix = _PREFIXES.get(kind)
    return str(public_id) if prefix is None else ids.spell(prefix, public_id)
