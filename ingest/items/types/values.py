"""JSON values as they are compared: exactly, whatever their digits (JSON Schema core, section 4.2.2)."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

# The JSON types in the order in which messages list them, each with its article.
ARTICLES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "object": "an object",
    "array": "an array",
    "null": "null",
}

Number = int | Decimal


def is_number(value: Any) -> bool:
    """True for a JSON number, as it was decoded: an int or a Decimal."""
    return isinstance(value, Number) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """True for a JSON number without a fraction, whatever its spelling: `1e2` and `1.0` are integers."""
    return (isinstance(value, int) and not isinstance(value, bool)) or _is_whole(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Decimal) and (value.as_tuple().exponent >= 0 or value == value.to_integral_value())  # type: ignore[operator] # JSON has no NaN


def type_of(value: Any) -> str:
    """Return the narrowest JSON type of a decoded value: one of ARTICLES."""
    if isinstance(value, Decimal):
        return "integer" if _is_whole(value) else "number"
    return _TYPES[type(value)]


_TYPES = {
    str: "string",
    int: "integer",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "null",
}


def comparable(value: Any) -> Any:
    """Return what is equal and hashes equal for two JSON values that are equal, and for no others.

    Numbers are equal by their value, and `true` is no number; the order of an object's members does not count.
    """
    match value:
        case bool() | None:
            return ("constant", value)
        case list():
            return ("array", tuple(map(comparable, value)))
        case dict():
            return ("object", frozenset((name, comparable(member)) for name, member in value.items()))
        case _:
            return value


def is_multiple(value: Number, divisor: Number) -> bool:
    """True if a number is a whole multiple of another one, exactly."""
    if isinstance(value, Decimal) and isinstance(divisor, int | Decimal) and value == 0:
        return True
    return (Fraction(value) / Fraction(divisor)).denominator == 1


def as_count(value: Any) -> int | None:
    """Return a whole number of 0 or more, such as `2` or `2.0`; None for anything else."""
    return int(value) if is_integer(value) and 0 <= value < math.inf else None
