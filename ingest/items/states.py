"""States: `{externalId, stateKey, value}`, the value any JSON (docs/contracts/operator.md sections 3 and 4). Pure."""

from functools import cached_property

import msgspec

from ingest.items.fields import Document, external_id_field, name_field
from ingest.items.schema import ItemSchema, Vocabulary
from ingest.items.templates import TypeRules


class State(msgspec.Struct, frozen=True, gc=False):
    """A good item: `value` is any JSON, null included, as it was sent."""

    external_id: str
    key: str
    value: msgspec.Raw


class StateSchema(ItemSchema):
    """The shape of a state."""

    item = State

    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    stateKey = name_field(attribute="key")  # noqa: N815 # the wire's spelling
    value = Document(required=True)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The template's state keys."""
        return Vocabulary("state key", "key", dict.fromkeys(self.template.state_keys, TypeRules((), ())))
