"""Events in Postgres: append-only, each with its links in the same transaction.

COPY stores those that have no id of their sender's. Of the others any may be there already, which COPY would fail for.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import chain, islice
from typing import Any, NamedTuple

from ingest.db.bulk import binary
from ingest.db.bulk.binary import BigintArray, Field, IntegerArray, JsonbArray, TextArray, TimestampArray, UuidArray
from ingest.db.bulk.copy_rows import copy_rows, target
from ingest.db.connection.pool import Connection
from ingest.db.data import event_links, first_events
from ingest.db.data.event_links import Links
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
            links = event_links.each_once(links)
            of_links = event_links.columns(tenant_id, links, ids, timestamps)
        with copy_rows(conn, event_links.LINKS, len(links.places), of_links):
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
        firsts = first_events.find(conn, tenant_id, {named[place] for place in places})
        for place in places:
            first = firsts.get(named[place])
            if first is not None and first.public_id.bytes != rows.public_ids[place]:
                duplicates[place] = first.public_id.bytes
        # A first event that retention has deleted since is no first any more.
        places = [place for place in places if named[place] not in firsts]
    return duplicates


def _timestamps(occurred: list[datetime | None], now: datetime) -> list[Field]:
    if occurred.count(None) == len(occurred):
        return list(binary.timestamps([now])) * len(occurred)
    return list(binary.timestamps(timestamp or now for timestamp in occurred))
