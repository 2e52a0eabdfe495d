"""JSON as data: split without being decoded, so that what was sent is what is stored.

msgspec checks RFC 8259 strictly and hands out the sender's own bytes; it refuses lone surrogates, and with them their
whole batch, so those few texts are split by the standard library's scanner instead and fail alone.
"""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

RawObject = dict[str, msgspec.Raw]

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(RawObject)
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # either half
_EXPONENT = re.compile(rb"[0-9][eE][+-]?0*[1-9][0-9]{3}")
_DIGITS_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
# Backslashes stand in strings alone, and in pairs where they mean themselves.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SPACE = re.compile(r"[ \t\n\r]*")


class NotAnArray(ValueError):
    """The text is JSON, but no array."""


class NotAnObject(ValueError):
    """The text is JSON, but no object."""


def split_array(text: bytes) -> list[msgspec.Raw]:
    """The items of a JSON array, each as the bytes that were sent.

    Args:
        text: UTF-8.

    Returns:
        One an item; an item may hold a lone surrogate, and nothing else that RFC 8259 refuses.

    Raises:
        NotAnArray: it is JSON of another type.
        ValueError: it is not JSON, or nested too deeply; the message says where.
    """
    text.decode()  # msgspec does not look inside of what it hands out raw
    try:
        return _ARRAY.decode(text)
    except msgspec.ValidationError:
        raise NotAnArray("not a JSON array") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        if not holds_surrogate(text):
            raise ValueError(str(error)) from None
        return _split_leniently(text.decode())


def split_object(text: bytes | msgspec.Raw) -> RawObject:
    """The members of a JSON object, their values as the bytes that were sent; of equal names the last counts.

    Raises:
        NotAnObject: it is JSON of another type.
        ValueError: it is not JSON, holds a lone surrogate, or is nested too deeply.
    """
    try:
        return _OBJECT.decode(text)
    except msgspec.ValidationError:
        raise NotAnObject("not a JSON object") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def decode(text: bytes | msgspec.Raw) -> Any:
    """A JSON text as Python values, numbers exact: `int`, or `Decimal` where it has a fraction or an exponent.

    Raises:
        ValueError: it is not JSON, holds a lone surrogate, or a number of more than 4,300 digits or 18 in its exponent.
    """
    try:
        return _EXACT.decode(text)
    except ArithmeticError:  # Decimal's own, as for 1e1000000000000000000
        raise ValueError("a number is out of range") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def has_nul(text: msgspec.Raw) -> bool:
    r"""Whether a string or a name in it holds U+0000, which JSON can say (`\u0000`) and Postgres cannot store."""
    return _NUL.search(bytes(text)) is not None


def holds_surrogate(text: bytes | bytearray | msgspec.Raw) -> bool:
    """Whether it may hold half of a surrogate pair: it writes one of those code points as an escape."""
    return _SURROGATE.search(bytes(text)) is not None


def has_huge_exponent(text: msgspec.Raw) -> bool:
    """Whether a number in it has an exponent beyond 999: a few bytes that would read back as megabytes of digits."""
    return may_have_huge_exponent(bytes(text)) and _EXPONENT.search(_STRING.sub(b"", bytes(text))) is not None


def may_have_huge_exponent(text: bytes) -> bool:
    """Whether anything in it, be it inside a string, looks like such a number: cheap enough for a whole block."""
    alike = text.translate(_DIGITS_ALIKE)
    return b"0e0000" in alike or b"0e+0000" in alike or b"0e-0000" in alike


def has_null_member(text: msgspec.Raw) -> bool:
    """Whether any top-level member of this object is null."""
    return b"null" in bytes(text) and any(bytes(value) == b"null" for value in split_object(text).values())


def _split_leniently(text: str) -> list[msgspec.Raw]:
    # Values are thrown away: each item is cut out by its bounds. Numbers stay text, so that no size limit applies.
    scanner = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    if not (opening := re.match(r"[ \t\n\r]*\[", text)):
        raise NotAnArray("not a JSON array")
    items: list[msgspec.Raw] = []
    position = _skip(text, opening.end())
    if text[position : position + 1] == "]":
        return _at_end(text, position + 1, items)
    while True:
        try:
            _, end = scanner.raw_decode(text, position)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        items.append(msgspec.Raw(text[position:end]))
        position = _skip(text, end)
        mark = text[position : position + 1]
        if mark == "]":
            return _at_end(text, position + 1, items)
        if mark != ",":
            raise ValueError(f"expected a comma or the array's end (character {position})")
        position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _at_end(text: str, position: int, items: list[msgspec.Raw]) -> list[msgspec.Raw]:
    if _skip(text, position) != len(text):
        raise ValueError(f"trailing characters (character {position})")
    return items


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
