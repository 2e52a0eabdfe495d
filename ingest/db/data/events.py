"""Events in Postgres: append-only, each with its links in the same transaction.

COPY stores those that have no id of their sender's. Of the others any may be there already, which COPY would fail for.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk import binary
from ingest.db.bulk.binary import BigintArray, Field, IntegerArray, JsonbArray, TextArray, TimestampArray, UuidArray
from ingest.db.bulk.copy_rows import copy_rows, target
from ingest.db.connection.pool import Connection
from ingest.db.data.entities import SCOPE
from ingest.ids import uuid7s
from ingest.items.events import Event
from ingest.items.object_events import ObjectEvent

# Ids before the rows, since COPY returns none and the links need them. In the order sent. Each that is drawn stands for
# all up to the next that can be: as many are drawn as it takes.
_IDS = """
SELECT now(), q.seqincrement, array_agg(nextval(q.seqrelid))
FROM pg_sequence q CROSS JOIN LATERAL generate_series(1, %s, q.seqincrement)
WHERE q.seqrelid = 'events_id_seq'::regclass GROUP BY q.seqincrement
"""
_EVENTS = target(
    "events",
    id=BigintArray,
    public_id=UuidArray,
    tenant_id=IntegerArray,
    type=TextArray,
    properties=JsonbArray,
    occurred_at=TimestampArray,
)
_LINKS = target(
    "event_entities",
    tenant_id=IntegerArray,
    entity_id=BigintArray,
    occurred_at=TimestampArray,
    event_id=BigintArray,
    qualifier=TextArray,
)


class Links(NamedTuple):
    """Columns of links: of which event, by its place; to which entity, by its internal id; in which part."""

    places: Sequence[int]
    entity_ids: Sequence[int]
    qualifiers: Sequence[str]


class Appended(NamedTuple):
    """The result of storing events.

    Attributes:
        public_ids: of each event, a UUID's 16 bytes; a duplicate has that of the first event with its id.
        duplicates: the places of events that were not stored, since the tenant has an event with their id.
        now: when those occurred whose sender left that to us.
    """

    public_ids: list[bytes]
    duplicates: Collection[int]
    now: datetime


class _Rows(NamedTuple):
    """Columns of events, in the order sent."""

    ids: Sequence[Field]
    public_ids: Sequence[bytes]
    timestamps: Sequence[Field]
    events: Sequence[Event | ObjectEvent]

    def at(self, places: Sequence[int]) -> "_Rows":
        """Return those of the events at some places, in the order of these."""
        return _Rows(*([column[place] for place in places] for column in self))  # type: ignore[arg-type] # the columns


def append(
    conn: Connection, tenant_id: int, events: Sequence[Event | ObjectEvent], link: Callable[[Sequence[int]], Links]
) -> Appended:
    """Store events, but those whose id the tenant has stored already, or comes twice among them.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        events: in the order sent. Those with an id are locked in the order of their ids, and before any entity is, so
            that two writers cannot deadlock.
        link: is given the places of the events that are stored, and returns the links to the entities that they name.
    """
    now: Any
    [(now, many, firsts)] = conn.execute(_IDS, (len(events),), binary=True).fetchall()
    numbers = chain.from_iterable(range(first, first + many) for first in firsts)  # type: ignore[attr-defined] # integers
    ids = list(binary.bigints(islice(numbers, len(events))))
    timestamps = _timestamps([event.occurred_at for event in events], now)
    public_ids = list(uuid7s(len(events)))
    rows = unnamed = _Rows(ids, public_ids, timestamps, events)
    duplicates: dict[int, bytes] = {}
    stored: Sequence[int] = range(len(events))
    event_ids = [event.event_id for event in events]
    if event_ids.count(None) < len(events):
        duplicates = _insert(conn, tenant_id, rows, event_ids)
        stored = [place for place in stored if place not in duplicates]
        unnamed = rows.at([place for place in stored if event_ids[place] is None])
    if stored:
        links = link(stored)
        with _copying(conn, tenant_id, unnamed):
            links = _each_once(links)
            of_links = _columns(tenant_id, links, ids, timestamps)
        with copy_rows(conn, _LINKS, len(links.places), of_links):
            pass
    for place, first in duplicates.items():
        public_ids[place] = first
    return Appended(public_ids, duplicates.keys(), now)


def _copying(conn: Connection, tenant_id: int, rows: _Rows) -> AbstractContextManager[None]:
    """Store events without ids by COPY, while the block runs."""
    if not rows.ids:
        return nullcontext()
    columns = (
        rows.ids,
        binary.uuids(rows.public_ids),
        binary.same_integer(tenant_id),
        binary.names([event.type for event in rows.events]),
        binary.documents(event.data for event in rows.events),
        rows.timestamps,
    )
    return copy_rows(conn, _EVENTS, len(rows.ids), columns)


# An id that another transaction has just inserted is waited for: it is there if that commits, and ours if not.
_INSERT = """
INSERT INTO events (id, public_id, tenant_id, type, properties, occurred_at, external_id)
SELECT i.id, i.public_id, %(tenant_id)s, i.type, i.properties, i.occurred_at, i.external_id
FROM unnest(%(ids)b::bigint[], %(public_ids)b::uuid[], %(types)b::text[], %(properties)b::jsonb[],
            %(timestamps)b::timestamptz[], %(external_ids)b::text[])
     AS i (id, public_id, type, properties, occurred_at, external_id)
ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
"""


def _insert(conn: Connection, tenant_id: int, rows: _Rows, event_ids: Sequence[str | None]) -> dict[int, bytes]:
    """Store the events that have an id, each id once.

    Returns:
        The places of those that were not stored, each with the public id of the first event with its id.
    """
    named = {place: event_id for place, event_id in enumerate(event_ids) if event_id is not None}
    duplicates: dict[int, bytes] = {}
    # In the order of the ids, the same for all writers; of equal ones the first sent comes first, and is stored.
    places = sorted(named, key=named.__getitem__)
    while places:
        sent = rows.at(places)
        values = {
            "tenant_id": tenant_id,
            "ids": binary.array(BigintArray, sent.ids),
            "public_ids": binary.array(UuidArray, binary.uuids(sent.public_ids)),
            "types": binary.array(TextArray, binary.names([event.type for event in sent.events])),
            "properties": binary.array(JsonbArray, binary.documents(event.data for event in sent.events)),
            "timestamps": binary.array(TimestampArray, sent.timestamps),
            "external_ids": binary.array(TextArray, binary.texts(named[place] for place in places)),
        }
        if conn.execute(_INSERT, values).rowcount == len(places):
            break
        firsts = find(conn, tenant_id, {named[place] for place in places})
        for place in places:
            first = firsts.get(named[place])
            if first is not None and first.public_id.bytes != rows.public_ids[place]:
                duplicates[place] = first.public_id.bytes
        # A first event that retention has deleted since is no first any more.
        places = [place for place in places if named[place] not in firsts]
    return duplicates


class First(NamedTuple):
    """The event that a tenant has stored under an id of its sender's."""

    public_id: UUID
    type: str
    occurred_at: datetime


