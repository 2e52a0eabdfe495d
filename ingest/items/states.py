"""States: `{externalId, stateKey, value}`, the value any JSON (docs/contracts/operator.md sections 3 and 4). Pure."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from ingest.items.fields import Document, external_id_field, name_field
from ingest.items.pointers import Fault
from ingest.items.rules import ValueRules
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
        types = self.template.states
        names = {key: TypeRules(value=types.get(key)) for key in self.template.state_keys}
        return Vocabulary("state key", "key", "stateKey", names)

    @cached_property
    def rules(self) -> Mapping[str, ValueRules]:
        """The rules of each key that has any."""
        return {key: ValueRules(definition) for key, definition in self.template.states.items()}

    def faults_of_document(self, loaded: dict[str, Any], name: str) -> list[Fault]:
        """As of ItemSchema."""
        return self.rules[name].faults(loaded["value"]) if name in self.rules else []
