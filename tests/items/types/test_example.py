"""Examples of types: what the author gives, or else a guess that the type takes."""

from typing import Any

import pytest
from hypothesis import given

from ingest import json_text
from ingest.items.templates import Definition, exact_json
from ingest.items.types.example import good_values
from tests.items.types.test_agreement import DEFINITIONS, takes


@pytest.mark.parametrize(
    ("definition", "example"),
    [
        ('{"type": "string", "examples": [1, "Ada"], "default": "x"}', '"Ada"'),
        ('{"type": "integer", "default": 7}', "7"),
        ('{"const": null}', "null"),
        ('{"enum": ["new", "old"]}', '"new"'),
        ('{"type": "string", "format": "country"}', '"DE"'),
        ('{"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["JFK"]}', '"JFK"'),
        ('{"maxLength": 2}', '"te"'),
        ('{"minLength": 6}', '"textte"'),
        ('{"type": "integer", "minimum": 18, "maximum": 150}', "18"),
        ('{"type": "integer", "exclusiveMinimum": 18}', "19"),
        ('{"type": "integer", "maximum": -2.5}', "-3"),
        ('{"type": "integer", "multipleOf": 2.5, "minimum": 6}', "10"),
        ('{"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2}', "0.15"),
        ('{"multipleOf": 0.1, "maximum": 0.35}', "0.3"),
        ('{"type": "boolean"}', "true"),
        ('{"type": ["null", "string"]}', "null"),
        ('{"type": "array", "items": {"type": "integer"}, "minItems": 2}', "[1,1]"),
        ('{"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": true}', "[1,2]"),
        ('{"type": "array", "maxItems": 0}', "[]"),
        (
            '{"properties": {"city": {"type": "string"}, "zip": {"pattern": "^9"}}, "required": ["n"]}',
            '{"city":"text","n":"text"}',
        ),
        ("true", '"text"'),
    ],
)
def test_the_first_example_is_the_authors_or_a_guess(definition: str, example: str) -> None:
    assert exact_json(next(good_values(json_text.decode(definition.encode())))).decode() == example


@pytest.mark.parametrize(
    "definition",
    [
        '{"pattern": "^[A-Z]{3}$", "type": "string"}',
        '{"type": "string", "minLength": 1e999}',
        '{"type": "array", "minItems": 5000}',
        '{"type": "integer", "minimum": 1, "maximum": 0}',
        "false",
    ],
)
def test_no_example_is_made_up_where_none_is_known(definition: str) -> None:
    assert list(good_values(json_text.decode(definition.encode()))) == []


def test_nested_arrays_make_no_large_example() -> None:
    definition: dict[str, Any] = {"type": "string", "minLength": 1000}
    for _ in range(18):
        definition = {"type": "array", "minItems": 1000, "items": definition}
    assert list(good_values(definition)) == []


@given(DEFINITIONS)
def test_every_example_is_of_its_type(definition: Definition) -> None:
    for value in good_values(definition):
        assert takes(definition, json_text.decode(exact_json(value)))
