"""Single events: `POST /event`."""

from datetime import UTC, datetime

from flask import Blueprint, Response

from app.http import prefer, rate_limit
from app.http.describe import describe
from app.public import single_writes
from app.public.envelope import timestamp
from ingest.items.object_events import ObjectEvent

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
)
def post() -> Response:
    """Append one event; the properties that it brings are merged into its objects."""
    event: ObjectEvent
    event, warnings = single_writes.read("object_events")
    written = single_writes.write("object_events", event, warnings)
    return single_writes.answered(
        written,
        {
            "success": True,
            "event_id": written.public_id,
            "event_type": event.type,
            "timestamp": timestamp(event.occurred_at or written.now or datetime.now(UTC)),
            "objects_count": event.links_count,
            "message": f"Event '{event.type}' recorded successfully",
        },
    )
