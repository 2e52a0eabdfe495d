"""The events of an entity: `POST` and `GET /entities/{externalId}/events`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app.http import body, idempotency, pagination, prefer, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import document, timestamp
from app.http.services import services
from app.operator import single_writes
from app.operator.envelope import success
from ingest import ids
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import transaction
from ingest.db.data import event_rows
from ingest.db.data.event_rows import EventRow
from ingest.db.tenants.idempotency import Answer
from ingest.engine.kinds import KINDS
from ingest.errors import (
    InvalidParameter,
    ItemTooLarge,
    NotFound,
    TemplateNotConfigured,
    UnknownField,
    ValidationFailed,
    WriteRefused,
)
from ingest.jobs import Effect

bp = Blueprint("events", __name__)
bp.before_request(rate_limit.scope("ingest:events"))

_LIMIT = query.Whole(name="limit", most=500, default=50)
_EVENT_TYPE = query.Text(name="eventType", text="only those of this type")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
# The place at which a page ended: microseconds since 1970, and the event's internal id.
_Place = tuple[Annotated[int, msgspec.Meta(ge=_FIRST, le=_LAST)], Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]


def _appended_again(answer: Answer, _sent: bytes, **_path: str) -> Response:
    return success({"id": _spelled(answer.public_id), "action": Effect.DUPLICATE})


def _spelled(public_id: UUID | None) -> str | None:
    return None if public_id is None else ids.spell(ids.EVENT, public_id)


@bp.post("/entities/<text:external_id>/events")
@describe(
    "Append an event to an entity",
    operation="appendEvent",
    body="Event",
    answers={201: "WrittenEvent", 200: "DuplicateEvent"},
    headers={"Prefer": prefer.HANDLING},
    faults=(NotFound, TemplateNotConfigured, ValidationFailed, UnknownField, ItemTooLarge, WriteRefused),
    repeat=_appended_again,
)
def post(external_id: str) -> Response:
    """Append one event; its entity must exist. One whose `eventId` is stored already is answered with the first."""
    item = single_writes.with_members(body.read_item(), externalId=external_id)
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        written = single_writes.write(conn, KINDS["events"], item)
        idempotency.remember(conn, written.public_id)
    shape: dict[str, object] = {"id": _spelled(written.public_id)}
    if written.effect is Effect.DUPLICATE:
        shape["action"] = written.effect
    return single_writes.answered(written, shape)


@bp.get("/entities/<text:external_id>/events")
@describe(
    "Read an entity's events, newest first",
    operation="listEvents",
    answers={200: "StoredEvents"},
    faults=(NotFound,),
    query=(_LIMIT, _EVENT_TYPE, pagination.CURSOR),
)
def get(external_id: str) -> Response:
    """Answer with a page of events, and with a Link to the next one where there are more."""
    most, place = _LIMIT.read(), pagination.cursor(_Place)
    event_type = _EVENT_TYPE.read()
    if event_type is not None and "\0" in event_type:
        raise InvalidParameter(_EVENT_TYPE.name, "eventType holds a NUL character, which no type can have")
    with transaction(services().pool) as conn:
        single_writes.require_entity(conn, external_id)
        page = event_rows.of_entity(
            conn,
            caller().tenant_id,
            external_id,
            limit=most,
            event_type=event_type,
            before=place and (_EPOCH + place[0] * _MICROSECOND, place[1]),
        )
    more = pagination.next_link(_place(page[-1])) if page and page[-1].more else {}
    return success([_shape(event) for event in page], 200, more)


def _place(event: EventRow) -> tuple[int, int]:
    return (event.occurred_at - _EPOCH) // _MICROSECOND, event.id


def _shape(event: EventRow) -> dict[str, object]:
    return {
        "id": ids.spell(ids.EVENT, event.public_id),
        "eventType": event.type,
        "data": document(event.properties),
        "timestamp": timestamp(event.occurred_at),
        "createdAt": timestamp(event.created_at),
    }
