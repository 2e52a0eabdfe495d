"""S5, an entity: its data, states, newest events and last writer. Personal data is hidden, and shown by the field."""

from collections.abc import Collection
from typing import NamedTuple

from flask import Blueprint, Response, request

from app.console import access
from app.console.access import needs, note
from app.console.pages import page
from app.console.whose import pick_unless_known
from app.http import audit, personal_data
from app.http.auth import caller
from app.http.services import services
from ingest import ids, json_text
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection
from ingest.db.data import entity_rows, event_rows, states
from ingest.db.data.entity_rows import EntityRow
from ingest.db.data.event_rows import EventRow
from ingest.db.jobs import requests, writers
from ingest.db.tenants.audit import Action
from ingest.errors import NotFound
from ingest.rights import ADMIN

bp = Blueprint("entities", __name__)

_MOST_EVENTS = 20

# The jobs that write entities.
_KIND = "entities"


class _Member(NamedTuple):
    """A member of an entity's data.

    Attributes:
        text: its JSON text, numbers as they were sent; None: it is personal data, and hidden.
    """

    name: str
    text: str | None


class _Found(NamedTuple):
    """All that a page shows of an entity."""

    entity: EntityRow
    spelling: str
    members: list[_Member]
    states: list[states.StateRow]
    events: list[EventRow]


@bp.get("/entities")
@pick_unless_known
def show() -> Response:
    """Answer with the page of an entity, or with the form that asks for its id."""
    external_id = request.args.get("id", "")
    if not external_id:
        return page("entity", external_id="", found=None, asked=False)
    found = access.part(lambda conn: _read(conn, external_id))
    if found is None:
        return page("entity", external_id=external_id, found=None, asked=True, slow=True)
    if not found:
        looked_at = requests.LOOKED_AT if request.args.get("requests") else None
        return page("entity", status=404, external_id=external_id, found=None, asked=True, requests_looked_at=looked_at)
    return _shown(found[0])


@bp.post("/entities/reveal")
@needs(ADMIN)
@pick_unless_known
def reveal() -> Response:
    """Answer with the same page, one field of personal data shown; the audit log has it."""
    external_id, field = request.form.get("id", ""), request.form.get("field", "")
    with confirmed_transaction(services().pool) as conn:
        found = _read(conn, external_id)
        if not found or field not in {member.name for member in found[0].members if member.text is None}:
            raise NotFound(f'There is no personal data "{field}" of an entity "{external_id}"')
        [entity] = found
        data = json_text.split_object(personal_data.with_all(entity.entity, [field]).encode())
        audit.record(conn, Action.PERSON_READ, external_id, {"fields": [field]}, of_read=True)
    note("reveal", entity_id=entity.spelling, field=field)
    members = [_Member(name, bytes(data[name]).decode() if name == field else text) for name, text in entity.members]
    return _shown(entity._replace(members=members))


def _shown(found: _Found) -> Response:
    """Answer with an entity, and with the jobs of which one wrote it last."""
    last = access.part(lambda conn: writers.find(conn, caller().tenant_id, _KIND, found.entity.updated_at))
    return page("entity", external_id=found.entity.external_id, found=found, writers=last, asked=True)


def _read(conn: Connection, external_id: str) -> list[_Found]:
    """Return what is stored of an entity, alone in a list; an empty one where there is no such entity."""
    tenant_id = caller().tenant_id
    entity = entity_rows.read(conn, tenant_id, external_id)
    if entity is None:
        return []
    fields = personal_data.fields_of(conn, entity.type)
    return [
        _Found(
            entity,
            ids.spell(ids.ENTITY, entity.public_id),
            _members(entity, fields),
            states.of_entity(conn, tenant_id, external_id),
            event_rows.of_entity(conn, tenant_id, external_id, limit=_MOST_EVENTS),
        )
    ]


def _members(entity: EntityRow, fields: Collection[str]) -> list[_Member]:
    """Return the members of an entity's data in the order of their names, personal data hidden."""
    shown = json_text.split_object(personal_data.without(entity, fields).encode())
    hidden = personal_data.held(entity, fields)
    members = [_Member(name, bytes(text).decode()) for name, text in shown.items() if name not in hidden]
    return sorted([*members, *(_Member(name, None) for name in hidden)])
