"""Events in Postgres: append-only, by COPY, each with its links in the same transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk import binary
from ingest.db.bulk.binary import Field
from ingest.db.bulk.copy_rows import copy_rows
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
_COPY_EVENTS = "COPY events (id, public_id, tenant_id, type, properties, occurred_at) FROM STDIN (FORMAT BINARY)"
_COPY_LINKS = "COPY event_entities (entity_id, occurred_at, event_id, qualifier) FROM STDIN (FORMAT BINARY)"


class Links(NamedTuple):
    """Columns of links: of which event, by its place; to which entity, by its internal id; in which part."""

    places: Sequence[int]
    entity_ids: Sequence[int]
    qualifiers: Sequence[str]


def append(
    conn: Connection, tenant_id: int, events: Sequence[Event | ObjectEvent], links: Links
) -> tuple[list[bytes], datetime]:
    """Store events.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        events: in the order sent.
        links: to the entities that they name.

    Returns:
        The public id of each, a UUID's 16 bytes; and when those occurred whose sender left that to us.
    """
    now: Any
    [(now, many, firsts)] = conn.execute(_IDS, (len(events),), binary=True).fetchall()
    numbers = chain.from_iterable(range(first, first + many) for first in firsts)  # type: ignore[attr-defined] # integers
    ids = list(binary.bigints(islice(numbers, len(events))))
    timestamps = _timestamps([event.occurred_at for event in events], now)
    public_ids = uuid7s(len(events))
    columns = (
        ids,
        binary.uuids(public_ids),
        binary.same_integer(tenant_id),
        binary.names([event.type for event in events]),
        binary.documents(event.data for event in events),
        timestamps,
    )
    with copy_rows(conn, _COPY_EVENTS, len(events), columns):
        links = _each_once(links)
        of_links = _columns(links, ids, timestamps)
    with copy_rows(conn, _COPY_LINKS, len(links.places), of_links):
        pass
    return public_ids, now


def _timestamps(occurred: list[datetime | None], now: datetime) -> list[Field]:
    if occurred.count(None) == len(occurred):
        return list(binary.timestamps([now])) * len(occurred)
    return list(binary.timestamps(timestamp or now for timestamp in occurred))


def _columns(links: Links, ids: Sequence[Field], timestamps: Sequence[Field]) -> list[Iterable[Field]]:
    # In the order of the entities, neighbours share a page of the index.
    order = sorted(range(len(links.places)), key=links.entity_ids.__getitem__)
    places = [links.places[link] for link in order]
    return [
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

# The links come first: their primary key holds an entity's events in just this order. The text of a small row is not
# measured, since that would cost as much as to read it.
_OF_ENTITY = f"""
WITH page AS (
    SELECT v.*
    FROM entities e CROSS JOIN LATERAL (
        SELECT v.id, v.public_id, v.type, v.properties, v.occurred_at, v.created_at,
               CASE WHEN pg_column_compression(v.properties) IS NULL AND pg_column_size(v.properties) < 2000
                    THEN pg_column_size(v.properties) ELSE octet_length(v.properties::text) END AS size
        FROM event_entities l JOIN events v ON v.id = ANY (ARRAY[l.event_id])
        WHERE l.entity_id = e.id
          AND (%(type)s::text IS NULL OR v.type = %(type)s)
          AND (%(occurred_at)s::timestamptz IS NULL OR (l.occurred_at, l.event_id) < (%(occurred_at)s, %(id)s::bigint))
        ORDER BY l.occurred_at DESC, l.event_id DESC
        LIMIT %(limit)s + 1) v
    WHERE e.tenant_id = %(tenant_id)s AND e.scope = %(scope)s AND e.external_id = %(external_id)s
      AND e.deleted_at IS NULL
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
) -> list[EventRow]:
    """Return a page of an entity's events, newest first, and of those of one time the last sent first.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        external_id: the entity's; of one that does not exist, or was deleted, there are no events.
        limit: the most to return; fewer where they are large.
        event_type: only those of this type.
        before: `(occurred_at, id)` of the last event of the page before.
    """
    occurred_at, last_id = before or (None, None)
    values = {
        "tenant_id": tenant_id,
        "scope": SCOPE,
        "external_id": external_id,
        "type": event_type,
        "occurred_at": occurred_at,
        "id": last_id,
        "limit": limit,
    }
    with conn.cursor(row_factory=class_row(EventRow)) as cursor:
        return cursor.execute(_OF_ENTITY, values).fetchall()
