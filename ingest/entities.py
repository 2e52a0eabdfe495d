"""Entities: `{entityType, externalId, data}` (contracts/operator.md sections 3 and 4). Pure."""

from functools import cached_property
from typing import Any

import msgspec

from ingest import rawjson
from ingest.checking import ItemSchema, ObjectDocument, Vocabulary, external_id_field, name_field


class Entity(msgspec.Struct, frozen=True, gc=False):
    """A good item: `data` is a JSON object as it was sent.

    Attributes:
        index: 0-based, in the whole batch.
        scope: within which its external id is unique: empty where that is across types, else its type.
    """

    index: int
    external_id: str
    type: str
    data: msgspec.Raw
    scope: str = ""

    @property
    def nulls(self) -> bool:
        """Whether some top-level field of `data` is null: a merge removes those fields."""
        return rawjson.has_null_member(self.data)


class EntitySchema(ItemSchema):
    """The shape of an entity."""

    entityType = name_field(attribute="type")  # noqa: N815 # the wire's spelling
    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    data = ObjectDocument(required=True)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The template's entity types."""
        return Vocabulary("entity type", "type", self.template.entity_types)

    def make(self, index: int, loaded: Any) -> Entity:
        """The item."""
        return Entity(index, loaded.external_id, loaded.type, loaded.data)
