"""JSON as data: split without being decoded, so that what was sent is what is stored.

msgspec checks RFC 8259 strictly and hands out the sender's own bytes; it refuses lone surrogates and great depth, and
with them their whole batch, so those few texts are cut in another way, and fail alone. All of it is done by compiled
code: a loop of Python's over a text would take seconds of a process.
"""

import json
import re
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import msgspec

RawObject = dict[str, msgspec.Raw]
_Value = TypeVar("_Value")

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(RawObject)
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_WHOLE = msgspec.json.Decoder(msgspec.Raw)
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # either half
_NO_SURROGATE = rb"\\uff"  # stands in for it, as long as it is, while the rest is checked
# One level deeper, one less deep, and no level: as signed bytes.
STEPS = bytes({ord("["): 1, ord("{"): 1, ord("]"): 255, ord("}"): 255}.get(byte, 0) for byte in range(256))
_SPACE = b" \t\n\r"
_COMMA = ord(",")
_LONGEST_SHOWN = 200
_MANY = 1_000_000  # commas: so many items can be split off at no great cost
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
STRINGS = re.compile(_STRING, re.DOTALL)
# A string that is not closed reaches to the end, so that none of its characters is looked at twice.
STRINGS_OR_REST = re.compile(_STRING + rb"?", re.DOTALL)
_NAME = re.compile(rb"(" + _STRING + rb")[ \t\n\r]*:[ \t\n\r]*", re.DOTALL)
_GAP = re.compile(rb"[ \t\n\r]*,?[ \t\n\r]*")


class NotAnArray(ValueError):
    """The text is JSON, but no array."""


class NotAnObject(ValueError):
    """The text is JSON, but no object."""


class TooDeep(ValueError):
    """The text nests arrays and objects beyond what is taken."""


class TooMany(ValueError):
    """The array has more items than are taken.

    Args:
        count: how many it has, as text.
    """

    def __init__(self, count: str) -> None:
        super().__init__(f"it has {count} items")
        self.count = count


class Repeated(ValueError):
    """An object has two members of one name.

    Args:
        name: of them.
    """

    def __init__(self, name: str) -> None:
        self.name = name[:_LONGEST_SHOWN].encode(errors="replace").decode()  # a lone surrogate cannot be answered
        super().__init__(f'The member "{self.name}" stands more than once; send it once')


def split_array(text: bytes, *, deep: bool = False, most: int | None = None) -> list[msgspec.Raw]:
    """Split a JSON array into its items, each as the bytes that were sent.

    Args:
        text: UTF-8.
        deep: keep an item that is nested too deeply to be looked into, for whoever reads it to refuse.
        most: how many items are taken.

    Returns:
        One an item; an item may hold a lone surrogate, and nothing else that RFC 8259 refuses.

    Raises:
        NotAnArray: it is JSON of another type.
        TooMany: it has more items.
        ValueError: it is not JSON, or nested too deeply; the message says where.
    """
    text.decode()  # msgspec does not look inside of what it hands out raw
    if most is not None and len(text) > _MANY and text.count(b",") > _MANY:
        _refuse_many(text, most)
    cut = True
    items: list[msgspec.Raw] | None
    try:
        items = _ARRAY.decode(text)
    except msgspec.ValidationError:
        raise NotAnArray("not a JSON array") from None
    except RecursionError:
        items = None
    except msgspec.DecodeError as error:
        items = _stand_ins(_ARRAY, text, error)
        cut = False
    if items is None:
        if not deep:
            raise ValueError("nested too deeply")
        return _deep_array(text)
    if most is not None and len(items) > most:
        raise TooMany(str(len(items)))
    return items if cut else _cut_like(items, text)


