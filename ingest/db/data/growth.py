"""Bound the size to which merges may let an entity grow: each item is bounded by itself, and the row must be, too.

Every read and every further merge handles the whole row, and no batch could ever be finished that merges into some of a
hundred megabytes. Where several merges of a batch are written as one, that one counts.
"""

from collections.abc import Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Any, LiteralString

from ingest.db.bulk import binary
from ingest.db.bulk.binary import IntegerArray, JsonbArray, TextArray
from ingest.db.connection.pool import Connection
from ingest.items.entities import Entity
from ingest.settings import MOST_ITEM_BYTES

# The most JSON text of an entity as it is read back: so many times the bytes of the largest item.
_ITEMS = 4
MOST_BYTES = _ITEMS * MOST_ITEM_BYTES


def most_bytes(item_bytes: int) -> int:
    """Return the most bytes of an entity where an item may have so many."""
    return _ITEMS * item_bytes


def harmless_bytes(most: int) -> int:
    """Return below how many bytes of jsonb its text cannot be over the most: few rows cost a look at their text.

    At worst a number with an exponent of 999 takes 12 bytes there, and 1,004 in the text.
    """
    return most // 100


def message(most: int) -> str:
    """Return what to say of a merge that lets an entity grow over the most bytes."""
    return (
        f"Merged, the data of the entity would be over {most} bytes: remove fields (null removes one), "
        "or keep less in one entity"
    )


_MOST: LiteralString = "%(most_bytes)s::integer"

# Three bytes are four of base64.
MOST_IN_BASE64: LiteralString = f"{_MOST} / 3 * 4"


def guard(old: LiteralString, sent: LiteralString, new: LiteralString, *, most: LiteralString = _MOST) -> LiteralString:
    """Return a condition that is true, or divides by zero if a row would grow too large.

    A row that is too large already, as one of before may be, can still be made smaller. The statement needs the
    parameters of `bounds`; `ingest.db.connection.errors` takes a division by zero for TooLarge.

    Args:
        old: the properties that are stored.
        sent: those that are merged into them.
        new: both, merged.
        most: bytes of text, in SQL.
    """
    return f"""1 / CASE
        WHEN pg_column_compression({old}) IS NULL
             AND pg_column_size({old}) + pg_column_size({sent}) < %(harmless_bytes)s::integer THEN 1
        WHEN pg_column_size({new}) < %(harmless_bytes)s::integer THEN 1
        WHEN octet_length({new}::text) <= {most} THEN 1
        WHEN octet_length({new}::text) <= octet_length({old}::text) THEN 1
        ELSE 0 END = 1"""


def bounds(most: int) -> dict[str, int]:
    """Return the parameters of a statement with the guard."""
    return {"most_bytes": most, "harmless_bytes": harmless_bytes(most)}


# The bytes of text of the rows, and of the members that merges name: `place` 0 is the row that is there, a `key` of
# NULL all of it. A member stands between a colon, a comma or a bracket, and two spaces; one that a merge removes
# takes nothing.
_SIZES = """
WITH sent AS MATERIALIZED (
    SELECT s.no, s.place, m.key, nullif(m.value, 'null') AS value
    FROM unnest(%(nos)b::integer[], %(properties)b::jsonb[]) WITH ORDINALITY AS s (no, properties, place)
    CROSS JOIN jsonb_each(s.properties) m
), named AS (SELECT no, array_agg(DISTINCT key) AS keys FROM sent GROUP BY no
), stored AS MATERIALIZED (
    SELECT k.no, e.properties
    FROM unnest(%(scopes)b::text[], %(external_ids)b::text[]) WITH ORDINALITY AS k (scope, external_id, no)
    CROSS JOIN LATERAL (
        SELECT properties FROM entities
        WHERE tenant_id = %(tenant_id)s AND scope = k.scope AND external_id = k.external_id LIMIT 1) e
)
SELECT no, 0 AS place, NULL AS key, octet_length(properties::text) FROM stored
UNION ALL
SELECT no, 0, m.key, octet_length(to_json(m.key)::text) + octet_length(m.value::text) + 4
FROM stored JOIN named USING (no)
CROSS JOIN LATERAL (SELECT key, value FROM jsonb_each(properties) WHERE key = ANY (keys)) m
UNION ALL
SELECT no, place, key, coalesce(octet_length(to_json(key)::text) + octet_length(value::text) + 4, 0) FROM sent
"""
_EMPTY_BYTES = 2


def too_large(
    conn: Connection, tenant_id: int, items: Sequence[Sequence[Entity]], *, most: int = MOST_BYTES
) -> list[int]:
    """Find the items that would let a row grow too large if they came one after the other, each as a whole or not.

    Args:
        conn: an open transaction; the rows are not locked, so others may let them grow before the items are written.
        tenant_id: whose.
        items: what each of them merges.
        most: bytes of a row.

    Returns:
        Their places.
    """
    merges = [merge for item in items for merge in item]
    keys = list(map(attrgetter("scope", "external_id"), merges))
    nos = {key: no for no, key in enumerate(dict.fromkeys(keys), 1)}
    values = {
        "tenant_id": tenant_id,
        "scopes": binary.array(TextArray, binary.texts(scope for scope, _ in nos)),
        "external_ids": binary.array(TextArray, binary.texts(external_id for _, external_id in nos)),
        "nos": binary.array(IntegerArray, binary.integers(nos[key] for key in keys)),
        "properties": binary.array(JsonbArray, binary.documents(merge.data for merge in merges)),
    }
    rows = dict.fromkeys(nos.values(), _EMPTY_BYTES)
    members: dict[tuple[int, str], int] = {}
    brought: list[list[tuple[int, str, int]]] = [[] for _ in merges]
    # Planned anew: a plan that was kept since there were no entities may go through all of them.
    found: Any = conn.execute(_SIZES, values, binary=True, prepare=False)
    for no, place, key, size in found:
        if place:
            brought[place - 1].append((no, key, size))
        elif key is None:
            rows[no] = size
        else:
            members[no, key] = size
    places, left = [], iter(brought)
    for place, item in enumerate(items):
        sizes, changed = dict[int, int](), dict[tuple[int, str], int]()
        for no, key, size in chain.from_iterable(islice(left, len(item))):
            before = changed.get((no, key), members.get((no, key), 0))
            sizes[no] = sizes.get(no, rows[no]) + size - before
            changed[no, key] = size
        if any(size > max(most, rows[no]) for no, size in sizes.items()):
            places.append(place)
        else:
            rows |= sizes
            members |= changed
    return places