_FIND = """
SELECT k.external_id, v.public_id, v.type, v.occurred_at
FROM unnest(%(external_ids)b::text[]) AS k (external_id)
CROSS JOIN LATERAL (
    SELECT public_id, type, occurred_at FROM events
    WHERE tenant_id = %(tenant_id)s AND external_id = k.external_id LIMIT 1) v
"""


def find(conn: Connection, tenant_id: int, event_ids: Collection[str]) -> dict[str, First]:
    """Return those of a tenant's events that have these ids, by id.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        event_ids: as their sender gave them.
    """
    values = {"tenant_id": tenant_id, "external_ids": binary.array(TextArray, binary.texts(event_ids))}
    found: Any = conn.execute(_FIND, values, binary=True)
    return {event_id: First(*first) for event_id, *first in found}


def _timestamps(occurred: list[datetime | None], now: datetime) -> list[Field]:
    if occurred.count(None) == len(occurred):
        return list(binary.timestamps([now])) * len(occurred)
    return list(binary.timestamps(timestamp or now for timestamp in occurred))


def _columns(tenant_id: int, links: Links, ids: Sequence[Field], timestamps: Sequence[Field]) -> list[Iterable[Field]]:
    # In the order of the entities, neighbours share a page of the index.
    order = sorted(range(len(links.places)), key=links.entity_ids.__getitem__)
    places = [links.places[link] for link in order]
    return [
        binary.same_integer(tenant_id),
        binary.bigints([links.entity_ids[link] for link in order]),
        [timestamps[place] for place in places],
        [ids[place] for place in places],
        binary.names([links.qualifiers[link] for link in order]),
    ]


