"""Events of the public face: `{event, objects, timestamp?, properties?}` (contracts/public.md section 2). Pure."""

from typing import Any, ClassVar

from ingest.events import Event, Link
from ingest.objects import ObjectSchema
from ingest.public import LONGEST_EVENT_NAME, LONGEST_QUALIFIER, Items, Properties, PublicSchema, Text, When


class LinkedObjectSchema(ObjectSchema):
    """The shape of an object in an event: what it is, and in which part it takes part."""

    qualifier = Text("Qualifier", LONGEST_QUALIFIER, required=False)


class ObjectEventSchema(PublicSchema):
    """The shape of an event that links objects."""

    id_member: ClassVar[str | None] = None

    event = Text("Event name", LONGEST_EVENT_NAME, attribute="type")
    objects = Items(LinkedObjectSchema, "object")
    timestamp = When(attribute="occurred_at")
    properties = Properties("Event properties")

    def make(self, index: int, loaded: Any) -> Event:
        """The event that it is."""
        links = tuple(Link(each.external_id, each.type, each.type, each.qualifier, each.data) for each in loaded.links)
        return Event(index, links, loaded.type, loaded.data, loaded.occurred_at)