def split_batch(text: bytes) -> RawObject:
    """Split a JSON object that holds a batch. Errors inside of its members are left to their readers.

    Args:
        text: UTF-8.

    Returns:
        The values as the bytes that were sent. One may hold lone surrogates, or be nested deeply.

    Raises:
        NotAnObject: it is JSON of another type.
        Repeated: two of its members have one name; the items of one of them would be lost.
        ValueError: it is not JSON.
    """
    text.decode()
    members: RawObject | None
    try:
        members = _OBJECT.decode(text)
    except msgspec.ValidationError:
        raise NotAnObject("not a JSON object") from None
    except RecursionError:
        members = None
    except msgspec.DecodeError as error:
        members = _stand_ins(_OBJECT, text, error)
    else:
        if (name := _repeated(members, text)) is not None:
            raise Repeated(name)
        return members
    if members is not None and (named := _named_like(members, text)) is not None:
        return named
    if not text.lstrip(_SPACE).startswith(b"{"):
        raise NotAnObject("not a JSON object")
    return _once([_member(part) for part in _parts(text, b"}")])


def split_object(text: bytes | msgspec.Raw) -> RawObject:
    """Split a JSON object into its members, as the bytes that were sent; of equal names the last counts.

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


def check_once(text: bytes | msgspec.Raw) -> None:
    """Check a short JSON text for objects that have a member twice: its sender cannot mean both.

    Args:
        text: of some hundred kB at most.

    Raises:
        Repeated: there is one.
        ValueError: it is nested too deeply.
    """
    try:
        _ONCE.decode(bytes(text).decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _once(members: list[tuple[str, _Value]]) -> dict[str, _Value]:
    """Return members by their names.

    Raises:
        Repeated: two have one name.
    """
    named = dict(members)
    if len(named) < len(members):
        raise Repeated(next(name for name, times in Counter(name for name, _ in members).items() if times > 1))
    return named


# Numbers stay text: int() refuses more than 4,300 digits.
_ONCE = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str)


def decode(text: bytes | msgspec.Raw) -> Any:
    """Decode a JSON text, numbers exact: `int`, or `Decimal` where it has a fraction or an exponent.

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


def has_null_member(text: msgspec.Raw) -> bool:
    """True if any top-level member of this object is null."""
    return b"null" in bytes(text) and any(bytes(value) == b"null" for value in split_object(text).values())


def _refuse_many(text: bytes, most: int) -> None:
    """Raise TooMany where an array has more items than are taken, having looked at no more of them.

    Each item takes 72 bytes of memory once it is split off, of which two bytes of a text may be one.
    """
    try:
        _few(most).decode(SURROGATE.sub(_NO_SURROGATE, text))
    except msgspec.ValidationError as error:
        if "at most" in str(error):
            raise TooMany(f"over {most}") from None
    except (msgspec.DecodeError, RecursionError):
        pass  # which is told in more words elsewhere


@lru_cache
def _few(most: int) -> msgspec.json.Decoder[msgspec.Struct]:
    """Make a decoder of arrays of at most so many items."""
    places: list[tuple[str, Any, Any]] = [(f"item{place}", msgspec.Raw, msgspec.UNSET) for place in range(most)]
    few = msgspec.defstruct("Few", places, array_like=True, forbid_unknown_fields=True)
    return msgspec.json.Decoder(few)


_Split = TypeVar("_Split", list[msgspec.Raw], RawObject)


def _stand_ins(decoder: msgspec.json.Decoder[_Split], text: bytes, error: msgspec.DecodeError) -> _Split | None:
    """Return the parts of a text, each as long as in the text, with other characters in place of surrogates.

    Args:
        decoder: of the text.
        text: the decoder has refused it.
        error: with which.

    Returns:
        None where the text is nested too deeply for the decoder.

    Raises:
        NotAnArray: it is JSON of another type; for objects NotAnObject.
        ValueError: it is not JSON for another reason than surrogates.
    """
    if not SURROGATE.search(text):
        raise ValueError(str(error)) from None
    try:
        return decoder.decode(SURROGATE.sub(_NO_SURROGATE, text))
    except msgspec.ValidationError:
        raise (NotAnArray if decoder is _ARRAY else NotAnObject)("not of the type") from None
    except RecursionError:
        return None
    except msgspec.DecodeError as other:
        raise ValueError(str(other)) from None


