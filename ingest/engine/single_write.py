"""Write one item, by the statement of a batch of one. The single calls of both APIs use this file."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.engine.kinds import Kind
from ingest.engine.late import past_retention
from ingest.engine.writers import Target
from ingest.engine.writing import write
from ingest.errors import NotFound
from ingest.jobs import Effect, ItemWarning


class Written(NamedTuple):
    """The result of an item that was written.

    Attributes:
        public_id: as the wire shows it; None for kinds that return no ids.
        now: the time of an event that was sent without one.
        warnings: for the item's sender.
    """

    effect: Effect
    public_id: UUID | None
    now: datetime | None
    warnings: Sequence[ItemWarning] = ()


def write_one(conn: Connection, kind: Kind, target: Target, item: Any, warnings: Sequence[ItemWarning] = ()) -> Written:
    """Write one item.

    Args:
        conn: an open transaction, which any error must roll back.
        kind: the item's.
        target: where and how to write it.
        item: checked, by `ItemSchema.require`.
        warnings: what checking it found.

    Raises:
        NotFound: its entity does not exist.
        MasterKeyMissing: it has personal data, and there is no key to encrypt them with.
        WriteRefused: the database cannot store it.
    """
    outcomes = write(conn, kind, target, [item], halving=False)
    # The database's refusals were raised. A writer refuses an item by itself only if its entity does not exist.
    if refusal := outcomes.refusals.get(0):
        raise NotFound(refusal.message)
    [effect] = outcomes.effects
    public_id = UUID(bytes=outcomes.ids[0]) if outcomes.ids else None
    return Written(effect, public_id, outcomes.now, [*warnings, *past_retention(conn, kind, target, [item], [effect])])
