"""Single events: `POST /event`."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from app.http import prefer, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.services import services
from app.public import single_writes
from app.public.envelope import timestamp
from ingest.db.connection.pool import transaction
from ingest.db.data import first_events
from ingest.db.data.first_events import First
from ingest.errors import ItemTooLarge, TooLarge, WriteRefused
from ingest.items.object_events import ObjectEvent
from ingest.jobs import Effect

bp = Blueprint("events", __name__)
bp.before_request(rate_limit.scope("ingest:events"))


@bp.post("/event")
@describe(
    "Record an event, and create the objects that it names",
    operation="recordEvent",
    body="ObjectEvent",
    answers={200: "RecordedEvent"},
    bare=True,
    headers={"Prefer": prefer.HANDLING},
    faults=(ItemTooLarge, TooLarge, WriteRefused),
)
def post() -> Response:
    """Append one event; the properties that it brings are merged into its objects.

    One whose `event_id` is stored already is answered with the first.
    """
    event: ObjectEvent
    event, warnings = single_writes.read("object_events")
    written = single_writes.write("object_events", event, warnings)
    first = _first(event) if written.effect is Effect.DUPLICATE else None
    event_type = first.type if first else event.type
    occurred_at = first.occurred_at if first else event.occurred_at or written.now or datetime.now(UTC)
    return single_writes.answered(
        written,
        {
            "success": True,
            "event_id": written.public_id,
            "event_type": event_type,
            "timestamp": timestamp(occurred_at),
            "objects_count": event.links_count,
            "message": f"Event '{event_type}' {'was recorded before' if first else 'recorded successfully'}",
        },
    )


def _first(event: ObjectEvent) -> First | None:
    """Return the stored event with the id of this one; None if it is gone again."""
    event_ids = [event.event_id] if event.event_id else []
    with transaction(services().pool) as conn:
        return next(iter(first_events.find(conn, caller().tenant_id, event_ids).values()), None)