def _cut_like(items: list[msgspec.Raw], text: bytes) -> list[msgspec.Raw]:
    """Cut an array into items that are as long as these."""
    place = text.index(b"[") + 1
    cut: list[msgspec.Raw] = []
    for item in items:
        gap = _GAP.match(text, place)
        start = gap.end() if gap else place
        place = start + len(item)
        cut.append(msgspec.Raw(text[start:place]))
    return cut


def _named_like(members: RawObject, text: bytes) -> RawObject | None:
    """Cut an object into members whose values are as long as these; None where a name stands twice."""
    place = text.index(b"{") + 1
    cut: RawObject = {}
    for value in members.values():
        found = _name_at(text, place)
        if found is None:
            return None
        name, start = found
        place = start + len(value)
        part = text[start:place]
        if SURROGATE.sub(_NO_SURROGATE, part) != bytes(value):
            return None
        cut[name] = msgspec.Raw(part)
    return cut if text[place:].strip(_SPACE) == b"}" else None


def _repeated(members: RawObject, text: bytes) -> str | None:
    """Return the name of a member that stands twice in an object; None where there is none.

    Args:
        members: those of the object, of equal names the last.
        text: the object.
    """
    place, name = text.index(b"{") + 1, ""
    for known, value in members.items():
        found = _name_at(text, place)
        if found is None:  # the number before it goes on: `members` has another one
            return name
        name, start = found
        if name != known or not text.startswith(bytes(value), start):
            return name
        place = start + len(value)
    if text[place:].strip(_SPACE) == b"}":
        return None
    found = _name_at(text, place)
    return found[0] if found else name


def _name_at(text: bytes, place: int) -> tuple[str, int] | None:
    """Return the name of the member there, and where its value begins; None where no name stands."""
    gap = _GAP.match(text, place)
    match = _NAME.match(text, gap.end() if gap else place)
    return (str(json.loads(match[1])), match.end()) if match else None


def _deep_array(text: bytes) -> list[msgspec.Raw]:
    if not text.lstrip(_SPACE).startswith(b"["):
        raise NotAnArray("not a JSON array")
    return [one(part) for part in _parts(text, b"]")]


def _parts(text: bytes, closing: bytes) -> list[bytes]:
    """Return the texts between the outermost brackets, split at their commas; check none of them.

    This scans byte by byte, for texts that nothing else can split.
    """
    whole = text.strip(_SPACE)
    bare = STRINGS_OR_REST.sub(lambda string: b"0" * len(string[0]), whole)
    cuts = [0]
    for place, depth in enumerate(accumulate(memoryview(bare.translate(STEPS)).cast("b"))):
        if depth == 1 and bare[place] == _COMMA:
            cuts.append(place)
        elif depth == 0:
            cuts.append(place)
            break
    if whole[cuts[-1] :] != closing:
        raise ValueError("not closed, or something stands behind its end")
    parts = [whole[before + 1 : after].strip(_SPACE) for before, after in pairwise(cuts)]
    return [] if parts == [b""] else parts


def _member(part: bytes) -> tuple[str, msgspec.Raw]:
    name = _NAME.match(part)
    if name is None:
        raise ValueError("expected a name and a colon")
    return str(json.loads(name[1])), one(part[name.end() :])


def one(text: bytes) -> msgspec.Raw:
    """Return a JSON text without the space around it. It may hold lone surrogates, or be nested too deeply to be read.

    Args:
        text: UTF-8.

    Raises:
        ValueError: it is not one JSON value; the message says where.
    """
    try:
        return _WHOLE.decode(text)
    except RecursionError:
        pass
    except msgspec.DecodeError as error:
        if not SURROGATE.search(text):
            raise ValueError(str(error)) from None
        try:
            _WHOLE.decode(SURROGATE.sub(_NO_SURROGATE, text))
        except RecursionError:
            pass
        except msgspec.DecodeError as other:
            raise ValueError(str(other)) from None
    return msgspec.Raw(text.strip(_SPACE))
