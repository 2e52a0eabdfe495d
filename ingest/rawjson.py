"""JSON as data: split without being decoded, so that what was sent is what is stored.

msgspec checks RFC 8259 strictly and hands out the sender's own bytes; it refuses lone surrogates and great depth, and
with them their whole batch, so those few texts are cut at their brackets and commas instead, and fail alone.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec

RawObject = dict[str, msgspec.Raw]

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(RawObject)
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_WHOLE = msgspec.json.Decoder(msgspec.Raw)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # either half
_NO_SURROGATE = rb"\\uff"  # what stands in for it while the rest is checked
_EXPONENT = re.compile(rb"[0-9][eE][+-]?0*[1-9][0-9]{3}")
_DIGITS_ALIKE = bytes.maketrans(b"123456789+-E", b"00000000000e")  # signs too
_HUGE = b"0e0000"  # among digits alike; a sign and three digits look the same
# Backslashes stand in strings alone, and in pairs where they mean themselves.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_SHALLOW = 10
_SPACE = b" \t\n\r"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_NAME = re.compile(rb"(" + _STRING + rb")[ \t\n\r]*:", re.DOTALL)
# A string that is not closed reaches to the end, so that none of its characters is looked at twice.
_MARK = re.compile(_STRING + rb"?|[\[\]{},]", re.DOTALL)


class NotAnArray(ValueError):
    """The text is JSON, but no array."""


class NotAnObject(ValueError):
    """The text is JSON, but no object."""


class TooDeep(ValueError):
    """The text nests arrays and objects beyond what is taken."""


def split_array(text: bytes, *, deep: bool = False) -> list[msgspec.Raw]:
    """The items of a JSON array, each as the bytes that were sent.

    Args:
        text: UTF-8.
        deep: keep an item that is nested too deeply to be looked into, for whoever reads it to refuse.

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
        if not deep:
            raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        if not holds_surrogate(text):
            raise ValueError(str(error)) from None
    if not text.lstrip(_SPACE).startswith(b"["):
        raise NotAnArray("not a JSON array")
    return [_judged(part, deep=deep) for part in _parts(text, b"]")]


def split_batch(text: bytes) -> RawObject:
    """The members of a JSON object that holds a batch: whatever is wrong inside of one is left to whoever reads it.

    Args:
        text: UTF-8.

    Returns:
        The values as the bytes that were sent, of equal names the last. One may hold lone surrogates, or be nested
        deeply.

    Raises:
        NotAnObject: it is JSON of another type.
        ValueError: it is not JSON.
    """
    text.decode()
    try:
        return _OBJECT.decode(text)
    except msgspec.ValidationError:
        raise NotAnObject("not a JSON object") from None
    except RecursionError:
        pass
    except msgspec.DecodeError as error:
        if not holds_surrogate(text):
            raise ValueError(str(error)) from None
    if not text.lstrip(_SPACE).startswith(b"{"):
        raise NotAnObject("not a JSON object")
    return dict(_member(part) for part in _parts(text, b"}"))


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
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
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
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def has_nul(text: msgspec.Raw) -> bool:
    r"""Whether a string or a name in it holds U+0000, which JSON can say (`\u0000`) and Postgres cannot store."""
    return _NUL.search(bytes(text)) is not None


def holds_surrogate(text: bytes | bytearray | msgspec.Raw) -> bool:
    """Whether it may hold half of a surrogate pair: it writes one of those code points as an escape."""
    return _SURROGATE.search(bytes(text)) is not None


def has_huge_exponent(text: msgspec.Raw) -> bool:
    """Whether a number in it has an exponent beyond 999: a few bytes that would read back as megabytes of digits."""
    return may_have_huge_exponent(bytes(text)) and _EXPONENT.search(_STRINGS.sub(b"", bytes(text))) is not None


def may_have_huge_exponent(text: bytes) -> bool:
    """Whether anything in it, be it inside a string, looks like such a number: cheap enough for a whole block."""
    alike = text.translate(_DIGITS_ALIKE)
    place = alike.find(_HUGE)
    while place >= 0:
        if _EXPONENT.match(text, place) and _ends_number(alike, place):
            return True
        place = alike.find(_HUGE, place + 1)
    return False


def _ends_number(alike: bytes, place: int) -> bool:
    """Whether the digit there is the last of a whole number; those of a hexadecimal id follow a quote or a letter."""
    while place >= 0 and alike[place] in b"0.":
        place -= 1
    return place < 0 or alike[place] in b"[:, \t\n\r"


def has_null_member(text: msgspec.Raw) -> bool:
    """Whether any top-level member of this object is null."""
    return b"null" in bytes(text) and any(bytes(value) == b"null" for value in split_object(text).values())


def is_deep(text: msgspec.Raw, levels: int) -> bool:
    """Whether arrays and objects are nested over so many levels in it, the outermost included."""
    whole = bytes(text)
    if whole.count(b"[") + whole.count(b"{") <= levels:
        return False
    return any(depth > levels for _, _, depth in _marks(whole))


def may_be_deep(text: bytes) -> bool:
    """Whether anything in it may be nested over 10 levels deep: cheap enough for a whole block.

    Brackets are taken away by pairs, and strings that hold none; the quotes of others stay, and then it may be deep.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = text.translate(None, _NO_MARKS).replace(b'""', b"")
    for _ in range(_SHALLOW):
        marks = marks.replace(b"{}", b"").replace(b"[]", b"")
    return marks != b""


def _marks(text: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Brackets and commas: where each stands, what it is, and how deep it is; a bracket is as deep as what it holds."""
    depth = 0
    for mark in _MARK.finditer(text):
        sign = text[mark.start() : mark.start() + 1]
        if sign in {b"[", b"{"}:
            depth += 1
        if sign != b'"':
            yield mark.start(), sign, depth
        if sign in {b"]", b"}"}:
            depth -= 1


def _parts(text: bytes, closing: bytes) -> list[bytes]:
    """What stands between the outermost brackets and the commas there; nothing of it is judged yet."""
    cuts: list[int] = []
    for place, sign, depth in _marks(text):
        if depth == 1:
            cuts.append(place)
            if sign in {b"]", b"}"}:
                break
    if len(cuts) == 1 or text[cuts[-1] :].rstrip(_SPACE) != closing:
        raise ValueError("not closed, or something stands behind its end")
    parts = [text[before + 1 : after].strip(_SPACE) for before, after in pairwise(cuts)]
    return [] if parts == [b""] else parts


def _member(part: bytes) -> tuple[str, msgspec.Raw]:
    name = _NAME.match(part)
    if name is None:
        raise ValueError("expected a name and a colon")
    return str(json.loads(name[1])), _judged(part[name.end() :].lstrip(_SPACE), deep=True)


def _judged(part: bytes, *, deep: bool) -> msgspec.Raw:
    try:
        _WHOLE.decode(_SURROGATE.sub(_NO_SURROGATE, part))
    except RecursionError:
        if not deep:
            raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    return msgspec.Raw(part)
