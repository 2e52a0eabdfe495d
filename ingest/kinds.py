"""THE TABLE OF KINDS: what Sluice takes in. The only file that lists them all; nothing else tells kinds apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ingest.checking import ItemSchema
from ingest.config import MOST_ITEM_BYTES
from ingest.db import entities as stored_entities
from ingest.db import erasure, growth
from ingest.db import events as stored_events
from ingest.db import states as stored_states
from ingest.db.entities import SCOPE
from ingest.db.events import Links
from ingest.db.pool import Connection
from ingest.entities import Entity, EntitySchema
from ingest.errors import InvalidInput, ItemTooLarge, NotFound, RequestError, UnknownField, ValidationFailed
from ingest.events import Event, EventSchema
from ingest.jobs import Effect, ItemError, ItemWarning
from ingest.late import past_retention
from ingest.object_events import ObjectEvent, ObjectEventSchema
from ingest.objects import Object, ObjectSchema
from ingest.states import State, StateSchema
from ingest.templates import Template


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to write.

    Attributes:
        tenant_id: whose data it is.
        merge: entities are merged, not replaced.
        item_bytes: the most of an item; merges may let an entity grow to 4 times as many.
    """

    tenant_id: int
    merge: bool
    item_bytes: int = MOST_ITEM_BYTES

    @property
    def most_bytes(self) -> int:
        """The most bytes of an entity that is merged."""
        return growth.most_bytes(self.item_bytes)


class Refusal(NamedTuple):
    """Why an item of the right shape was not written: an ItemError but for its index."""

    external_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of items, in the order given.

    Attributes:
        effects: one each.
        refusals: the reasons of those that FAILED, by their place.
        ids: a UUID's 16 bytes each, for kinds that return ids; empty for an item that FAILED.
        now: the time of events that were sent without one.
    """

    effects: list[Effect]
    refusals: dict[int, Refusal] = field(default_factory=dict)
    ids: list[bytes] = field(default_factory=list)
    now: datetime | None = None


def merge_outcomes(count: int, parts: Iterable[tuple[Sequence[int], Outcomes]]) -> Outcomes:
    """Merge the outcomes of items that were written in parts.

    Args:
        count: of all items.
        parts: each with the places of its items among all; together they have every place once.
    """
    effects, ids = [Effect.UNPROCESSED] * count, [b""] * count
    refusals: dict[int, Refusal] = {}
    now = None
    for places, part in parts:
        for place, effect in zip(places, part.effects, strict=True):
            effects[place] = effect
        for place, public_id in zip(places, part.ids, strict=False):
            ids[place] = public_id
        refusals |= {places[place]: refusal for place, refusal in part.refusals.items()}
        now = part.now or now
    return Outcomes(effects, refusals, ids, now)


def all_refused(*refusals: Refusal) -> Outcomes:
    """Return the outcomes of items that were all refused."""
    return Outcomes([Effect.FAILED] * len(refusals), dict(enumerate(refusals)))


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
        write: stores items as if they had come one after the other, and says what became of them.
        merges: what an item merges into which entities, where its data is to be merged.
        keeps_results: whether the id of each item that was taken can be read from its job.
        occurred_at: when an item happened, as its sender says; None for kinds that happen when they are written.
    """

    name: str
    job_type: str
    limit: int
    block_items: int
    schema: type[ItemSchema]
    key: Callable[[Any], Any] | None
    write: Callable[[Connection, Target, Sequence[Any]], Outcomes]
    merges: Callable[[Any], Sequence[Entity]] = lambda _item: ()
    keeps_results: bool = False
    occurred_at: Callable[[Any], datetime | None] | None = None


def _write_entities(conn: Connection, target: Target, items: Sequence[Entity]) -> Outcomes:
    effects = stored_entities.upsert(conn, target.tenant_id, items, merge=target.merge, most_bytes=target.most_bytes)
    return Outcomes(effects)


def _write_objects(conn: Connection, target: Target, items: Sequence[Object]) -> Outcomes:
    """As entities; and their ids are told."""
    effects = stored_entities.upsert(conn, target.tenant_id, items, merge=target.merge, most_bytes=target.most_bytes)
    names: dict[str, set[str]] = {}
    for item in items:
        names.setdefault(item.scope, set()).add(item.external_id)
    public_ids = stored_entities.public_ids(conn, target.tenant_id, names)
    return Outcomes(effects, ids=[public_ids[item.scope][item.external_id].bytes for item in items])


def _write_events(conn: Connection, target: Target, items: Sequence[Event]) -> Outcomes:
    """Append events whose entities exist; the others are refused."""

    def append(known: Sequence[Event], entity_ids: list[int]) -> Outcomes:
        return _append(conn, target, known, Links(range(len(known)), entity_ids, [""] * len(known)))

    return _where_known(conn, target, items, append)


def _write_object_events(conn: Connection, target: Target, items: Sequence[ObjectEvent]) -> Outcomes:
    """Append events, and create the objects that they name."""
    objects = [link for item in items for link in item.links]
    ids = stored_entities.ensure(conn, target.tenant_id, objects, most_bytes=target.most_bytes)
    places = [place for place, item in enumerate(items) for _ in item.links]
    return _append(conn, target, items, Links(places, ids, [link.qualifier for link in objects]))


def _append(conn: Connection, target: Target, events: Sequence[Event | ObjectEvent], links: Links) -> Outcomes:
    ids, now = stored_events.append(conn, target.tenant_id, events, links)
    return Outcomes([Effect.CREATED] * len(events), ids=ids, now=now)


