"""Python values as exact JSON, and back.

msgspec writes a row in less than a microsecond, but writes NaN as null and a naive datetime without an offset. So a row
whose JSON holds a null or what may be a naive time is looked at value by value; all others are not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

import msgspec

from sluice_client import arguments
from sluice_client.errors import UnsupportedValue

NullPolicy = Literal["error", "null", "omit"]
Numbers = Literal["decimal", "float"]

_ODD_WORDS = (b"null", b"NaN", b"Infinity")
_NAIVE_TIME = re.compile(rb':\d\d(?:\.\d+)?"')
_MISSING = {"NAType", "NaTType"}  # of pandas, which is not imported to ask
_LEFT_OUT = object()
_BUILT = (datetime, date, time, Decimal)
# msgspec writes these by itself, and never as a null or a naive time.
_PLAIN = (str, int, date, timedelta, UUID, bytes, bytearray, memoryview, msgspec.Raw)
_OF_FIELDS = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__")


def is_missing(value: Any) -> bool:
    """True if a value is a None, or a NaN, NaT or NA."""
    return value is None or type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value))


def _foreign(value: Any) -> Any:
    """Return a value of a type that msgspec does not know as one that it does."""
    kind = type(value)
    if kind.__name__ in _MISSING:
        return math.nan
    if kind.__module__ == "numpy" and value.dtype.kind in "Mm":
        return _of_numpy(value)
    if hasattr(value, "model_dump"):  # pydantic
        return value.model_dump()
    kin = _kin(value)
    if kin is not None:
        return kin
    for unwrap in ("tolist", "as_py"):  # scalars and arrays of numpy, scalars of pyarrow
        if hasattr(value, unwrap):
            return getattr(value, unwrap)()
    raise UnsupportedValue(f"JSON has no {kind.__module__}.{kind.__qualname__}; turn it into text or numbers first")


def _kin(value: Any) -> Any:
    """Return a value as one of the class that its own is derived from, and a path as text; None if it is neither."""
    if isinstance(value, datetime):  # pandas.Timestamp, to the nanosecond
        _require_zone(value, "a value")
        return value.isoformat()
    if isinstance(value, timedelta) and not getattr(value, "nanoseconds", 0):  # pandas.Timedelta
        return timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, PurePath):
        return str(value)
    for known in (float, int, str, Decimal):
        if isinstance(value, known):
            return known(value)
    return None


def _of_numpy(value: Any) -> Any:
    """Return NaN for a NaT of numpy, and refuse all its other times, which have no zone, and its spans.

    Its own `tolist` would make numbers of those that count nanoseconds.
    """
    if str(value) == "NaT":
        return math.nan
    if value.dtype.kind == "M":
        raise UnsupportedValue(
            f"a value is a numpy.{type(value).__name__} of {value.dtype}, which has no time zone: give it one, as in "
            'pandas.Timestamp(value, tz="UTC")'
        )
    raise UnsupportedValue(f"JSON has no {value.dtype} of numpy; turn it into datetime.timedelta or a number first")


class Shape(NamedTuple):
    """The shape of the rows of a table.

    Attributes:
        item: makes an item of a row.
        quick: makes an object of a row that is written as its item is, sooner.
        line: the line of a row that has been written, and may be sent as it is; None if there is none.
    """

    item: Callable[[Any], dict[str, Any]]
    quick: Callable[[Any], Any]
    line: Callable[[Any], bytes | None] | None = None


UNWRITTEN = (TypeError, ValueError, OverflowError, RecursionError)
# Writes a value of the caller's as JSON, a number that is none as a null.
write = msgspec.json.Encoder(decimal_format="number", enc_hook=_foreign).encode

# Writes what the client itself makes, with numbers exact.
exact_json = msgspec.json.Encoder(decimal_format="number").encode


def is_odd(line: bytes) -> bool:
    """True if JSON holds a null or what may be a naive time, for which its item has to be looked at."""
    return any(word in line for word in _ODD_WORDS) or _NAIVE_TIME.search(line) is not None


def encoder(policy: NullPolicy, shape: Shape | None = None) -> Callable[[Any], bytes]:
    """Return a function that writes an item as one line of JSON, without its end.

    Args:
        policy: of values that are missing (NaN, NaT, NA): `error` refuses the item, `null` sends a null, `omit` leaves
            the member out. A plain None is always a null.
        shape: of rows that are no items yet.

    Raises:
        ValueError: there is no such policy.
    """
    arguments.word("null_policy", policy, get_args(NullPolicy))

    # Ten million times in a load: hence no call that can be spared, and names that are near.
    null, nan, infinity = _ODD_WORDS
    written, has_naive_time, quick = write, _NAIVE_TIME.search, shape and shape.quick

    def encode(row: Any) -> bytes:
        try:
            line = written(quick(row) if quick else row)
        except UnsupportedValue:
            line = _written(shape.item(row) if shape else row, policy)  # which names the way to the value
        except UNWRITTEN as error:
            raise UnsupportedValue(f"the item cannot be written as JSON: {error}") from error
        # Four searches of bytes cost half of one with four alternatives.
        if null in line or nan in line or infinity in line or has_naive_time(line):  # which the item may not have had
            line = _written(shape.item(row) if shape else row, policy)
        if b"\n" in line:  # of a Raw of several lines, where it is nothing but space
            line = line.replace(b"\n", b" ")
        if not line or line.isspace():  # the server would take it for no item, and count those behind it wrongly
            raise UnsupportedValue("the item is a Raw of nothing")
        return line

    line_of = shape and shape.line
    return (lambda row: line_of(row) or encode(row)) if line_of else encode


def _written(item: Any, policy: NullPolicy) -> bytes:
    """Return an item as JSON, looked at value by value."""
    try:
        checked = _checked(item, policy, "")
    except RecursionError as error:
        raise UnsupportedValue("the item is nested too deep to be looked at, as one with a null has to be") from error
    try:
        return write(None if checked is _LEFT_OUT else checked)
    except UNWRITTEN as error:
        raise UnsupportedValue(f"the item cannot be written as JSON: {error}") from error


def _checked(value: Any, policy: NullPolicy, path: str) -> Any:  # noqa: PLR0911 # a return for each sort of value
    """Return a value without those that JSON has not; all others go as they would if none of these stood beside them.

    Raises:
        UnsupportedValue: it holds a naive time, or a number that is none where the policy is `error`.
    """
    if type(value).__name__ in _MISSING:
        return _missing(value, policy, path)
    if isinstance(value, (datetime, time)):
        _require_zone(value, path)
        return value
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _missing(value, policy, path)
    if isinstance(value, Decimal):  # no float is as large as some of them
        return value if value.is_finite() else _missing(value, policy, path)
    if isinstance(value, Enum):
        return _checked(value.value, policy, path)
    if isinstance(value, dict):
        members = {_key(name, path): _checked(inner, policy, f"{path}/{name}") for name, inner in value.items()}
        return {name: inner for name, inner in members.items() if inner is not _LEFT_OUT}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_checked(inner, policy, f"{path}/{place}") for place, inner in enumerate(value)]
        return [None if item is _LEFT_OUT else item for item in items]  # the places of the others stay
    if any(hasattr(value, mark) for mark in _OF_FIELDS):
        return _checked(msgspec.to_builtins(value, enc_hook=_foreign, builtin_types=_BUILT), policy, path)
    return _checked(_known(value, path), policy, path)


def _known(value: Any, path: str) -> Any:
    try:
        return _foreign(value)
    except UnsupportedValue as error:
        raise UnsupportedValue(f"{path or 'the item'}: {error}") from None


def _key(name: Any, path: str) -> Any:
    """Return the name of a member, if JSON has it."""
    if isinstance(name, (datetime, time)):
        _require_zone(name, f"{path}/{name}")
    if isinstance(name, Decimal) and not name.is_finite():
        raise UnsupportedValue(f"{path or 'the item'} has a member named {name}, which JSON has not")
    return name


def _require_zone(value: datetime | time, path: str) -> None:
    if value.tzinfo is None:
        raise UnsupportedValue(
            f"{path or 'the item'} is a {type(value).__name__} without a time zone: give it one, as in "
            "value.replace(tzinfo=timezone.utc)"
        )


def _missing(value: Any, policy: NullPolicy, path: str) -> Any:
    if policy == "error" or str(value).endswith(("Infinity", "inf")):
        raise UnsupportedValue(
            f"{path or 'the item'} is {value}, which JSON has not: send a number, or say what becomes of missing ones "
            'by null_policy="null" or null_policy="omit"'
        )
    return None if policy == "null" else _LEFT_OUT


def decoder(kind: Any, numbers: Numbers) -> msgspec.json.Decoder[Any]:
    """Return a decoder of answers.

    Args:
        kind: the type of the answer.
        numbers: `decimal` keeps the digits of numbers in free JSON; `float` rounds those with a fraction.
    """
    return msgspec.json.Decoder(kind, float_hook=Decimal if numbers == "decimal" else None)
