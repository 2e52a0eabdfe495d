"""Events of the public API: `{event, objects, timestamp?, properties?, event_id?}`. Pure.

docs/contracts/public.md section 2 is their contract.
"""

from datetime import datetime
from typing import ClassVar

import msgspec

from ingest.items.fields import LONGEST_EVENT_ID
from ingest.items.objects import Object, ObjectSchema
from ingest.items.public_fields import (
    LONGEST_EVENT_NAME,
    LONGEST_QUALIFIER,
    Items,
    OptionalText,
    Properties,
    PublicSchema,
    Text,
    When,
)


class LinkedObject(Object, frozen=True, gc=False):
    """An object that an event names, and creates where it does not exist: `data` is merged into it.

    Attributes:
        qualifier: in which part it takes part; empty for none.
    """

    qualifier: str


class ObjectEvent(msgspec.Struct, frozen=True, gc=False):
    """A good item: `data` is a JSON object as it was sent; `occurred_at` is None where the sender left it to us.

    Attributes:
        event_id: the sender's own id for it, unique within the tenant; None where it has none.
    """

    links: list[LinkedObject]
    type: str
    data: msgspec.Raw
    occurred_at: datetime | None = None
    event_id: str | None = None

    @property
    def external_id(self) -> str:
        """The first object that it names."""
        return self.links[0].external_id

    @property
    def links_count(self) -> int:
        """Return how many links are stored: the same object twice in the same part is one."""
        return len({(link.scope, link.external_id, link.qualifier) for link in self.links})


class LinkedObjectSchema(ObjectSchema):
    """The shape of an object in an event: what it is, and in which part it takes part."""

    item: ClassVar[type[msgspec.Struct]] = LinkedObject

    qualifier = Text("Qualifier", LONGEST_QUALIFIER, required=False)


class ObjectEventSchema(PublicSchema):
    """The shape of an event that links objects."""

    item = ObjectEvent
    id_member: ClassVar[str | None] = None

    event = Text("Event name", LONGEST_EVENT_NAME, attribute="type")
    objects = Items(LinkedObjectSchema, "object")
    timestamp = When(attribute="occurred_at")
    properties = Properties("Event properties")
    event_id = OptionalText("Event id", LONGEST_EVENT_ID)
