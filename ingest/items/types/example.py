"""Example values of a type: what its author gives, or else what can be guessed; `field.Typed` judges each of them."""

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

import marshmallow

from ingest.items.templates import Definition, exact_json
from ingest.items.types.field import Typed
from ingest.items.types.formats import FORMATS
from ingest.items.types.values import as_count

# Of an example as JSON: a template may describe 1,000 values.
_LARGEST_BYTES = 4_096

_WORD = "text"

# A definition that names no type has guesses of the types that its keywords are about.
_ABOUT = {
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "required", "additionalProperties"},
    "string": {"minLength", "maxLength", "pattern", "format"},
}


def good_values(definition: Definition) -> Iterator[Any]:
    """Yield values of a type, the best example first; none where none is known.

    Those of `examples`, `default`, `const` and `enum` come before guesses. A text is not guessed from a pattern.

    Args:
        definition: a good one.
    """
    judge = Typed(definition, name=_WORD)
    for value in _candidates(definition):
        try:
            judge.deserialize(value)
        except marshmallow.ValidationError:
            continue
        if len(exact_json(value)) <= _LARGEST_BYTES:
            yield value


def _candidates(definition: Definition) -> Iterator[Any]:
    if isinstance(definition, bool):
        yield _WORD
        return
    yield from definition.get("examples", ())
    for keyword in ("default", "const"):
        if keyword in definition:
            yield definition[keyword]
    yield from definition.get("enum", ())
    for name in _types(definition):
        yield from _GUESSES[name](definition)


def _types(said: Mapping[str, Any]) -> list[str]:
    types = said.get("type", [])
    listed = types if isinstance(types, list) else [types]
    return listed or [name for name, keywords in _ABOUT.items() if not keywords.isdisjoint(said)] or ["string"]


def _texts(said: Mapping[str, Any]) -> Iterator[str]:
    if "format" in said:
        yield FORMATS[said["format"]].example
    least, most = as_count(said.get("minLength", 0)) or 0, as_count(said.get("maxLength", len(_WORD))) or 0
    if least <= _LARGEST_BYTES:
        yield (_WORD * (least // len(_WORD) + 1))[: max(least, min(most, len(_WORD)))]


def _integers(said: Mapping[str, Any]) -> Iterator[int | Decimal]:
    # Of the multiples of a/b the whole ones are those of a.
    yield from _multiples(said, Fraction(Fraction(said.get("multipleOf", 1)).numerator))


def _numbers(said: Mapping[str, Any]) -> Iterator[int | Decimal]:
    yield from _multiples(said, Fraction(said.get("multipleOf", 1)))
    bounds = _bounds(said)
    yield _number(sum(bounds, Fraction(0)) / max(1, len(bounds)))  # between two bounds, where no whole number may be


def _multiples(said: Mapping[str, Any], step: Fraction) -> Iterator[int | Decimal]:
    for start in (Fraction(1), *_bounds(said)):
        multiple = math.ceil(start / step)
        for near in (multiple, multiple + 1, multiple - 1, multiple - 2):
            yield _number(near * step)


def _bounds(said: Mapping[str, Any]) -> list[Fraction]:
    keywords = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    return [Fraction(said[keyword]) for keyword in keywords if keyword in said]


def _number(exact: Fraction) -> int | Decimal:
    return int(exact) if exact.denominator == 1 else Decimal(exact.numerator) / Decimal(exact.denominator)


def _arrays(said: Mapping[str, Any]) -> Iterator[list[Any]]:
    many = max(1, as_count(said.get("minItems", 0)) or 0)
    if many <= _LARGEST_BYTES:
        found = list(islice(good_values(said.get("items", True)), many if said.get("uniqueItems") else 1))
        if found and (many // len(found)) * len(exact_json(found)) <= _LARGEST_BYTES:
            yield (found * many)[:many]
    yield []


def _objects(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    properties = said.get("properties", {})
    others = said.get("additionalProperties", True)
    made: dict[str, Any] = {}
    for name in dict.fromkeys([*properties, *said.get("required", ())]):
        for value in islice(good_values(properties.get(name, others)), 1):
            made[name] = value
    yield made


_GUESSES: dict[str, Callable[[Mapping[str, Any]], Iterator[Any]]] = {
    "string": _texts,
    "integer": _integers,
    "number": _numbers,
    "boolean": lambda _: iter([True]),
    "object": _objects,
    "array": _arrays,
    "null": lambda _: iter([None]),
}
