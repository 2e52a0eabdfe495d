"""The states of an entity: `PUT` and `GET /entities/{externalId}/state/{key}`, and `GET …/state` for all of them."""

import msgspec
from flask import Blueprint, Response

from app.http import body, idempotency, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import document, timestamp
from app.http.services import services
from app.operator import single_writes
from app.operator.envelope import success
from ingest import json_text
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import transaction
from ingest.db.data import states
from ingest.db.data.states import StateRow
from ingest.db.tenants.idempotency import Answer
from ingest.engine.kinds import KINDS
from ingest.errors import ItemTooLarge, NotFound, TemplateNotConfigured, ValidationFailed, WriteRefused

bp = Blueprint("states", __name__)
bp.before_request(rate_limit.scope("ingest:states"))


def _set_again(_answer: Answer, sent: bytes, key: str, **_path: str) -> Response:
    return _set(key, _unwrapped(body.as_json(sent)))


def _set(key: str, value: msgspec.Raw) -> Response:
    return success({"stateKey": key, "value": value})


@bp.put("/entities/<text:external_id>/state/<text:key>")
@describe(
    'Set a state, to the value of the body; an object of one member, `{"value": …}`, is the value of that member',
    operation="setState",
    body="StateValue",
    answers={200: "WrittenState"},
    faults=(NotFound, TemplateNotConfigured, ValidationFailed, ItemTooLarge, WriteRefused),
    repeat=_set_again,
)
def put(external_id: str, key: str) -> Response:
    """Set one state; its entity must exist."""
    value = _unwrapped(body.read_item())
    item = msgspec.Raw(msgspec.json.encode({"externalId": external_id, "stateKey": key, "value": value}))
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        single_writes.write(conn, KINDS["states"], item)
        idempotency.remember(conn)
    return _set(key, value)


@bp.get("/entities/<text:external_id>/state")
@describe("Read all states of an entity", operation="listStates", answers={200: "StoredStates"}, faults=(NotFound,))
def get_all(external_id: str) -> Response:
    """Answer with every state that was set, in the order of their keys."""
    with transaction(services().pool) as conn:
        single_writes.require_entity(conn, external_id)
        found = states.of_entity(conn, caller().tenant_id, external_id)
    return success([_shape(state) for state in found])


@bp.get("/entities/<text:external_id>/state/<text:key>")
@describe("Read a state of an entity", operation="getState", answers={200: "StoredState"}, faults=(NotFound,))
def get(external_id: str, key: str) -> Response:
    """Answer with one state."""
    with transaction(services().pool) as conn:
        single_writes.require_entity(conn, external_id)
        found = states.of_entity(conn, caller().tenant_id, external_id, key=key)
    if not found:
        raise NotFound(f'State "{key}" of entity "{external_id}" was never set')
    return success(_shape(found[0]))


def _unwrapped(sent: msgspec.Raw) -> msgspec.Raw:
    """Return the value of a body: an object whose only member is `value` wraps it, any other one is the value."""
    try:
        members = json_text.split_object(sent)
    except json_text.NotAnObject:
        return sent
    return members["value"] if members.keys() == {"value"} else sent


def _shape(state: StateRow) -> dict[str, object]:
    return {"stateKey": state.key, "value": document(state.value), "updatedAt": timestamp(state.updated_at)}