def _write_states(conn: Connection, target: Target, items: Sequence[State]) -> Outcomes:
    """Set states whose entity exists; the others are refused."""

    def upsert(known: Sequence[State], entity_ids: list[int]) -> Outcomes:
        return Outcomes(stored_states.upsert(conn, target.tenant_id, known, entity_ids))

    erasure.keep_out(conn, target.tenant_id)
    return _where_known(conn, target, items, upsert)


def _where_known(
    conn: Connection, target: Target, items: Sequence[Any], write: Callable[[Sequence[Any], list[int]], Outcomes]
) -> Outcomes:
    """Write the items whose entity exists, given with their entities' internal ids; refuse the others."""
    names = [item.external_id for item in items]
    distinct = set(names)
    ids = stored_entities.resolve(conn, target.tenant_id, {SCOPE: distinct})[SCOPE]
    if len(ids) == len(distinct):
        return write(items, [ids[name] for name in names])
    known = [place for place, name in enumerate(names) if name in ids]
    missing = [place for place, name in enumerate(names) if name not in ids]
    parts = [(missing, all_refused(*(_no_entity(names[place]) for place in missing)))]
    if known:
        parts.append((known, write([items[place] for place in known], [ids[names[place]] for place in known])))
    return merge_outcomes(len(items), parts)


def _no_entity(external_id: str) -> Refusal:
    return Refusal(external_id, "NOT_FOUND", f'Entity "{external_id}" does not exist')


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
            merges=lambda item: (item,),
        ),
        Kind(
            name="events",
            job_type="batch_ingest_events",
            limit=5_000,
            block_items=2_500,
            schema=EventSchema,
            key=None,
            write=_write_events,
            occurred_at=attrgetter("occurred_at"),
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
        # The public API: ids are unique within a type, data is merged, and what an event names is created.
        Kind(
            name="objects",
            job_type="batch_ingest_objects",
            limit=100,
            block_items=1_000,
            schema=ObjectSchema,
            key=attrgetter("scope", "external_id"),
            write=_write_objects,
            merges=lambda item: (item,),
            keeps_results=True,
        ),
        Kind(
            name="object_events",
            job_type="batch_ingest_object_events",
            limit=100,
            block_items=2_500,
            schema=ObjectEventSchema,
            key=None,
            write=_write_object_events,
            merges=attrgetter("links"),
            keeps_results=True,
            occurred_at=attrgetter("occurred_at"),
        ),
    )
}


@lru_cache(maxsize=1_000)
def schema_of(kind: Kind, template: Template | None, most_bytes: int = MOST_ITEM_BYTES) -> ItemSchema:
    """The kind's schema under a template, or under none. Building one costs as much as ten checks: it is kept.

    Args:
        kind: of the items.
        template: None for kinds that have none.
        most_bytes: of an item.
    """
    return kind.schema(template, most_bytes)


class Written(NamedTuple):
    """The result of a single accepted item.

    Attributes:
        public_id: as the wire shows it; None for kinds that return no ids.
        now: the time of an event that was sent without one.
        warnings: for the item's sender.
    """

    effect: Effect
    public_id: UUID | None
    now: datetime | None
    warnings: Sequence[ItemWarning] = ()


def only_outcome(outcomes: Outcomes) -> Written | Refusal:
    """Return the outcome of the only item."""
    if outcomes.refusals:
        return outcomes.refusals[0]
    [effect] = outcomes.effects
    return Written(effect, UUID(bytes=outcomes.ids[0]) if outcomes.ids else None, outcomes.now)


def late(
    conn: Connection, kind: Kind, target: Target, items: Sequence[Any], indexes: Sequence[int]
) -> list[ItemWarning]:
    """Warn of the items whose time is already past the tenant's retention."""
    if kind.occurred_at is None:
        return []
    return past_retention(conn, target.tenant_id, list(map(kind.occurred_at, items)), indexes)


def write_one(
    conn: Connection, kind: Kind, target: Target, schema: ItemSchema, text: msgspec.Raw, *, strict: bool = False
) -> Written:
    """Check and write one item, by the same code as a batch of one.

    Args:
        conn: an open transaction.
        kind: of the table above.
        target: where and how to write it.
        schema: of the kind; checks the item.
        text: the item, of the shape that it has in a batch.
        strict: refuse members that the item should not have.

    Returns:
        The outcome.

    Raises:
        InvalidInput: the item is not of the kind's shape.
        ValidationFailed: it breaks the template.
        UnknownField: it has a member that it should not have, and this is strict.
        ItemTooLarge: it has too many bytes, or its numbers would read back as too many.
        NotFound: its entity does not exist.
        WriteRefused: the database cannot store it.
    """
    warnings: list[ItemWarning] = []
    item = schema.check(0, text, warnings, strict=strict)
    if isinstance(item, ItemError):
        raise _refusal(item)
    outcome = only_outcome(kind.write(conn, target, [item]))
    if isinstance(outcome, Refusal):
        raise NotFound(outcome.message)
    return outcome._replace(warnings=[*warnings, *late(conn, kind, target, [item], [0])])


def _refusal(error: ItemError) -> RequestError:
    if error.malformed:
        return InvalidInput(error.message)
    kinds: tuple[type[RequestError], ...] = (UnknownField, ItemTooLarge)
    return next((kind for kind in kinds if kind.code == error.code), ValidationFailed)(error.message)
