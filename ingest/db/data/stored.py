"""Stored rows, read page by page: a tenant's entities, the states of its entities, and the events of its entities.

Only rows of the operator API are read, since no template judges those of the public API. The way to states and events
leads from entity to entity by the primary keys, so that it needs no index of its own, which each write would pay for.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

import msgspec

from ingest.db.connection.pool import Connection
from ingest.items.entities import SCOPE

# In the order in which they are read.
KINDS = ("entities", "states", "events")

# A page looks at so many rows at most, and ends where its documents are larger than this, as they are stored: Postgres
# compresses large ones, so that they may be a hundred times as much in memory.
MOST_ROWS = 2_000
_MOST_BYTES = 1024 * 1024


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place between two rows of a tenant.

    Attributes:
        kind: one of KINDS.
        external_id: of the entity that the last row belongs to; empty before the first row of a kind.
        key: of the last row, if it is a state.
        occurred_at: likewise, if it is an event.
        event_id: likewise; internal.
    """

    kind: str = KINDS[0]
    external_id: str = ""
    key: str = ""
    occurred_at: datetime | None = None
    event_id: int = 0


class StoredRow(NamedTuple):
    """A stored row.

    Attributes:
        external_id: of the entity, or of the one that it belongs to.
        name: the type of an entity or of an event, or the key of a state.
        document: its data or its value, as JSON text; without personal data.
        public_id: of an event.
        pii: of an entity, as of `ingest.items.personal.ProtectedEntity`; None where there is none.
    """

    external_id: str
    name: str
    document: str
    public_id: UUID | None = None
    pii: str | None = None


class Page(NamedTuple):
    """Some rows, one behind the other.

    Attributes:
        rows: they may be none, though there are others behind them.
        next_place: behind them; None at the end of all kinds.
    """

    rows: list[StoredRow]
    next_place: Place | None


# A tenant may have grown a thousandfold since its rows were last analysed. Postgres would then collect and sort all of
# them, page for page, as it does with few; these settings leave it the index alone.
_IN_THE_ORDER_OF_KEYS = "SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"


def page(conn: Connection, tenant_id: int, place: Place, *, limit: int = MOST_ROWS) -> Page:
    """Return the rows behind a place.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        place: as a page returned it.
        limit: the most rows to look at, 2 or more.
    """
    conn.execute(_IN_THE_ORDER_OF_KEYS)
    return {"entities": _entities, "states": _states, "events": _events}[place.kind](conn, tenant_id, place, limit)


_OF_TENANT: LiteralString = f"tenant_id = %(tenant_id)s AND scope = '{SCOPE}'"

_ENTITIES: LiteralString = f"""
SELECT external_id, type, properties::text, NULL, pii::text, gone FROM (
    SELECT external_id, type, properties, pii, deleted_at IS NOT NULL AS gone,
           sum(size) OVER (ORDER BY external_id ROWS UNBOUNDED PRECEDING) - size AS before
    FROM (
        SELECT external_id, type, properties, pii, deleted_at,
               pg_column_size(properties) + coalesce(pg_column_size(pii), 0) AS size
        FROM entities WHERE {_OF_TENANT} AND external_id > %(external_id)s
        ORDER BY external_id LIMIT %(limit)s) e) e
WHERE before < {_MOST_BYTES} ORDER BY external_id
"""


def _entities(conn: Connection, tenant_id: int, place: Place, limit: int) -> Page:
    values = {"tenant_id": tenant_id, "external_id": place.external_id, "limit": limit}
    rows = conn.execute(_ENTITIES, values).fetchall()
    if not rows:
        return Page([], _next_kind(place))
    found = [StoredRow(*row) for *row, gone in rows if not gone]  # type: ignore[arg-type] # as selected
    return Page(found, Place(place.kind, str(rows[-1][0])))


