"""Objects: `{type, id, properties?}`, entities whose ids are unique in their type (docs/contracts/public.md). Pure."""

from operator import attrgetter
from typing import ClassVar

import msgspec

from ingest.items.entities import Entity
from ingest.items.fields import ADDRESSED
from ingest.items.public_fields import LONGEST_ID, LONGEST_TYPE_NAME, Properties, PublicSchema, Text


class Object(Entity, frozen=True, gc=False):
    """A good item: the entity that it is."""

    scope = property(attrgetter("type"), doc="Its type.")


class ObjectSchema(PublicSchema):
    """The shape of an object."""

    item: ClassVar[type[msgspec.Struct]] = Object
    id_member: ClassVar[str | None] = "id"

    type = Text("Object type name", LONGEST_TYPE_NAME, description=ADDRESSED)
    id = Text("Object id", LONGEST_ID, attribute="external_id", description=ADDRESSED)
    properties = Properties("Object properties")
