"""THE TABLE OF KINDS: what Sluice takes in. The only file that lists them all; nothing else tells kinds apart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from ingest.checking import ItemSchema
from ingest.db import entities as stored_entities
from ingest.db import events as stored_events
from ingest.db import states as stored_states
from ingest.db.entities import SCOPE
from ingest.db.pool import Connection
from ingest.entities import Entity, EntitySchema
from ingest.errors import InvalidInput, NotFound, RequestError, ValidationFailed
from ingest.events import Event, EventSchema, Link
from ingest.jobs import Effect, ItemError
from ingest.object_events import ObjectEventSchema
from ingest.objects import ObjectSchema
from ingest.states import State, StateSchema
from ingest.templates import Template


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to write: whose data it is, and whether entities are merged or replaced."""

    tenant_id: int
    merge: bool


class Written(msgspec.Struct, frozen=True, gc=False):
    """What became of an item that was taken.

    Attributes:
        id: its UUID's 16 bytes; None where nobody asks for it.
        occurred_at: of an event.
    """

    effect: Effect
    id: bytes | None = None
    occurred_at: datetime | None = None

    @property
    def public_id(self) -> UUID | None:
        """Its id, as the wire shows it."""
        return None if self.id is None else UUID(bytes=self.id)


Outcome = Written | ItemError

_PLAIN: dict[Effect, Outcome] = {effect: Written(effect) for effect in Effect}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item.

    Attributes:
        name: as in the path of its batch call.
        job_type: as a job shows it.
        limit: the most items of one JSON request.
        block_items: the most items of one transaction.
        schema: what an item must be.
        key: what two items must share to be writes of the same row; None where every item is a row of its own.
        write: stores items, of which no two share a key, and says what became of each, in the order given.
        keeps_results: whether the id of each item that was taken can be read from its job.
    """

    name: str
    job_type: str
    limit: int
    block_items: int
    schema: type[ItemSchema]
    key: Callable[[Any], Any] | None
    write: Callable[[Connection, Target, Sequence[Any]], list[Outcome]]
    keeps_results: bool = False


def _write_entities(conn: Connection, target: Target, items: Sequence[Entity]) -> list[Outcome]:
    return [_PLAIN[effect] for effect in stored_entities.upsert(conn, target.tenant_id, items, merge=target.merge)]


def _write_objects(conn: Connection, target: Target, items: Sequence[Entity]) -> list[Outcome]:
    """As entities; and their ids are told."""
    effects = stored_entities.upsert(conn, target.tenant_id, items, merge=target.merge)
    public_ids = stored_entities.public_ids(conn, target.tenant_id, _by_scope(items))
    return [
        Written(effect, public_ids[item.scope][item.external_id].bytes)
        for effect, item in zip(effects, items, strict=True)
    ]


def _write_events(conn: Connection, target: Target, items: Sequence[Event]) -> list[Outcome]:
    """Append events whose entities exist; the others are errors."""
    ids = stored_entities.resolve(conn, target.tenant_id, _by_scope(link for item in items for link in item.links))
    return _append(conn, target, items, ids)


def _write_object_events(conn: Connection, target: Target, items: Sequence[Event]) -> list[Outcome]:
    """Append events, and create the objects that they name."""
    objects = [
        Entity(item.index, link.external_id, link.type, link.data or _NOTHING, link.scope)
        for item in items
        for link in item.links
    ]
    ids = stored_entities.ensure(conn, target.tenant_id, objects)
    return _append(conn, target, items, ids)


def _append(
    conn: Connection, target: Target, items: Sequence[Event], ids: Mapping[str, Mapping[str, int]]
) -> list[Outcome]:
    missing = [_first_missing(item, ids) for item in items]
    known = [item for item, absent in zip(items, missing, strict=True) if absent is None]
    stored = iter(stored_events.append(conn, target.tenant_id, known, ids) if known else [])
    return [
        Written(Effect.CREATED, *next(stored)) if absent is None else _no_entity(item.index, absent)
        for item, absent in zip(items, missing, strict=True)
    ]


def _write_states(conn: Connection, target: Target, items: Sequence[State]) -> list[Outcome]:
    """Set states whose entity exists; the others are errors."""
    ids = stored_entities.resolve(conn, target.tenant_id, {SCOPE: {item.external_id for item in items}})[SCOPE]
    known = [(item, ids[item.external_id]) for item in items if item.external_id in ids]
    effects = iter(stored_states.upsert(conn, known) if known else [])
    return [
        _PLAIN[next(effects)] if item.external_id in ids else _no_entity(item.index, item.external_id) for item in items
    ]


_NOTHING = msgspec.Raw(b"{}")


def _by_scope(named: Iterable[Entity | Link]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for each in named:
        names.setdefault(each.scope, set()).add(each.external_id)
    return names


def _first_missing(item: Event, ids: Mapping[str, Mapping[str, int]]) -> str | None:
    for link in item.links:
        if link.external_id not in ids[link.scope]:
            return link.external_id
    return None


def _no_entity(index: int, external_id: str) -> ItemError:
    return ItemError(index, external_id, "NOT_FOUND", f'Entity "{external_id}" does not exist')


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="entities",
            job_type="batch_ingest_entities",
            limit=1_000,
            block_items=1_000,
            schema=EntitySchema,
            key=attrgetter("external_id"),
            write=_write_entities,
        ),
        Kind(
            name="events",
            job_type="batch_ingest_events",
            limit=5_000,
            block_items=2_500,
            schema=EventSchema,
            key=None,
            write=_write_events,
        ),
        Kind(
            name="states",
            job_type="batch_ingest_states",
            limit=1_000,
            block_items=1_000,
            schema=StateSchema,
            key=attrgetter("external_id", "key"),
            write=_write_states,
        ),
        # The public face: ids are unique within a type, data is merged, and what an event names is created.
        Kind(
            name="objects",
            job_type="batch_ingest_objects",
            limit=100,
            block_items=1_000,
            schema=ObjectSchema,
            key=attrgetter("scope", "external_id"),
            write=_write_objects,
            keeps_results=True,
        ),
        Kind(
            name="object_events",
            job_type="batch_ingest_object_events",
            limit=100,
            block_items=1_000,
            schema=ObjectEventSchema,
            key=None,
            write=_write_object_events,
            keeps_results=True,
        ),
    )
}


@lru_cache(maxsize=1_000)
def schema_of(kind: Kind, template: Template | None) -> ItemSchema:
    """The kind's schema under a template, or under none. Building one costs as much as ten checks: it is kept."""
    return kind.schema(template)


def write_one(conn: Connection, kind: Kind, target: Target, template: Template | None, text: msgspec.Raw) -> Written:
    """A single call: the same check and write as a batch of one.

    Args:
        conn: an open transaction.
        kind: of the table above.
        target: where and how.
        template: by which to check; None for kinds that have none.
        text: the item, of the shape that it has in a batch.

    Returns:
        What became of it.

    Raises:
        InvalidInput: it is not of the kind's shape.
        ValidationFailed: it breaks the template.
        NotFound: its entity does not exist.
        WriteRefused: the database cannot store it.
    """
    item = schema_of(kind, template).check(0, text)
    outcome = item if isinstance(item, ItemError) else kind.write(conn, target, [item])[0]
    if isinstance(outcome, Written):
        return outcome
    raise _request_error(outcome)


def _request_error(error: ItemError) -> RequestError:
    if error.malformed:
        return InvalidInput(error.message)
    return NotFound(error.message) if error.code == "NOT_FOUND" else ValidationFailed(error.message)
