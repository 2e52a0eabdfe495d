"""Single entities: `POST /entities`, and `GET` and `DELETE /entities/{externalId}`."""

from uuid import UUID

from flask import Blueprint, Response

from app.http import audit, body, idempotency, personal_data, prefer, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import document, timestamp
from app.http.services import services
from app.operator import single_writes
from app.operator.envelope import success
from ingest import ids, json_text
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection, transaction
from ingest.db.data import entity_rows
from ingest.db.data.entity_rows import EntityRow
from ingest.db.tenants.audit import Action
from ingest.db.tenants.idempotency import Answer
from ingest.engine import people
from ingest.engine.kinds import KINDS
from ingest.engine.single_write import Written
from ingest.errors import (
    ItemTooLarge,
    MasterKeyMissing,
    NotFound,
    SecretUnreadable,
    TemplateNotConfigured,
    TooLarge,
    UnknownField,
    ValidationFailed,
    WriteRefused,
)

bp = Blueprint("entities", __name__)
bp.before_request(rate_limit.scope("ingest:entities"))

MODE = query.Choice(name="mode", words=("replace", "merge"), text="what to do with `data` that is there")

_WITH_PII = query.Flag(
    name="pii", default=True, text="false: leave out the fields that the template calls personal data"
)


def _written_again(answer: Answer, sent: bytes) -> Response:
    item = body.as_json(sent)
    members = json_text.split_object(item)
    external_id, entity_type = json_text.decode(members["externalId"]), json_text.decode(members["entityType"])
    written = single_writes.written_before(KINDS["entities"], item, answer)
    return _written(written, answer.public_id, external_id, entity_type)


def _written(written: Written, public_id: UUID | None, external_id: str, entity_type: str) -> Response:
    data = {
        "id": public_id and ids.spell(ids.ENTITY, public_id),
        "externalId": external_id,
        "entityType": entity_type,
        "action": written.effect,
    }
    return single_writes.answered(written, data)


@bp.post("/entities")
@describe(
    "Create or change an entity",
    operation="upsertEntity",
    body="Entity",
    answers={201: "WrittenEntity"},
    query=(MODE,),
    headers={"Prefer": prefer.HANDLING},
    faults=(
        TemplateNotConfigured,
        MasterKeyMissing,
        ValidationFailed,
        UnknownField,
        ItemTooLarge,
        TooLarge,
        WriteRefused,
    ),
    repeat=_written_again,
)
def post() -> Response:
    """Upsert one entity, `data` replaced as a whole or merged."""
    merge = MODE.read() == "merge"
    item = body.read_item()
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        written = single_writes.write(conn, KINDS["entities"], item, merge=merge)
        stored = _read(conn, json_text.decode(json_text.split_object(item)["externalId"]))
        idempotency.remember(conn, stored.public_id, written.effect)
    return _written(written, stored.public_id, stored.external_id, stored.type)


@bp.get("/entities/<text:external_id>")
@describe(
    "Read an entity",
    operation="getEntity",
    answers={200: "StoredEntity"},
    faults=(NotFound, SecretUnreadable),
    query=(_WITH_PII,),
)
def get(external_id: str) -> Response:
    """Answer with one entity, its numbers as they were sent."""
    with_pii = _WITH_PII.read()
    with transaction(services().pool) as conn:
        stored = _read(conn, external_id)
        fields = personal_data.fields_of(conn, stored.type)
        shown = personal_data.held(stored, fields) if with_pii else []
        properties = personal_data.with_all(stored, shown) if with_pii else personal_data.without(stored, fields)
        if shown:
            audit.record(conn, Action.PERSON_READ, external_id, {"fields": shown}, of_read=True)
    data = {
        "id": ids.spell(ids.ENTITY, stored.public_id),
        "entityType": stored.type,
        "externalId": stored.external_id,
        "data": document(properties),
        "createdAt": timestamp(stored.created_at),
        "updatedAt": timestamp(stored.updated_at),
    }
    return success(data)


def _deleted_again(_answer: Answer, _sent: bytes, external_id: str) -> Response:
    return _deleted(external_id)


def _deleted(external_id: str) -> Response:
    return success({"externalId": external_id, "deleted": True})


@bp.delete("/entities/<text:external_id>")
@describe(
    "Delete an entity; its events stay",
    operation="deleteEntity",
    answers={200: "DeletedEntity"},
    faults=(NotFound,),
    repeat=_deleted_again,
)
def delete(external_id: str) -> Response:
    """Delete softly; a later POST revives it.

    Failed items of an id that no entity has are erased too, and the answer is 404 all the same: it is about the entity.
    """
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        erased = people.erase(conn, caller().tenant_id, external_id)
        entity_type = erased.entity_type
        if erased.sealed or (entity_type is not None and personal_data.fields_of(conn, entity_type)):
            audit.record(conn, Action.PERSON_ERASED, external_id, erased.details)
        if entity_type is not None:
            idempotency.remember(conn)
    if entity_type is None:
        raise NotFound(f'Entity "{external_id}" does not exist')
    return _deleted(external_id)


def _read(conn: Connection, external_id: str) -> EntityRow:
    stored = entity_rows.read(conn, caller().tenant_id, external_id)
    if stored is None:
        raise NotFound(f'Entity "{external_id}" does not exist')
    return stored
