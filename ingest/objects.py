"""Objects: `{type, id, properties?}`, entities whose ids are unique within their type (contracts/public.md). Pure."""

from typing import Any, ClassVar

from ingest.entities import Entity
from ingest.public import LONGEST_ID, LONGEST_TYPE_NAME, Properties, PublicSchema, Text


class ObjectSchema(PublicSchema):
    """The shape of an object."""

    id_member: ClassVar[str | None] = "id"

    type = Text("Object type name", LONGEST_TYPE_NAME)
    id = Text("Object id", LONGEST_ID, attribute="external_id")
    properties = Properties("Object properties")

    def make(self, index: int, loaded: Any) -> Entity:
        """The entity that it is."""
        return Entity(index, loaded.external_id, loaded.type, loaded.data, scope=loaded.type)