def _each_once(links: Links) -> Links:
    """Named twice in the same part, an entity takes part once."""
    count = len(links.places)
    # As numbers: thousands of tuples would make Python's garbage collector run.
    if (
        len({entity_id * count + place for place, entity_id in zip(links.places, links.entity_ids, strict=True)})
        == count
    ):
        return links
    return Links(*zip(*dict.fromkeys(zip(*links, strict=True)), strict=True))


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is read back.

    Attributes:
        properties: its JSON text, numbers as they were sent.
        more: the entity has older ones.
    """

    id: int
    public_id: UUID
    type: str
    properties: str
    occurred_at: datetime
    created_at: datetime
    more: bool


# A page ends behind the event with which it has so many bytes of JSON: 500 of the largest would take gigabytes of the
# processes that hand them on.
_MOST_BYTES = 8 * 1024 * 1024

# The links come first: their primary key holds an entity's events in just this order, and LATERAL … LIMIT has each
# event looked up by itself, until the page is full. A join may read all events of the entity, and sort them.
# The text of a small row is not measured, since that would cost as much as to read it.
_OF_ENTITY = f"""
WITH page AS (
    SELECT v.*
    FROM entities e CROSS JOIN LATERAL (
        SELECT v.*,
               CASE WHEN pg_column_compression(v.properties) IS NULL AND pg_column_size(v.properties) < 2000
                    THEN pg_column_size(v.properties) ELSE octet_length(v.properties::text) END AS size
        FROM event_entities l CROSS JOIN LATERAL (
            SELECT id, public_id, type, properties, occurred_at, created_at FROM events
            WHERE id = l.event_id AND tenant_id = l.tenant_id AND (%(type)s::text IS NULL OR type = %(type)s) LIMIT 1) v
        WHERE l.tenant_id = e.tenant_id AND l.entity_id = e.id
          AND (%(occurred_at)s::timestamptz IS NULL OR (l.occurred_at, l.event_id) < (%(occurred_at)s, %(id)s::bigint))
        ORDER BY l.occurred_at DESC, l.event_id DESC
        LIMIT %(limit)s + 1) v
    WHERE e.tenant_id = %(tenant_id)s AND e.scope = %(scope)s AND e.external_id = %(external_id)s
      AND (e.deleted_at IS NULL OR %(of_deleted)s)
), measured AS (
    SELECT page.*, row_number() OVER newest AS place, sum(size) OVER newest - size AS before,
           lead(id) OVER newest IS NOT NULL AS more
    FROM page
    WINDOW newest AS (ORDER BY occurred_at DESC, id DESC ROWS UNBOUNDED PRECEDING)
)
SELECT id, public_id, type, properties::text, occurred_at, created_at, more
FROM measured WHERE before < {_MOST_BYTES} AND place <= %(limit)s
ORDER BY occurred_at DESC, id DESC
"""


def of_entity(
    conn: Connection,
    tenant_id: int,
    external_id: str,
    *,
    limit: int,
    event_type: str | None = None,
    before: tuple[datetime, int] | None = None,
    of_deleted: bool = False,
    scope: str = SCOPE,
) -> list[EventRow]:
    """Return a page of an entity's events, newest first, and of those of one time the last sent first.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's; of one that does not exist, or was deleted, there are no events.
        limit: the most to return; fewer where they are large.
        event_type: only those of this type.
        before: `(occurred_at, id)` of the last event of the page before.
        of_deleted: also of an entity that was deleted.
        scope: in which the external id is the entity's.
    """
    occurred_at, last_id = before or (None, None)
    values = {
        "tenant_id": tenant_id,
        "scope": scope,
        "external_id": external_id,
        "type": event_type,
        "occurred_at": occurred_at,
        "id": last_id,
        "limit": limit,
        "of_deleted": of_deleted,
    }
    with conn.cursor(row_factory=class_row(EventRow)) as cursor:
        return cursor.execute(_OF_ENTITY, values).fetchall()
