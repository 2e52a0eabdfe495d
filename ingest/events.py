"""Events: `{externalId, eventType, data, timestamp?}` (contracts/operator.md sections 3 and 4). Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from ingest.checking import ItemSchema, ObjectDocument, Timestamp, external_id_field, missing_fields, name_field
from ingest.templates import unknown


@dataclass(frozen=True, slots=True)
class Event:
    """A good item: `data` is a JSON object as it was sent; `occurred_at` is None where the sender left it to us."""

    index: int
    external_id: str
    type: str
    data: msgspec.Raw
    occurred_at: datetime | None = None


class EventSchema(ItemSchema):
    """The shape of an event."""

    make: ClassVar[type[Any]] = Event

    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    eventType = name_field(attribute="type")  # noqa: N815 # the wire's spelling
    data = ObjectDocument(required=True)
    timestamp = Timestamp(attribute="occurred_at")

    def faults(self, loaded: dict[str, Any]) -> list[str]:
        """An unknown type, or required fields that are missing."""
        rules = self.template.event_types.get(loaded["type"])
        if rules is None:
            return [unknown("event type", loaded["type"], self.template.event_types)]
        return missing_fields(rules, loaded["data"])
