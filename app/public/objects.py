"""Single objects: `POST /object/upsert` and `GET /object/{type}/{id}`."""

from flask import Blueprint, Response

from app.http import prefer, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import document
from app.http.services import services
from app.public import single_writes
from app.public.envelope import success, timestamp
from ingest.db.connection.pool import transaction
from ingest.db.data import entity_rows
from ingest.errors import ItemTooLarge, NotFound, TooLarge, WriteRefused
from ingest.items.entities import Entity
from ingest.jobs import Effect

bp = Blueprint("objects", __name__)
bp.before_request(rate_limit.scope("ingest:entities"))


@bp.post("/object/upsert")
@describe(
    "Create an object, or merge properties into it",
    operation="upsertObject",
    body="Object",
    answers={200: "UpsertedObject"},
    bare=True,
    headers={"Prefer": prefer.HANDLING},
    faults=(ItemTooLarge, TooLarge, WriteRefused),
)
def upsert() -> Response:
    """Upsert one object; null removes a property."""
    item: Entity
    item, warnings = single_writes.read("objects")
    written = single_writes.write("objects", item, warnings)
    created = written.effect is Effect.CREATED
    return single_writes.answered(
        written,
        {
            "success": True,
            "object_id": written.public_id,
            "object_type": item.type,
            "external_id": item.external_id,
            "created": created,
            "message": f"Object '{item.type}/{item.external_id}' {'created' if created else 'updated'} successfully",
        },
    )


@bp.get("/object/<text:object_type>/<text:external_id>")
@describe("Read an object", operation="getObject", answers={200: "StoredObject"}, bare=True, faults=(NotFound,))
def get(object_type: str, external_id: str) -> Response:
    """Answer with one object, its numbers as they were sent."""
    with transaction(services().pool) as conn:
        stored = entity_rows.read(conn, caller().tenant_id, external_id, scope=object_type)
    if stored is None:
        raise NotFound(f"Object '{object_type}/{external_id}' does not exist")
    return success(
        {
            "object_id": stored.public_id,
            "object_type": stored.type,
            "external_id": stored.external_id,
            "properties": document(stored.properties),
            "created_at": timestamp(stored.created_at),
            "updated_at": timestamp(stored.updated_at),
        }
    )
