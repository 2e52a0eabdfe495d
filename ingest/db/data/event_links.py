"""Links of events to the entities that take part in them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ingest.db.bulk import binary
from ingest.db.bulk.binary import BigintArray, Field, IntegerArray, TextArray, TimestampArray
from ingest.db.bulk.copy_rows import target

LINKS = target(
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


def columns(tenant_id: int, links: Links, ids: Sequence[Field], timestamps: Sequence[Field]) -> list[Iterable[Field]]:
    """Return the columns of links.

    Args:
        tenant_id: whose.
        links: to entities, of events by their places.
        ids: of all events.
        timestamps: likewise.
    """
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


def each_once(links: Links) -> Links:
    """Return the links without repeats: named twice in the same part, an entity takes part once."""
    count = len(links.places)
    # As numbers: thousands of tuples would make Python's garbage collector run.
    if (
        len({entity_id * count + place for place, entity_id in zip(links.places, links.entity_ids, strict=True)})
        == count
    ):
        return links
    return Links(*zip(*dict.fromkeys(zip(*links, strict=True)), strict=True))
