"""Erase or export all that is stored of one entity: a person, where its template says so.

docs/how-to/answer-a-personal-request.md says what an erasure reaches.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ingest import json_text
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.data import entities, events, states
from ingest.db.data.events import EventRow
from ingest.db.jobs import failed_items
from ingest.db.jobs.failed_items import FailedItem
from ingest.engine.kinds import JOB_TYPES
from ingest.engine.sealing import Sealer
from ingest.errors import SecretUnreadable
from ingest.ids import ENTITY, EVENT, JOB, spell
from ingest.intake.error_files import shown
from ingest.items import personal
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
    """

    entity_type: str | None
    failed_items: int
    sealed: bool

    @property
    def details(self) -> dict[str, Any]:
        """Return the facts that the audit log tells of it."""
        return {"entityType": self.entity_type, "failedItems": self.failed_items}


def erase(conn: Connection, tenant_id: int, external_id: str) -> Erased:
    """Erase an entity with its states, and the texts of its items that failed; its events stay.

    Args:
        conn: an open transaction, which has written nothing yet.
        tenant_id: whose.
        external_id: the entity's.
    """
    deleted = entities.delete(conn, tenant_id, external_id)
    erased = failed_items.erase(conn, tenant_id, external_id)
    if deleted is None:
        return Erased(None, erased, sealed=erased > 0)
    return Erased(deleted.type, erased, sealed=deleted.sealed or erased > 0)


def export(
    conn: Connection, tenant_id: int, external_id: str, sealer: Sealer, *, counts: Counter[str]
) -> Iterator[bytes]:
    """Yield all that is stored of an entity, personal data in the clear, as the parts of one JSON object.

    In the place of what cannot be decrypted is the reason, under `unreadable`. A deleted entity still has its events.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's.
        sealer: of the tenant's items.
        counts: takes how many things of each kind there are, by the names of the object's members; and as UNREADABLE
            how many values could not be decrypted.
    """
    entity = _entity(conn, tenant_id, external_id, sealer.keys, counts)
    yield b'{"externalId": %b, "entity": %b' % (_ENCODE(external_id), entity)
    of_states = [[_state(row) for row in states.of_entity(conn, tenant_id, external_id)]]
    of_items = _failed_items(conn, tenant_id, external_id, sealer, counts)
    yield from _listed("states", of_states, counts)
    yield from _listed("events", _events(conn, tenant_id, external_id), counts)
    yield from _listed("failedItems", of_items, counts)
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


def _entity(conn: Connection, tenant_id: int, external_id: str, keys: MasterKeys, counts: Counter[str]) -> bytes:
    row = entities.read(conn, tenant_id, external_id)
    if row is None:
        return b"null"
    counts["entity"] += 1
    data, unreadable = json_text.split_object(row.properties.encode()), dict[str, str]()
    for field, value in personal.sealed_values(row.pii or "{}").items():
        try:
            data.setdefault(field, personal.opened_value(keys, tenant_id, external_id, field, value))
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


def _events(conn: Connection, tenant_id: int, external_id: str) -> Iterator[list[dict[str, Any]]]:
    before: tuple[datetime, int] | None = None
    more = True
    while more:
        page = events.of_entity(conn, tenant_id, external_id, limit=_EVENTS_A_PAGE, before=before, of_deleted=True)
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


def _failed_item(row: FailedItem, sealer: Sealer) -> dict[str, Any]:
    try:
        item: dict[str, Any] = {"item": shown(sealer.text(row.item, sealed=True), as_text=False)}
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
