"""Erase or export all that is stored of one entity: a person, where its template says so.

docs/how-to/answer-a-personal-request.md says what an erasure reaches.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ingest import json_text
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.data import entity_rows, erasure, event_rows, scopes, states
from ingest.db.data.entity_rows import EntityRow
from ingest.db.data.event_rows import EventRow
from ingest.db.jobs import failed_items
from ingest.db.jobs.failed_items import FailedItem
from ingest.engine import clear_items, edited_items, open_uploads, payload_items
from ingest.engine.kinds import JOB_TYPES
from ingest.engine.sealing import Sealer
from ingest.errors import SecretUnreadable
from ingest.ids import ENTITY, EVENT, JOB, UPLOAD, spell
from ingest.intake.error_files import shown
from ingest.items import personal
from ingest.items.entities import SCOPE
from ingest.timestamps import timestamp

_EVENTS_A_PAGE = 500

# The member that says why something could not be decrypted.
UNREADABLE = "unreadable"


class Erased(NamedTuple):
    """The result of an erasure.

    Attributes:
        entity_type: of the entity; None where there was none.
        failed_items: how many texts of items that failed.
        sealed: some of all that was encrypted, whatever the template of today calls personal data.
        object_types: of the objects of the public API.
    """

    entity_type: str | None
    failed_items: int
    sealed: bool
    object_types: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """True if there was anything to erase."""
        return bool(self.entity_type or self.failed_items or self.object_types)

    def plus(self, other: "Erased") -> "Erased":
        """Return the result of this erasure and of a later one of the same entity."""
        return Erased(
            self.entity_type or other.entity_type,
            self.failed_items + other.failed_items,
            self.sealed or other.sealed,
            tuple(dict.fromkeys((*self.object_types, *other.object_types))),
        )

    @property
    def details(self) -> dict[str, Any]:
        """Return the facts that the audit log tells of it."""
        objects = {"objectTypes": list(self.object_types)} if self.object_types else {}
        return {"entityType": self.entity_type, **objects, "failedItems": self.failed_items}


NOTHING = Erased(None, 0, sealed=False)


def erase(conn: Connection, tenant_id: int, external_id: str) -> Erased:
    """Erase an entity of the operator API with its states, and the texts of its items that failed; its events stay.

    Args:
        conn: an open transaction, which has written nothing yet.
        tenant_id: whose.
        external_id: the entity's.
    """
    return _erase(conn, tenant_id, external_id, [SCOPE])


def erase_everywhere(conn: Connection, tenant_id: int, external_id: str, *, type_name: str | None = None) -> Erased:
    """Erase as `erase` does, and the objects of the public API that have this id.

    Args:
        conn: an open transaction, which has written nothing yet.
        tenant_id: whose.
        external_id: theirs.
        type_name: of the entity and the objects to erase; None for all. Items that failed have none: they all go.
    """
    return _erase(conn, tenant_id, external_id, _scopes(conn, tenant_id, external_id, type_name))


def _erase(conn: Connection, tenant_id: int, external_id: str, in_scopes: Iterable[str]) -> Erased:
    found = {scope: erasure.delete(conn, tenant_id, external_id, scope=scope) for scope in in_scopes}
    erased = failed_items.erase(conn, tenant_id, external_id)
    deleted = {scope: row for scope, row in found.items() if row is not None}
    return Erased(
        entity_type=deleted[SCOPE].type if SCOPE in deleted else None,
        failed_items=erased,
        sealed=erased > 0 or any(row.sealed for row in deleted.values()),
        object_types=tuple(scope for scope in deleted if scope != SCOPE),
    )


def _scopes(conn: Connection, tenant_id: int, external_id: str, type_name: str | None) -> list[str]:
    """Return the scopes that have an entity of this id, and of this type if one is named."""
    named = scopes.named(conn, tenant_id, external_id)
    return [scope for scope, found in named.items() if type_name in (None, found)]


def export(
    conn: Connection,
    tenant_id: int,
    external_id: str,
    sealer: Sealer,
    *,
    counts: Counter[str],
    type_name: str | None = None,
) -> Iterator[bytes]:
    """Yield all that is stored of an entity, personal data in the clear, as the parts of one JSON object.

    In the place of what cannot be decrypted is the reason, under `unreadable`. A deleted entity still has its events.
    Items on their way are read first, since workers write them meanwhile: they may be there twice, and never missing.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's.
        sealer: of the tenant's items.
        counts: takes how many things of each kind there are, by the names of the object's members; and as UNREADABLE
            how many values could not be decrypted.
        type_name: as of `erase_everywhere`.
    """
    yield b'{"externalId": %b' % _ENCODE(external_id)
    yield from _listed("openUploads", _uploaded(conn, tenant_id, external_id, sealer, counts), counts)
    yield from _listed("openJobs", _in_jobs(conn, tenant_id, external_id, sealer, counts, ended=False), counts)
    in_scopes = _scopes(conn, tenant_id, external_id, type_name)
    of_operator = SCOPE in in_scopes
    row = entity_rows.read(conn, tenant_id, external_id) if of_operator else None
    entity = b"null" if row is None else _entity(row, tenant_id, sealer.keys, counts)
    yield b', "entity": %b' % entity
    of_states = states.of_entity(conn, tenant_id, external_id) if of_operator else []
    of_events = _events(conn, tenant_id, external_id, SCOPE) if of_operator else ()
    yield from _listed("states", [[_state(row) for row in of_states]], counts)
    yield from _listed("events", of_events, counts)
    yield from _objects(conn, tenant_id, external_id, [scope for scope in in_scopes if scope != SCOPE], counts)
    yield from _listed("failedItems", _failed_items(conn, tenant_id, external_id, sealer, counts), counts)
    yield from _listed("editedItems", _edited_items(conn, tenant_id, external_id, sealer, counts), counts)
    yield from _listed("unprocessedItems", _in_jobs(conn, tenant_id, external_id, sealer, counts, ended=True), counts)
    yield b"}\n"


_ENCODE = msgspec.json.Encoder().encode


def _listed(name: str, pages: Iterable[Sequence[Any]], counts: Counter[str]) -> Iterator[bytes]:
    """Yield a member whose value is an array; count its elements."""
    yield b', "%b": [' % name.encode()
    between = b""
    for page in pages:
        if page:
            counts[name] += len(page)
            yield between + b", ".join(map(_ENCODE, page))
            between = b", "
    yield b"]"


def _objects(
    conn: Connection, tenant_id: int, external_id: str, types: Iterable[str], counts: Counter[str]
) -> Iterator[bytes]:
    """Yield a member that lists the objects of the public API with their events; of a deleted one these are left."""
    yield b', "objects": ['
    between = b""
    for object_type in types:
        row = entity_rows.read(conn, tenant_id, external_id, scope=object_type)
        counts["objects"] += row is not None
        shown_object = b"null" if row is None else _ENCODE(_object(row))
        yield between + b'{"objectType": %b, "object": %b' % (_ENCODE(object_type), shown_object)
        yield from _listed("events", _events(conn, tenant_id, external_id, object_type), counts)
        yield b"}"
        between = b", "
    yield b"]"


def _object(row: EntityRow) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "properties": msgspec.Raw(row.properties.encode()),
        "createdAt": timestamp(row.created_at),
        "updatedAt": timestamp(row.updated_at),
    }


def _entity(row: EntityRow, tenant_id: int, keys: MasterKeys, counts: Counter[str]) -> bytes:
    counts["entity"] += 1
    data, unreadable = json_text.split_object(row.properties.encode()), dict[str, str]()
    for field, value in personal.sealed_values(row.pii or "{}").items():
        try:
            data.setdefault(field, personal.opened_value(keys, tenant_id, row.external_id, field, value))
        except SecretUnreadable as error:
            unreadable[field] = error.message
    counts[UNREADABLE] += len(unreadable)
    return _ENCODE(
        {
            "id": spell(ENTITY, row.public_id),
            "entityType": row.type,
            "data": data,
            **({UNREADABLE: unreadable} if unreadable else {}),
            "createdAt": timestamp(row.created_at),
            "updatedAt": timestamp(row.updated_at),
        }
    )


def _state(row: states.StateRow) -> dict[str, Any]:
    return {
        "stateKey": row.key,
        "value": msgspec.Raw(row.value.encode()),
        "updatedAt": timestamp(row.updated_at),
    }


def _events(conn: Connection, tenant_id: int, external_id: str, scope: str) -> Iterator[list[dict[str, Any]]]:
    before: tuple[datetime, int] | None = None
    more = True
    while more:
        page = event_rows.of_entity(
            conn, tenant_id, external_id, limit=_EVENTS_A_PAGE, before=before, of_deleted=True, scope=scope
        )
        yield [_event(row) for row in page]
        more = bool(page) and page[-1].more
        before = (page[-1].occurred_at, page[-1].id) if page else None


def _event(row: EventRow) -> dict[str, Any]:
    return {
        "id": spell(EVENT, row.public_id),
        "eventType": row.type,
        "data": msgspec.Raw(row.properties.encode()),
        "timestamp": timestamp(row.occurred_at),
        "createdAt": timestamp(row.created_at),
    }


def _failed_items(
    conn: Connection, tenant_id: int, external_id: str, sealer: Sealer, counts: Counter[str]
) -> Iterator[list[dict[str, Any]]]:
    after = failed_items.FIRST
    while page := failed_items.page(conn, tenant_id, external_id, after=after):
        found = [_failed_item(row, sealer) for row in page]
        counts[UNREADABLE] += sum(UNREADABLE in item for item in found)
        yield found
        after = (page[-1].job_id, page[-1].index)
    for clear in clear_items.search(lambda: nullcontext(conn), tenant_id, external_id):
        yield [_failed_item(row, sealer, sealed=False) for row in clear]


def _failed_item(row: FailedItem, sealer: Sealer, *, sealed: bool = True) -> dict[str, Any]:
    try:
        item: dict[str, Any] = {"item": shown(sealer.text(row.item, sealed=sealed), as_text=False)}
    except SecretUnreadable as error:
        item = {"item": None, UNREADABLE: error.message}
    return {
        "jobId": spell(JOB, row.job_id),
        "type": JOB_TYPES[row.kind],
        "index": row.index,
        "code": row.code,
        "message": row.message,
        **item,
    }


def _edited_items(
    conn: Connection, tenant_id: int, external_id: str, sealer: Sealer, counts: Counter[str]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the entity's failed items that were edited in the console, and those that an edit makes its own."""
    for page in edited_items.search(lambda: nullcontext(conn), tenant_id, external_id, sealer):
        shown_items = [_edited_item(found, sealer) for found in page]
        counts[UNREADABLE] += sum(UNREADABLE in item for item in shown_items)
        yield shown_items


