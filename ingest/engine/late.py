"""Items that come too late: their time is already past the tenant's retention, so they are taken, and soon deleted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.db.connection.pool import Connection
from ingest.db.data import retention
from ingest.engine.kinds import Kind
from ingest.engine.writers import Target
from ingest.jobs import Effect, ItemWarning

# No retention is shorter (docs/contracts/operator.md section 2), less a day by which the clocks may differ: most blocks
# hold nothing older, and the database is not asked.
_KEPT_AT_LEAST = timedelta(days=29)


def past_retention(
    conn: Connection, kind: Kind, target: Target, items: Sequence[Any], effects: Sequence[Effect]
) -> list[ItemWarning]:
    """Return a warning for each item that was stored with a time past the retention of events, in the order given.

    Args:
        conn: the transaction that writes them.
        kind: theirs; one that happens when it is written is never late.
        target: whose they are.
        items: checked.
        effects: on the items, in the same order: a duplicate is not stored, so its time does not matter.

    Returns:
        The warnings, each with the place of its item as its index.
    """
    if kind.occurred_at is None:
        return []
    timestamps: list[datetime | None] = list(map(kind.occurred_at, items))
    oldest = min(filter(None, timestamps), default=None)
    if oldest is None or oldest > datetime.now(UTC) - _KEPT_AT_LEAST:
        return []
    kept = retention.events_kept(conn, target.tenant_id)
    if kept is None:
        return []
    days, since = kept
    message = f"Its time is past the retention of {days} days: it is stored, and deleted again soon"
    return [
        ItemWarning(place, "PAST_RETENTION", message, "/timestamp")
        for place, (timestamp, effect) in enumerate(zip(timestamps, effects, strict=True))
        if timestamp is not None and timestamp < since and effect is Effect.CREATED
    ]
