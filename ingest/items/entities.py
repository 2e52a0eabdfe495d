"""Entities: `{entityType, externalId, data}` (docs/contracts/operator.md sections 3 and 4). Pure."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import msgspec

from ingest.items.fields import ObjectDocument, external_id_field, name_field
from ingest.items.schema import DataSchema, Vocabulary

# In the operator API an external id is unique across types.
SCOPE = ""


class Entity(msgspec.Struct, frozen=True, gc=False):
    """A good item: `data` is a JSON object as it was sent.

    Attributes:
        scope: within which its external id is unique: its type; empty where that is across types.
    """

    scope: ClassVar[str] = SCOPE

    external_id: str
    type: str
    data: msgspec.Raw


class EntitySchema(DataSchema):
    """The shape of an entity."""

    item = Entity

    entityType = name_field(attribute="type")  # noqa: N815 # the wire's spelling
    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    data = ObjectDocument(required=True)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The template's entity types."""
        return Vocabulary("entity type", "type", "entityType", self.template.entity_types)

    def personal(self, type_name: str) -> Sequence[str]:
        """As of DataSchema."""
        return self.template.pii_fields.get(type_name, ())
