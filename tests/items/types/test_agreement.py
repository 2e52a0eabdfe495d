"""The fast path, the marshmallow field and the package jsonschema agree, whatever the type and the value."""

from decimal import Decimal
from typing import Any

import jsonschema
import marshmallow
import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema.validators import extend

from ingest import json_text
from ingest.items.templates import exact_json
from ingest.items.types.definition import mistakes
from ingest.items.types.fast import fast
from ingest.items.types.field import Typed
from ingest.items.types.values import is_integer, is_number

_CHECKER = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"number": lambda _, value: is_number(value), "integer": lambda _, value: is_integer(value)}
)
Validator = extend(jsonschema.Draft202012Validator, type_checker=_CHECKER)

_WORDS = st.sampled_from(["", "a", "ab", "é", "\N{GRINNING FACE}", "abc", "2026-04-06", "1"])
_NUMBERS = st.sampled_from(
    [
        *map(Decimal, ["0", "0.1", "0.3", "1.0", "1e2", "-1.5", "2.50", "150.00000000000000000001"]),
        0,
        1,
        2,
        3,
        -1,
        150,
        10**30,
    ]
)
_LEAVES = st.none() | st.booleans() | _NUMBERS | _WORDS
_NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=6
)
_COUNTS = st.sampled_from([0, 1, 2, Decimal("2.0")])
_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])


def _of_keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keywords = st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(_LEAVES, min_size=1, max_size=3, unique_by=lambda value: (type(value), str(value))),
            "const": _LEAVES,
            "minLength": _COUNTS,
            "maxLength": _COUNTS,
            "pattern": st.sampled_from(["^a", "b$", "[0-9]{4}", "^$"]),
            "minimum": _NUMBERS,
            "maximum": _NUMBERS,
            "exclusiveMinimum": _NUMBERS,
            "exclusiveMaximum": _NUMBERS,
            "multipleOf": st.sampled_from([1, 2, Decimal("0.1"), Decimal("0.5")]),
            "items": inner,
            "minItems": _COUNTS,
            "maxItems": _COUNTS,
            "uniqueItems": st.booleans(),
            "properties": st.dictionaries(_NAMES, inner, max_size=2),
            "required": st.lists(_NAMES, max_size=2, unique=True),
            "additionalProperties": inner,
            "title": st.just("t"),
            "default": _LEAVES,
        },
    )
    # Few keywords at a time, or no value passes.
    return keywords.flatmap(
        lambda all_of: (
            st.lists(st.sampled_from(sorted(all_of)), max_size=3, unique=True).map(
                lambda some: {name: all_of[name] for name in some}
            )
            if all_of
            else st.just({})
        )
    )


DEFINITIONS = st.recursive(st.booleans() | _of_keywords(st.booleans()), _of_keywords, max_leaves=4).filter(
    lambda definition: not list(mistakes(definition))
)


def takes(definition: Any, value: Any) -> bool:
    try:
        Typed(definition, name="x").deserialize(value)
    except marshmallow.ValidationError:
        return False
    return True


@given(DEFINITIONS, VALUES)
@example({"enum": [Decimal("1.0")]}, 1)
@example({"enum": [True]}, 1)
@example({"uniqueItems": True}, [[True], [1]])
@example({"multipleOf": Decimal("0.1")}, Decimal("0.3"))
@example({"maximum": 150}, Decimal("150.00000000000000000001"))
def test_the_field_takes_what_jsonschema_takes(definition: Any, value: Any) -> None:
    assert takes(definition, value) == Validator(definition).is_valid(value)


@given(DEFINITIONS, VALUES)
@example({"type": "number", "maximum": 150}, Decimal("150.00000000000000000001"))
@example({"type": "integer", "minimum": -1}, -(10**30))
@example({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": None})
def test_the_fast_path_takes_nothing_that_the_field_refuses(definition: Any, value: Any) -> None:
    stands_in = fast(definition)
    if stands_in is None:
        return
    text = exact_json(value)
    try:
        made = msgspec.json.Decoder(stands_in.type).decode(text)
    except msgspec.DecodeError:
        return
    if made is None or stands_in.holds is None or stands_in.holds(made):
        assert takes(definition, json_text.decode(text))
