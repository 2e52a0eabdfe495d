"""States: `{externalId, stateKey, value}`, the value any JSON (contracts/operator.md sections 3 and 4). Pure."""

from functools import cached_property
from typing import Any

import msgspec

from ingest.checking import Document, ItemSchema, Vocabulary, external_id_field, name_field
from ingest.templates import TypeRules


class State(msgspec.Struct, frozen=True, gc=False):
    """A good item: `value` is any JSON, null included, as it was sent; `index` is 0-based in the whole batch."""

    index: int
    external_id: str
    key: str
    value: msgspec.Raw


class StateSchema(ItemSchema):
    """The shape of a state."""

    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    stateKey = name_field(attribute="key")  # noqa: N815 # the wire's spelling
    value = Document(required=True)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The template's state keys."""
        return Vocabulary("state key", "key", dict.fromkeys(self.template.state_keys, TypeRules((), ())))

    def make(self, index: int, loaded: Any) -> State:
        """The item."""
        return State(index, loaded.external_id, loaded.key, loaded.value)
