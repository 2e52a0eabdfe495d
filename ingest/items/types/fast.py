"""The msgspec type of a type of a template, for the fast path of checking; None where no type stands for it.

A msgspec type takes no value that `field.Typed` would refuse. It may refuse more: such an item goes to marshmallow.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from ingest.items.templates import Definition
from ingest.items.types.formats import FORMATS
from ingest.items.types.patterns import compiled
from ingest.items.types.values import Number, as_count, is_multiple

# Names that msgspec takes for a struct's member, and that stand in a text as they are.
PLAIN_NAME = re.compile(r'[^\x00-\x1f"\\]{1,100}')

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1  # of the integers that msgspec compares with bounds

_NULL = type(None)

_TOLD = {"title", "description", "examples", "default"}
_OF_TEXT = {"minLength", "maxLength"}
_OF_NUMBER = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_OF_ARRAY = {"items", "minItems", "maxItems", "uniqueItems"}
_OF_OBJECT = {"properties", "required", "additionalProperties"}
_OF_TYPE = {"string": _OF_TEXT, "integer": _OF_NUMBER, "number": _OF_NUMBER, "array": _OF_ARRAY, "object": _OF_OBJECT}


# Any JSON value but null.
_NOT_NULL = bool | int | float | str | list[msgspec.Raw] | dict[str, msgspec.Raw]


def without_null(of_value: Any) -> Any:
    """Return a type of `fast` as it is where null is not taken."""
    if of_value is msgspec.Raw:
        return _NOT_NULL
    rest = tuple(part for part in get_args(of_value) if part is not _NULL) if get_origin(of_value) is Union else ()
    return Union[rest] if rest else of_value  # noqa: UP007 # made at run time


class Fast(NamedTuple):
    """A stand-in for a type on the fast path.

    Attributes:
        type: of msgspec.
        holds: asks of a decoded value what the type does not say; None where that is nothing.
        plain: asks more, but is faster, and true of most values; None where `holds` is as fast.
    """

    type: Any
    holds: Callable[[Any], object] | None = None
    plain: Callable[[Any], object] | None = None


def fast(definition: Definition) -> Fast | None:
    """Return a stand-in for the type of a field of `data`, or of a state's value; None where there is none.

    Args:
        definition: a good one.
    """
    if isinstance(definition, bool):
        return Fast(msgspec.Raw) if definition else None
    said = {keyword: value for keyword, value in definition.items() if keyword not in _TOLD}
    types = _types(said)
    holds: Callable[[Any], object] | None = None
    plain: Callable[[Any], object] | None = None
    if types == ["string"]:
        pattern, of_format = said.pop("pattern", None), said.pop("format", None)
        holds = _text_test(pattern, of_format)
        plain = None if pattern is not None or of_format is None else FORMATS[of_format].plain
    elif types in (["integer"], ["number"]) and "multipleOf" in said:
        holds = _multiple_test(said.pop("multipleOf"))
    stands_for = _type(said)
    return None if stands_for is None else Fast(stands_for, holds, plain)


def _types(said: Mapping[str, Any]) -> list[str]:
    types = said.get("type", [])
    return types if isinstance(types, list) else [types]


def _text_test(pattern: str | None, of_format: str | None) -> Callable[[str], object] | None:
    matches = None if pattern is None else compiled(pattern)
    holds = None if of_format is None else FORMATS[of_format].holds
    if matches is None or holds is None:
        return holds or matches
    return lambda text: matches(text) and holds(text)


def _multiple_test(divisor: Number) -> Callable[[int | float], bool]:
    """Return a test for numbers that a float holds exactly; marshmallow looks at the others."""
    return lambda number: isinstance(number, int) and is_multiple(number, divisor)


def _type(definition: Definition) -> Any | None:
    """Return a msgspec type for a definition; None where there is none."""
    if isinstance(definition, bool):
        return msgspec.Raw if definition else None
    said = {keyword: value for keyword, value in definition.items() if keyword not in _TOLD}
    if not said:
        return msgspec.Raw
    types = _types(said)
    if "enum" in said or "const" in said:
        return _literal(said, types)
    known = {"type"}.union(*(_OF_TYPE.get(name, set()) for name in types))
    if not types or not known.issuperset(said):
        return None
    made = [part for name in types for part in _MAKERS[name](said)]
    return None if None in made else Union[tuple(made)]  # noqa: UP007 # made at run time


def _literal(said: Mapping[str, Any], types: Sequence[str]) -> Any | None:
    values = said.get("enum", [said.get("const")])
    fits = {"string": str, "integer": int}
    if {*said} > {"type", "enum"} or ("enum" in said) == ("const" in said):
        return None
    allowed = tuple(fits[name] for name in types if name in fits) or (str, int)
    good = all(
        type(value) in allowed
        and (PLAIN_NAME.fullmatch(value) if isinstance(value, str) else _SMALLEST <= value <= _LARGEST)
        for value in values
    )
    return Literal[tuple(values)] if good else None


def _text(said: Mapping[str, Any]) -> list[Any]:
    bounds = {"min_length": as_count(said.get("minLength")), "max_length": as_count(said.get("maxLength"))}
    return [_held(str, {name: bound for name, bound in bounds.items() if bound is not None})]


def _integer(said: Mapping[str, Any]) -> list[Any]:
    least = [math.ceil(said["minimum"])] if "minimum" in said else []
    least += [math.floor(said["exclusiveMinimum"]) + 1] if "exclusiveMinimum" in said else []
    most = [math.floor(said["maximum"])] if "maximum" in said else []
    most += [math.ceil(said["exclusiveMaximum"]) - 1] if "exclusiveMaximum" in said else []
    bounds = {**({"ge": max(least)} if least else {}), **({"le": min(most)} if most else {})}
    if not all(_SMALLEST <= bound <= _LARGEST for bound in bounds.values()):
        return [None]
    return [_held(int, bounds)]


def _number(said: Mapping[str, Any]) -> list[Any]:
    """Return types of numbers: of floats only those beyond doubt, since a float may be rounded to its bound."""
    bounds: dict[str, float] = {}
    for keyword, name in (("minimum", "gt"), ("exclusiveMinimum", "gt"), ("maximum", "lt"), ("exclusiveMaximum", "lt")):
        if keyword in said:
            bound = float(said[keyword])
            if not math.isfinite(bound) or Decimal(bound) != said[keyword]:
                return [None]
            bounds[name] = (max if name == "gt" else min)(bound, bounds.get(name, bound))
    return [*_integer(said), _held(float, bounds)]


def _array(said: Mapping[str, Any]) -> list[Any]:
    if said.get("uniqueItems"):
        return [None]
    items = _type(said.get("items", True))
    bounds = {"min_length": as_count(said.get("minItems")), "max_length": as_count(said.get("maxItems"))}
    return [
        None
        if items is None
        else _held(list[items], {name: bound for name, bound in bounds.items() if bound is not None})  # type: ignore[valid-type] # made at run time
    ]


def _object(said: Mapping[str, Any]) -> list[Any]:
    required, others = said.get("required", ()), said.get("additionalProperties", True)
    properties = said.get("properties", {})
    if not properties and not required:
        values = _type(others)
        return [None if values is None else dict[str, values]]  # type: ignore[valid-type] # made at run time
    if not isinstance(others, bool) and others != {}:
        return [None]
    types = {name: _type(properties.get(name, others)) for name in {**properties, **dict.fromkeys(required)}}
    if None in types.values() or not all(map(PLAIN_NAME.fullmatch, types)):
        return [None]
    members = {
        f"member{place}": (name, of_name) if name in required else (name, of_name, msgspec.UNSET)
        for place, (name, of_name) in enumerate(types.items())
    }
    return [
        msgspec.defstruct(
            "Members",
            sorted(((member, *rest) for member, (_, *rest) in members.items()), key=len),
            rename={member: name for member, (name, *_) in members.items()},
            forbid_unknown_fields=others is False,
            gc=False,
        )
    ]


def _held(of_type: Any, bounds: Mapping[str, Any]) -> Any:
    return Annotated[of_type, msgspec.Meta(**bounds)] if bounds else of_type


_MAKERS: dict[str, Callable[[Mapping[str, Any]], list[Any]]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _: [bool],
    "object": _object,
    "array": _array,
    "null": lambda _: [_NULL],
}
