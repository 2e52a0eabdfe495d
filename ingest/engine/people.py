"""Erase or export all that is stored of one entity: a person, where its template says so.

docs/personal-requests.md says what an erasure reaches.
"""

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
from ingest.ids import ENTITY, EVENT, JOB, spell
from ingest.intake.error_files import shown
from ingest.items import personal
from ingest.timestamps import timestamp

_EVENTS_A_PAGE = 500


class Erased(NamedTuple):
    """The result of an erasure.

    Attributes:
        entity_type: of the entity; None where there was none.
        failed_items: how many texts of items that failed.
    """

    entity_type: str | None
    failed_items: int

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
    entity_type = entities.delete(conn, tenant_id, external_id)
    return Erased(entity_type, failed_items.erase(conn, tenant_id, external_id))


def is_known(conn: Connection, tenant_id: int, external_id: str) -> bool:
    """True if there is an entity of this id, or an item of it that failed, for `export` to tell of."""
    if entities.resolve(conn, tenant_id, {entities.SCOPE: [external_id]})[entities.SCOPE]:
        return True
    return bool(failed_items.page(conn, tenant_id, external_id))


def export(conn: Connection, tenant_id: int, external_id: str, sealer: Sealer) -> Iterator[bytes]:
    """Yield all that is stored of an entity, personal data in the clear, as the parts of one JSON object.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's.
        sealer: of the tenant's items.

    Raises:
        SecretUnreadable: some of it cannot be decrypted.
    """
    entity = _entity(conn, tenant_id, external_id, sealer.keys)
    yield b'{"externalId": %b, "entity": %b' % (_ENCODE(external_id), entity)
    yield from _listed("states", ([_state(row) for row in states.of_entity(conn, tenant_id, external_id)],))
    yield from _listed("events", _events(conn, tenant_id, external_id))
    yield from _listed("failedItems", _failed_items(conn, tenant_id, external_id, sealer))
    yield b"}\n"


_ENCODE = msgspec.json.Encoder().encode


def _listed(name: str, pages: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield a member whose value is an array."""
    yield b', "%b": [' % name.encode()
    between = b""
    for page in pages:
        if page:
            yield between + b", ".join(map(_ENCODE, page))
            between = b", "
    yield b"]"


def _entity(conn: Connection, tenant_id: int, external_id: str, keys: MasterKeys) -> bytes:
    row = entities.read(conn, tenant_id, external_id)
    if row is None:
        return b"null"
    data = json_text.split_object(row.properties.encode())
    if row.pii is not None:
        data = personal.opened(keys, tenant_id, external_id, row.pii) | data
    return _ENCODE(
        {
            "id": spell(ENTITY, row.public_id),
            "entityType": row.type,
            "data": data,
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
        page = events.of_entity(conn, tenant_id, external_id, limit=_EVENTS_A_PAGE, before=before)
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


def _failed_items(conn: Connection, tenant_id: int, external_id: str, sealer: Sealer) -> Iterator[list[dict[str, Any]]]:
    after = failed_items.FIRST
    while page := failed_items.page(conn, tenant_id, external_id, after=after):
        yield [_failed_item(row, sealer) for row in page]
        after = (page[-1].job_id, page[-1].index)


def _failed_item(row: FailedItem, sealer: Sealer) -> dict[str, Any]:
    return {
        "jobId": spell(JOB, row.job_id),
        "type": JOB_TYPES[row.kind],
        "index": row.index,
        "code": row.code,
        "message": row.message,
        "item": shown(sealer.text(row.item, sealed=True), as_text=False),
    }