# The entities from that of the place on, each with what it has behind the place, or with nulls where that is nothing.
# A lateral join goes through them in their order, and LIMIT ends it early: an ORDER BY would have all of it sorted.
_BEHIND: LiteralString = f"""
SELECT {{columns}} FROM (
    SELECT *, sum(coalesce(pg_column_size({{document}}), 0)) OVER (ROWS UNBOUNDED PRECEDING)
                  - coalesce(pg_column_size({{document}}), 0) AS before
    FROM (
        SELECT * FROM (
            SELECT id, external_id FROM entities WHERE {_OF_TENANT} AND external_id >= %(external_id)s
            ORDER BY external_id LIMIT %(limit)s) e
        {{behind}}
        LIMIT %(limit)s) r) r
WHERE before < {_MOST_BYTES}
"""
_AT_PLACE: LiteralString = "CASE WHEN e.external_id = %(external_id)s THEN"
_STATES = _BEHIND.format(
    columns="external_id, key, value::text",
    document="value",
    behind=f"""LEFT JOIN LATERAL (
            SELECT key, value FROM states
            WHERE tenant_id = %(tenant_id)s AND entity_id = e.id AND key > {_AT_PLACE} %(key)s ELSE '' END
            ORDER BY key LIMIT %(limit)s) s ON true""",
)
_EVENTS = _BEHIND.format(
    columns="external_id, occurred_at, event_id, type, properties::text, public_id",
    document="properties",
    behind=f"""LEFT JOIN LATERAL (
            SELECT occurred_at, event_id FROM event_entities
            WHERE tenant_id = %(tenant_id)s AND entity_id = e.id
              AND (occurred_at, event_id) > ({_AT_PLACE} coalesce(%(occurred_at)s::timestamptz, '-infinity')
                                             ELSE '-infinity' END, {_AT_PLACE} %(event_id)s ELSE 0 END)
            ORDER BY occurred_at, event_id LIMIT %(limit)s) l ON true
        LEFT JOIN LATERAL (
            SELECT type, properties, public_id FROM events
            WHERE tenant_id = %(tenant_id)s AND id = l.event_id LIMIT 1) v ON true""",
)


def _states(conn: Connection, tenant_id: int, place: Place, limit: int) -> Page:
    values = {"tenant_id": tenant_id, "external_id": place.external_id, "key": place.key, "limit": limit}
    rows = conn.execute(_STATES, values).fetchall()
    if _is_through(rows, place):
        return Page([], _next_kind(place))
    found = [StoredRow(*row) for row in rows if row[1] is not None]  # type: ignore[arg-type] # as selected
    external_id, key, _ = rows[-1]
    return Page(found, Place(place.kind, str(external_id), key=str(key or "")))


def _events(conn: Connection, tenant_id: int, place: Place, limit: int) -> Page:
    values = {
        "tenant_id": tenant_id,
        "external_id": place.external_id,
        "occurred_at": place.occurred_at,
        "event_id": place.event_id,
        "limit": limit,
    }
    rows = conn.execute(_EVENTS, values).fetchall()
    if _is_through(rows, place):
        return Page([], _next_kind(place))
    # A purge by retention deletes links before events, or another one events first.
    found = [StoredRow(row[0], *row[3:]) for row in rows if row[5] is not None]  # type: ignore[arg-type] # as selected
    external_id, occurred_at, event_id, *_ = rows[-1]
    return Page(found, Place(place.kind, str(external_id), occurred_at=occurred_at, event_id=event_id or 0))  # type: ignore[arg-type] # likewise


def _is_through(rows: Sequence[Sequence[object]], place: Place) -> bool:
    """True if no row is behind the place, nor any entity."""
    return not rows or (len(rows) == 1 and rows[0][:2] == (place.external_id, None))


def _next_kind(place: Place) -> Place | None:
    following = KINDS[KINDS.index(place.kind) + 1 :]
    return Place(following[0]) if following else None


# The planner's word for it, since to count a hundred million rows takes a minute.
_ESTIMATE: LiteralString = f"""
EXPLAIN (FORMAT JSON)
SELECT FROM entities WHERE {_OF_TENANT} AND deleted_at IS NULL
UNION ALL SELECT FROM states WHERE tenant_id = %(tenant_id)s
UNION ALL SELECT FROM events WHERE tenant_id = %(tenant_id)s
"""


def estimated_count(conn: Connection, tenant_id: int) -> int:
    """Return about how many rows a tenant has, one at least; it reads none of them."""
    [(plans,)] = conn.execute(_ESTIMATE, {"tenant_id": tenant_id}).fetchall()
    return max(1, min(int(plans[0]["Plan"]["Plan Rows"]), 2**31 - 1))  # type: ignore[index] # JSON, as documented
