"""States: `{externalId, stateKey, value}`, the value any JSON (contracts/operator.md sections 3 and 4). Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ingest.checking import Document, ItemSchema, external_id_field, name_field
from ingest.templates import unknown


@dataclass(frozen=True, slots=True)
class State:
    """A good item: `value` is any JSON, null included, as it was sent."""

    index: int
    external_id: str
    key: str
    value: msgspec.Raw


class StateSchema(ItemSchema):
    """The shape of a state."""

    externalId = external_id_field()  # noqa: N815 # the wire's spelling
    stateKey = name_field(attribute="key")  # noqa: N815 # the wire's spelling
    value = Document(required=True)

    def faults(self, loaded: dict[str, Any]) -> list[str]:
        """A key that the template does not list."""
        if loaded["key"] in self.template.state_keys:
            return []
        return [unknown("state key", loaded["key"], self.template.state_keys)]

    def make(self, index: int, loaded: dict[str, Any]) -> State:
        """The item."""
        return State(index, **loaded)
