"""The writers of kinds: each stores items as if they had come one after the other, and says what became of each.

`ingest.engine.writing` calls them, and handles what the database refuses.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.db.connection.pool import Connection
from ingest.db.data import entities as stored_entities
from ingest.db.data import entity_lookup, erasure, first_events, growth, linked_objects
from ingest.db.data import events as stored_events
from ingest.db.data import states as stored_states
from ingest.db.data.event_links import Links
from ingest.engine.outcomes import Outcomes, Refusal, all_refused, merge_outcomes
from ingest.errors import NotFound
from ingest.items.entities import SCOPE, Entity
from ingest.items.events import Event
from ingest.items.object_events import ObjectEvent
from ingest.items.personal import Protection
from ingest.items.states import State
from ingest.jobs import Effect
from ingest.settings import MOST_ITEM_BYTES


@dataclass(frozen=True, slots=True)
class Target:
    """The tenant to write for, and the way to write.

    Attributes:
        tenant_id: whose data it is.
        merge: entities are merged, not replaced.
        item_bytes: the most of an item; merges may let an entity grow to 4 times as many.
        with_ids: the public ids of entities are wanted, too; objects and events return theirs in any case.
        protection: seals the personal data of items; None where their template has none.
    """

    tenant_id: int
    merge: bool
    item_bytes: int = MOST_ITEM_BYTES
    with_ids: bool = False
    protection: Protection | None = None

    @property
    def most_bytes(self) -> int:
        """The most bytes of an entity that is merged."""
        return growth.most_bytes(self.item_bytes)


def write_entities(conn: Connection, target: Target, items: Sequence[Entity]) -> Outcomes:
    """Upsert entities, and return their public ids if these are wanted."""
    if target.with_ids:
        return write_objects(conn, target, items)
    return Outcomes(_upsert(conn, target, items))


def write_objects(conn: Connection, target: Target, items: Sequence[Entity]) -> Outcomes:
    """Upsert objects, which are entities, and return their public ids."""
    effects = _upsert(conn, target, items)
    names: dict[str, set[str]] = {}
    for item in items:
        names.setdefault(item.scope, set()).add(item.external_id)
    public_ids = entity_lookup.public_ids(conn, target.tenant_id, names)
    return Outcomes(effects, ids=[public_ids[item.scope][item.external_id].bytes for item in items])


def _upsert(conn: Connection, target: Target, items: Sequence[Entity]) -> list[Effect]:
    return stored_entities.upsert(
        conn, target.tenant_id, items, merge=target.merge, most_bytes=target.most_bytes, protection=target.protection
    )


def write_events(conn: Connection, target: Target, items: Sequence[Event]) -> Outcomes:
    """Append events whose entities exist; refuse the others."""

    def append(known: Sequence[Event], entity_ids: list[int]) -> Outcomes:
        def link(stored: Sequence[int]) -> Links:
            of_stored = entity_ids if len(stored) == len(known) else [entity_ids[place] for place in stored]
            return Links(stored, of_stored, [""] * len(stored))

        return _append(conn, target, known, link)

    outcomes = _where_known(conn, target, items, append)
    _mark_refused_duplicates(conn, target, items, outcomes)
    return outcomes


def _mark_refused_duplicates(conn: Connection, target: Target, items: Sequence[Event], outcomes: Outcomes) -> None:
    """Change the outcome of refused events whose id is stored: an event sent again is a duplicate, entity or not."""
    named = {place: event_id for place in outcomes.refusals if (event_id := items[place].event_id) is not None}
    if not named:
        return
    created = {
        items[place].event_id: place for place, effect in enumerate(outcomes.effects) if effect is Effect.CREATED
    }
    firsts = first_events.find(conn, target.tenant_id, set(named.values()))
    for place, event_id in named.items():
        # One that was stored only by a later item of these came after it.
        if event_id in firsts and created.get(event_id, -1) < place:
            outcomes.effects[place] = Effect.DUPLICATE
            outcomes.ids[place] = firsts[event_id].public_id.bytes
            del outcomes.refusals[place]


def write_object_events(conn: Connection, target: Target, items: Sequence[ObjectEvent]) -> Outcomes:
    """Append events, and create the objects that they name. A duplicate leaves nothing, its objects included."""

    def link(stored: Sequence[int]) -> Links:
        objects = [link for place in stored for link in items[place].links]
        ids = linked_objects.ensure(conn, target.tenant_id, objects, most_bytes=target.most_bytes)
        places = [place for place in stored for _ in items[place].links]
        return Links(places, ids, [link.qualifier for link in objects])

    return _append(conn, target, items, link)


def _append(
    conn: Connection,
    target: Target,
    events: Sequence[Event | ObjectEvent],
    link: Callable[[Sequence[int]], Links],
) -> Outcomes:
    appended = stored_events.append(conn, target.tenant_id, events, link)
    effects = [Effect.CREATED] * len(events)
    for place in appended.duplicates:
        effects[place] = Effect.DUPLICATE
    return Outcomes(effects, ids=appended.public_ids, now=appended.now)


def likely_duplicates(conn: Connection, target: Target, items: Sequence[ObjectEvent]) -> Collection[int]:
    """Return the places of events whose id is stored, or comes earlier among them."""
    named = {place: event_id for place, item in enumerate(items) if (event_id := item.event_id) is not None}
    if not named:
        return ()
    earlier = {event_id: place for place, event_id in reversed(named.items())}
    firsts = first_events.find(conn, target.tenant_id, earlier)
    return {place for place, event_id in named.items() if event_id in firsts or earlier[event_id] < place}


def write_states(conn: Connection, target: Target, items: Sequence[State]) -> Outcomes:
    """Set states whose entity exists; refuse the others."""

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
    ids = entity_lookup.resolve(conn, target.tenant_id, {SCOPE: distinct})[SCOPE]
    if len(ids) == len(distinct):
        return write(items, [ids[name] for name in names])
    known = [place for place, name in enumerate(names) if name in ids]
    missing = [place for place, name in enumerate(names) if name not in ids]
    parts = [(missing, all_refused(*(_no_entity(names[place]) for place in missing)))]
    if known:
        parts.append((known, write([items[place] for place in known], [ids[names[place]] for place in known])))
    return merge_outcomes(len(items), parts)


def _no_entity(external_id: str) -> Refusal:
    return Refusal(external_id, NotFound.code, f'Entity "{external_id}" does not exist')
