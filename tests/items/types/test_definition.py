"""A definition that is no good is refused with the place of each mistake, and what would be right."""

from typing import Any

import pytest

from ingest.items.pointers import pointer
from ingest.items.types.definition import MOST_LEVELS, count_fields, mistakes


@pytest.mark.parametrize(
    ("definition", "place", "text"),
    [
        ({"typ": "string"}, "/typ", 'did you mean "type"?'),
        ({"anyOf": []}, "/anyOf", "no keyword that is taken; these are: type, enum"),
        ({"type": "text"}, "/type", "one of string, integer"),
        ({"type": []}, "/type", "one of string, integer"),
        ({"type": ["string", "string"]}, "/type", "one of string, integer"),
        ({"enum": []}, "/enum", "1 to 1000 values"),
        ({"enum": [1, 1.0]}, "/enum", "twice"),
        ({"minLength": -1}, "/minLength", "whole number of 0 or more"),
        ({"maxLength": 1.5}, "/maxLength", "whole number of 0 or more"),
        ({"minItems": True}, "/minItems", "whole number of 0 or more"),
        ({"pattern": "(?=a)"}, "/pattern", "RE2 matches in linear time: invalid perl operator: (?="),
        ({"pattern": "a" * 1_001}, "/pattern", "at most 1000 characters"),
        ({"pattern": 1}, "/pattern", "regular expression"),
        ({"pattern": r"[\s"}, "/pattern", "missing ]"),
        ({"pattern": r"\ud83d"}, "/pattern", "invalid escape"),
        ({"format": "hostname"}, "/format", "one of email, date"),
        ({"minimum": "0"}, "/minimum", "a number"),
        ({"exclusiveMaximum": True}, "/exclusiveMaximum", "a number"),
        ({"multipleOf": 0}, "/multipleOf", "greater than 0"),
        ({"uniqueItems": 1}, "/uniqueItems", "true or false"),
        ({"items": []}, "/items", "a JSON Schema: an object, or true or false"),
        ({"properties": []}, "/properties", "a JSON Schema by each name"),
        ({"properties": {"a/b": {"type": 1}}}, "/properties/a~1b/type", "one of string"),
        ({"additionalProperties": {"required": "a"}}, "/additionalProperties/required", "a list of distinct names"),
        ({"required": ["a", "a"]}, "/required", "a list of distinct names"),
        ({"title": 1}, "/title", "a string"),
        ({"examples": 1}, "/examples", "a list"),
        (1, "", "a JSON Schema: an object, or true or false"),
    ],
)
def test_a_mistake_is_named_by_its_place(definition: Any, place: str, text: str) -> None:
    [mistake] = mistakes(definition)
    assert pointer(mistake.path) == place
    assert text in mistake.text


def test_all_mistakes_are_named() -> None:
    found = mistakes({"minimum": "0", "items": {"maxLength": "1"}, "type": "text"})
    assert [pointer(mistake.path) for mistake in found] == ["/minimum", "/items/maxLength", "/type"]


def test_levels_are_bounded() -> None:
    definition: dict[str, Any] = {}
    for _ in range(MOST_LEVELS - 1):
        definition = {"items": definition}
    assert list(mistakes(definition)) == []
    [mistake] = mistakes({"items": definition})
    assert pointer(mistake.path) == "/items" * MOST_LEVELS
    assert "over 20 levels" in mistake.text


def test_the_values_that_a_definition_describes_are_counted() -> None:
    assert count_fields({"properties": {"a": {"items": {}}, "b": True}, "additionalProperties": False}) == 5