def _edited_item(found: edited_items.Found, sealer: Sealer) -> dict[str, Any]:
    edited, place = found.edited, {"jobId": spell(JOB, found.job_id), "type": JOB_TYPES[found.kind]}
    try:
        edit = sealer.text(edited.edit, sealed=edited.edit_sealed)
        item = None if edited.item is None else sealer.text(edited.item, sealed=edited.item_sealed)
    except SecretUnreadable as error:
        return {**place, "index": edited.index, "item": None, "edit": None, UNREADABLE: error.message}
    shown_item = None if item is None else shown(item, as_text=False)
    return {
        **place,
        "index": edited.index,
        "item": shown_item,
        "edit": shown(edit, as_text=False),
        "dropped": edited.dropped,
    }


def _uploaded(
    conn: Connection, tenant_id: int, external_id: str, sealer: Sealer, counts: Counter[str]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the entity's items in open uploads, a list for each block that has any, or could not be read."""
    for held in open_uploads.search(lambda: nullcontext(conn), tenant_id, external_id, sealer.keys):
        upload = {"uploadId": spell(UPLOAD, held.upload_id)}
        if held.unreadable:
            counts[UNREADABLE] += 1
            yield [{**upload, "item": None, UNREADABLE: held.unreadable}]
        else:
            yield [{**upload, "item": shown(text, as_text=False)} for text in held.texts]


def _in_jobs(
    conn: Connection, tenant_id: int, external_id: str, sealer: Sealer, counts: Counter[str], *, ended: bool
) -> Iterator[list[dict[str, Any]]]:
    """Yield the entity's items in payloads of jobs, as `_uploaded` does."""
    for held in payload_items.search(lambda: nullcontext(conn), tenant_id, external_id, sealer.keys, ended=ended):
        job = {"jobId": spell(JOB, held.job_id), "type": JOB_TYPES[held.kind]}
        if held.unreadable:
            counts[UNREADABLE] += 1
            yield [{**job, "item": None, UNREADABLE: held.unreadable}]
        else:
            yield [{**job, "index": index, "item": shown(text, as_text=False)} for index, text in held.texts.items()]
