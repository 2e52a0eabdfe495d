"""Cells of failed items: what is typed becomes JSON by the type of its field, and no number loses a digit."""

from typing import Any

import pytest

from ingest import json_text
from ingest.engine.cells import difference, shown, typed, with_value
from ingest.engine.patches import merged
from ingest.engine.suggestions import suggestions
from ingest.items.templates import TypeRules, exact_json

_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("text", "definition", "before", "value"),
    [
        ("145.50", _NUMBER, None, b"145.50"),
        ("9" * 40, {"type": "integer"}, None, b"9" * 40),
        ("1,5", _NUMBER, None, b'"1,5"'),
        ("1e99999", _NUMBER, None, b'"1e99999"'),
        ("true", {"type": "boolean"}, None, b"true"),
        ("007", _TEXT, b"7", b'"007"'),
        ('["a"]', {"type": "array"}, None, b'["a"]'),
        ("12", None, b"11", b"12"),
        ("12", None, b'"11"', b'"12"'),
        ("", _TEXT, b'"x"', None),
    ],
)
def test_what_is_typed_has_the_type_of_its_field(text: str, definition: Any, before: Any, value: Any) -> None:
    assert typed(text, definition, before) == value
    assert value is None or shown(value) == text


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a":{"b":1,"c":2}}', '{"a":{"b":1}}'),
        ('{"a":1.5}', '{"a":1.50}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":[1]}', '{"a":[1,2]}'),
        ('{"a":"x"}', '{"b":"x"}'),
        ('{"a":{}}', '{"a":"x"}'),
    ],
)
def test_an_edit_is_the_difference_of_two_items(first: str, second: str) -> None:
    before, after = (json_text.decode(text.encode()) for text in (first, second))
    assert difference(before, after)
    assert exact_json(merged(before, difference(before, after))).decode() == second
    assert difference(before, before) == {}


def test_a_value_is_given_to_a_member_of_a_document_that_is_not_there() -> None:
    assert with_value({"id": 1}, ("data", "a"), b"2") == {"id": 1, "data": {"a": 2}}


def test_a_near_name_or_value_is_offered() -> None:
    rules = TypeRules(("email",), ("level",), {"level": {"enum": ["gold", "silver"]}})
    cells = {("data", "emial"): b'"x"', ("data", "level"): b'"glod"'}
    offers = list(suggestions(cells, "data", None, rules))
    assert [(offer.path, offer.name, offer.value) for offer in offers] == [
        (("data", "emial"), "email", None),
        (("data", "level"), None, "gold"),
    ]
