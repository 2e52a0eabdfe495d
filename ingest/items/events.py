"""Events: `{externalId, eventType, data, timestamp?, eventId?}` (docs/contracts/operator.md sections 3 and 4). Pure."""

from datetime import datetime
from functools import cached_property

import msgspec

from ingest.items.fields import LONGEST_EVENT_ID, ObjectDocument, OptionalText, Timestamp, external_id_field, name_field
from ingest.items.schema import DataSchema, Vocabulary


class Event(msgspec.Struct, frozen=True, gc=False):
    """A good item: `data` is a JSON object as it was sent; `occurred_at` is None where the sender left it to us.

    Attributes:
        external_id: the entity that it happened to.
        event_id: the sender's own id for it, unique within the tenant; None where it has none.
    """

    external_id: str
    type: str
    data: msgspec.Raw
    occurred_at: datetime | None = None
    event_id: str | None = None


class EventSchema(DataSchema):
    """The shape of an event."""

    item = Event

    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    eventType = name_field(attribute="type")  # noqa: N815 # the wire's spelling
    data = ObjectDocument(required=True)
    timestamp = Timestamp(attribute="occurred_at")
    eventId = OptionalText(LONGEST_EVENT_ID, attribute="event_id")  # noqa: N815 # the wire's spelling

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The template's event types."""
        return Vocabulary("event type", "type", "eventType", self.template.event_types)
