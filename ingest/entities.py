"""Entities: `{entityType, externalId, data}` (contracts/operator.md sections 3 and 4). Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ingest import rawjson
from ingest.checking import ItemSchema, ObjectDocument, external_id_field, missing_fields, name_field
from ingest.templates import unknown


@dataclass(frozen=True, slots=True)
class Entity:
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
        """Whether a merge of it removes fields."""
        return rawjson.has_null_member(self.data)


class EntitySchema(ItemSchema):
    """The shape of an entity."""

    entityType = name_field(attribute="type")  # noqa: N815 # the wire's spelling
    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    data = ObjectDocument(required=True)

    def faults(self, loaded: dict[str, Any]) -> list[str]:
        """An unknown type, or required fields that are missing."""
        rules = self.template.entity_types.get(loaded["type"])
        if rules is None:
            return [unknown("entity type", loaded["type"], self.template.entity_types)]
        return missing_fields(rules, loaded["data"])

    def make(self, index: int, loaded: dict[str, Any]) -> Entity:
        """The item."""
        return Entity(index, **loaded)
