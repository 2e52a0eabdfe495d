"""A form takes time in proportion to its bytes: shown by counting, since a clock tells of the machine."""

import pytest
from marshmallow import ValidationError

from app.operator import forms


class Counted(str):
    """A name that counts how often any of them is compared."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


def test_doubles_are_found_in_linear_time() -> None:
    names: list[str] = [Counted(f"name {number}") for number in [*range(10_000), 7]]
    Counted.compared = 0
    with pytest.raises(ValidationError) as refused:
        forms._distinct(names)
    assert refused.value.messages == ["Named twice: name 7."]
    assert Counted.compared < 2 * len(names)


@pytest.mark.parametrize("field", ["entity_types", "event_types", "state_keys", "pii_fields"])
def test_what_is_too_long_is_not_looked_into(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    looked: list[object] = []
    monkeypatch.setattr(forms.Name, "deserialize", lambda _self, value, *_, **__: looked.append(value))
    names = [f"name {number}" for number in range(40_000)]
    schema = {"entity_types": {}, field: names if field == "state_keys" else {name: [] for name in names}}
    with pytest.raises(ValidationError) as refused:
        forms.TemplateSchemaForm().load(schema)
    assert looked == []
    assert "Longer than maximum length" in str(refused.value.messages_dict[field])
