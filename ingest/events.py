"""Events: `{externalId, eventType, data, timestamp?}` (contracts/operator.md sections 3 and 4). Pure."""

from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from ingest.checking import ItemSchema, ObjectDocument, Timestamp, Vocabulary, external_id_field, name_field


class Link(msgspec.Struct, frozen=True, gc=False):
    """An entity that an event names.

    Attributes:
        scope: within which its external id is unique: empty where that is across types, else its type.
        type: what to create it as, where the event's kind creates what it names; empty where it does not.
        qualifier: in which part it takes part; empty for none.
        data: a JSON object to merge into it, as it was sent; None for nothing.
    """

    external_id: str
    scope: str = ""
    type: str = ""
    qualifier: str = ""
    data: msgspec.Raw | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """A good item: `data` is a JSON object as it was sent; `occurred_at` is None where the sender left it to us."""

    index: int
    links: tuple[Link, ...]
    type: str
    data: msgspec.Raw
    occurred_at: datetime | None = None

    @property
    def external_id(self) -> str:
        """The first entity that it names."""
        return self.links[0].external_id


class EventSchema(ItemSchema):
    """The shape of an event."""

    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    eventType = name_field(attribute="type")  # noqa: N815 # the wire's spelling
    data = ObjectDocument(required=True)
    timestamp = Timestamp(attribute="occurred_at")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The template's event types."""
        return Vocabulary("event type", "type", self.template.event_types)

    def make(self, index: int, loaded: Any) -> Event:
        """The item."""
        return Event(index, (Link(loaded.external_id),), loaded.type, loaded.data, loaded.occurred_at)
