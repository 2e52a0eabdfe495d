"""Each keyword's messages: what was expected and what came, where, and never the value of a personal field."""

from typing import Any

import marshmallow
import pytest

from ingest import json_text
from ingest.items.pointers import pointer
from ingest.items.types.field import Typed

WRONG: list[tuple[str, str, str, str]] = [
    # definition, value, the place, the message
    ('{"type": "integer"}', '"abc"', "", 'Field "age" must be an integer, not a string'),
    ('{"type": "integer"}', "1.5", "", 'Field "age" must be an integer, not a number with a fraction'),
    ('{"type": "integer"}', "true", "", 'Field "age" must be an integer, not a boolean'),
    ('{"type": "number"}', '"1"', "", 'Field "age" must be a number, not a string'),
    ('{"type": ["string", "null"]}', "1", "", 'Field "age" must be a string or null, not an integer'),
    ('{"type": "object"}', "[]", "", 'Field "age" must be an object, not an array'),
    ('{"type": "string"}', "null", "", 'Field "age" must be a string, not null'),
    ('{"enum": ["a", 1, null]}', '"b"', "", 'Field "age" must be one of "a", 1, null, not "b"'),
    ('{"enum": [1]}', "true", "", 'Field "age" must be 1, not true'),
    ('{"const": "a"}', "2", "", 'Field "age" must be "a", not 2'),
    ('{"minLength": 2}', '"\N{GRINNING FACE}"', "", 'Field "age" must have at least 2 characters, not 1'),
    ('{"maxLength": 1}', '"ab"', "", 'Field "age" must have at most 1 character, not 2'),
    ('{"pattern": "^[A-Z]+$"}', '"ab"', "", 'Field "age" must match the pattern ^[A-Z]+$, not "ab"'),
    ('{"format": "email"}', '"ab"', "", 'Field "age" must be an e-mail address such as "ada@example.com", not "ab"'),
    ('{"minimum": 0}', "-1", "", 'Field "age" must be at least 0, not -1'),
    ('{"maximum": 150}', "150.00000000000000001", "", 'Field "age" must be at most 150, not 150.00000000000000001'),
    ('{"exclusiveMinimum": 0}', "0.0", "", 'Field "age" must be greater than 0, not 0.0'),
    ('{"exclusiveMaximum": 1}', "1", "", 'Field "age" must be less than 1, not 1'),
    ('{"multipleOf": 0.1}', "0.35", "", 'Field "age" must be a multiple of 0.1, not 0.35'),
    ('{"items": {"type": "string"}}', '["a", 1]', "/1", 'Field "age[1]" must be a string, not an integer'),
    ('{"minItems": 1}', "[]", "", 'Field "age" must not be empty'),
    ('{"maxItems": 1}', "[1, 2]", "", 'Field "age" must have at most 1 item, not 2'),
    ('{"uniqueItems": true}', "[1, 2, 1.0]", "", 'Field "age" must have no two equal items; items 0 and 2 are equal'),
    (
        '{"properties": {"city": {"type": "string"}}}',
        '{"city": 1}',
        "/city",
        'Field "age.city" must be a string, not an integer',
    ),
    ('{"required": ["city"]}', "{}", "/city", 'Missing required field: "age.city"'),
    (
        '{"properties": {"city": {}}, "additionalProperties": false}',
        '{"citty": 1}',
        "/citty",
        'Unknown field: "age.citty" (did you mean "city"?)',
    ),
    (
        '{"additionalProperties": {"type": "null"}}',
        '{"a/b": 1}',
        "/a~1b",
        'Field "age.a/b" must be null, not an integer',
    ),
    ("false", "1", "", 'Unknown field: "age"'),
]


def faults(definition: str, value: str, *, quotes: bool = True) -> list[Any]:
    field = Typed(json_text.decode(definition.encode()), name="age", quotes=quotes)
    with pytest.raises(marshmallow.ValidationError) as refused:
        field.deserialize(json_text.decode(value.encode()))
    return list(refused.value.messages)


@pytest.mark.parametrize(("definition", "value", "place", "message"), WRONG)
def test_a_wrong_value_is_told_what_was_expected_and_where(
    definition: str, value: str, place: str, message: str
) -> None:
    [fault] = faults(definition, value)
    assert fault.text == message
    assert pointer(fault.path) == f"/age{place}"


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ('{"enum": ["a", "b"]}', 'Field "age" must be one of "a", "b"'),
        ('{"pattern": "^a"}', 'Field "age" must match the pattern ^a'),
        ('{"format": "date"}', 'Field "age" must be a date such as "2026-04-06"'),
        ('{"type": "integer"}', 'Field "age" must be an integer, not a string'),
    ],
)
def test_no_message_quotes_a_personal_value(definition: str, message: str) -> None:
    [fault] = faults(definition, '"secret"', quotes=False)
    assert fault.text == message


GOOD = [
    ('{"type": "integer"}', "1e2"),
    ('{"type": "integer"}', "9999999999999999999999999999999999999999"),
    ('{"type": "integer"}', "1.0"),
    ('{"type": "number"}', "3"),
    ('{"multipleOf": 0.1}', "0.1"),
    ('{"multipleOf": 0.1}', "1e300"),
    ('{"multipleOf": 1e-300}', "1e300"),
    ('{"enum": [1.0]}', "1"),
    ('{"minLength": 2.0}', '"ab"'),
    ('{"maxLength": 1}', '"\N{GRINNING FACE}"'),
    ('{"pattern": "b"}', '"abc"'),
    ('{"minLength": 9}', "1"),
    ('{"const": {"a": [1, null]}}', '{"a": [1.0, null]}'),
    ('{"uniqueItems": true}', "[1, true, 0, false]"),
    ("true", "null"),
    ('{"title": "t", "description": "d", "examples": [1], "default": 2}', '"x"'),
]


@pytest.mark.parametrize(("definition", "value"), GOOD)
def test_numbers_are_compared_exactly_and_keywords_ask_their_own_types_alone(definition: str, value: str) -> None:
    Typed(json_text.decode(definition.encode()), name="age").deserialize(json_text.decode(value.encode()))


def test_every_fault_is_told() -> None:
    definition = '{"type": "object", "properties": {"a": {"type": "string"}, "b": {"minimum": 1}}, "required": ["c"]}'
    told = [fault.text for fault in faults(definition, '{"a": 1, "b": 0}')]
    assert told == [
        'Missing required field: "age.c"',
        'Field "age.a" must be a string, not an integer',
        'Field "age.b" must be at least 1, not 0',
    ]


def test_a_value_that_backtracking_would_never_finish_is_judged_at_once() -> None:
    value = '"' + "a" * 100_000 + '!"'
    [fault] = faults('{"pattern": "^(a+)+$"}', value)
    assert fault.text == 'Field "age" must match the pattern ^(a+)+$'


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\s$", "\u2003"),
        (r"^[a\s]$", "\ufeff"),
        (r"^[\s-.]+$", "\u2003-."),
        (r"^[^\S]$", "\u00a0"),
        (r"^\S+$", "a\N{GRINNING FACE}"),
        (r"^\\s$", r"\s"),
        (r"^\u00e9[\u00e0-\u00ff]$", "éé"),
    ],
)
def test_patterns_mean_by_space_and_by_u_what_ecma_262_means(pattern: str, text: str) -> None:
    Typed({"pattern": pattern}, name="age").deserialize(text)
