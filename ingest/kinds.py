"""THE TABLE OF KINDS: what Sluice takes in. The only file that lists them all; nothing else tells kinds apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from ingest.checking import ItemSchema
from ingest.db import entities as stored_entities
from ingest.db import events as stored_events
from ingest.db import states as stored_states
from ingest.db.pool import Connection
from ingest.entities import Entity, EntitySchema
from ingest.errors import InvalidInput, NotFound, RequestError, ValidationFailed
from ingest.events import Event, EventSchema
from ingest.jobs import Effect, ItemError
from ingest.states import State, StateSchema
from ingest.templates import Template


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to write: whose data it is, and whether entities are merged or replaced."""

    tenant_id: int
    merge: bool


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an item that was taken; `public_id` is None where the wire shows none or nothing was written."""

    effect: Effect
    public_id: UUID | None = None


Outcome = Written | ItemError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item.

    Attributes:
        name: as in the path of its batch call.
        job_type: as a job shows it.
        limit: the most items of one JSON request.
        block_items: the most items of one transaction.
        schema: what an item must be.
        key: what two items must share to be writes of the same row, and the order in which rows are locked; None where
            every item is a row of its own.
        write: stores items, of which no two share a key, and says what became of each, in the order given.
    """

    name: str
    job_type: str
    limit: int
    block_items: int
    schema: type[ItemSchema]
    key: Callable[[Any], Any] | None
    write: Callable[[Connection, Target, Sequence[Any]], list[Outcome]]


def _write_entities(conn: Connection, target: Target, items: Sequence[Entity]) -> list[Outcome]:
    written = stored_entities.upsert(conn, target.tenant_id, items, merge=target.merge)
    return [Written(effect, public_id) for effect, public_id in written]


def _write_events(conn: Connection, target: Target, items: Sequence[Event]) -> list[Outcome]:
    def append(known: list[tuple[Event, int]]) -> list[Outcome]:
        return [Written(Effect.CREATED, public_id) for public_id in stored_events.append(conn, target.tenant_id, known)]

    return _with_references(conn, target, items, append)


def _write_states(conn: Connection, target: Target, items: Sequence[State]) -> list[Outcome]:
    def upsert(known: list[tuple[State, int]]) -> list[Outcome]:
        return [Written(effect) for effect in stored_states.upsert(conn, known)]

    return _with_references(conn, target, items, upsert)


_Referring = TypeVar("_Referring", Event, State)


def _with_references(
    conn: Connection,
    target: Target,
    items: Sequence[_Referring],
    write: Callable[[list[tuple[_Referring, int]]], list[Outcome]],
) -> list[Outcome]:
    """Write the items whose entity exists; the others are errors."""
    ids = stored_entities.resolve(conn, target.tenant_id, {item.external_id for item in items})
    known = [(item, ids[item.external_id]) for item in items if item.external_id in ids]
    written = iter(write(known) if known else [])
    return [next(written) if item.external_id in ids else _no_entity(item) for item in items]


def _no_entity(item: Event | State) -> ItemError:
    return ItemError(item.index, item.external_id, "NOT_FOUND", f'Entity "{item.external_id}" does not exist')


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="entities",
            job_type="batch_ingest_entities",
            limit=1_000,
            block_items=1_000,
            schema=EntitySchema,
            key=lambda entity: entity.external_id,
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
            key=lambda state: (state.external_id, state.key),
            write=_write_states,
        ),
    )
}


@lru_cache(maxsize=1_000)
def schema_of(kind: Kind, template: Template) -> ItemSchema:
    """The kind's schema under a template. Building one costs as much as checking some ten items, so it is kept."""
    return kind.schema(template)


def write_one(conn: Connection, kind: Kind, target: Target, template: Template, text: msgspec.Raw) -> Written:
    """A single call: the same check and write as a batch of one.

    Args:
        conn: an open transaction.
        kind: of the table above.
        target: where and how.
        template: by which to check.
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
