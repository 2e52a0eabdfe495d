"""A form takes time in proportion to its bytes: shown by counting, since a clock tells of the machine."""

import pytest
from marshmallow import ValidationError

from app.operator import forms
from tests.api.conftest import Api, refused


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
        forms.distinct(names)
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


@pytest.mark.parametrize(
    ("method", "path", "body", "name"),
    [
        ("POST", "/batch/uploads", '{"kind": "events", "contentType": "text/csv", "kind": "states"}', "kind"),
        ("POST", "/batch/uploads/upl_x/complete", '{"parts": 1, "p\\u0061rts": 2}', "parts"),
        ("PUT", "/settings", '{"batchWaitSeconds": 1, "batchWaitSeconds": 1}', "batchWaitSeconds"),
        ("PUT", "/templates/tpl_mine", '{"name": "x", "schema": {"entity_types": {"A": {}, "A": {}}}}', "A"),
        ("PUT", "/settings", '{"a": [{"b": 1e5, "b": {}}]}', "b"),
    ],
)
def test_a_form_with_a_member_twice_is_400_that_names_it(
    api: Api, method: str, path: str, body: str, name: str
) -> None:
    refused(api.call(method, path, body=body.encode()), 400, "INVALID_INPUT", f'"{name}"', "send it once")


def test_a_form_that_is_nested_without_end_is_400(api: Api) -> None:
    for depth in (900, 1_000, 5_000, 100_000):
        body = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
        refused(api.put("/settings", body=body), 400, "INVALID_INPUT")
