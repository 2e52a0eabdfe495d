"""Split JSON that holds many items: an array of them, or the object of a batch.

msgspec refuses lone surrogates and great depth, and with them their whole batch, so `ingest.json_cuts` cuts those few
texts in another way, and the items that hold them fail alone.
"""

from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from ingest.json_cuts import SPACE, SURROGATE, items_like, members_like, name_at, parts, without_surrogates
from ingest.json_repeats import Repeated, once, repeated_name
from ingest.json_text import NotAnObject, RawObject, one

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(RawObject)
_MANY = 1_000_000  # commas: so many items can be split off at no great cost


class NotAnArray(ValueError):
    """The text is JSON, but no array."""


class TooMany(ValueError):
    """The array has more items than are taken.

    Args:
        count: how many it has, as text.
    """

    def __init__(self, count: str) -> None:
        super().__init__(f"it has {count} items")
        self.count = count


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
    return items if cut else items_like(items, text)


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
        if (name := repeated_name(members, text)) is not None:
            raise Repeated(name)
        return members
    if members is not None and (named := members_like(members, text)) is not None:
        return named
    if not text.lstrip(SPACE).startswith(b"{"):
        raise NotAnObject("not a JSON object")
    return once([_member(part) for part in parts(text, b"}")])


def _refuse_many(text: bytes, most: int) -> None:
    """Raise TooMany where an array has more items than are taken, having looked at no more of them.

    Each item takes 72 bytes of memory once it is split off, of which two bytes of a text may be one.
    """
    try:
        _few(most).decode(without_surrogates(text))
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
        return decoder.decode(without_surrogates(text))
    except msgspec.ValidationError:
        raise (NotAnArray if decoder is _ARRAY else NotAnObject)("not of the type") from None
    except RecursionError:
        return None
    except msgspec.DecodeError as other:
        raise ValueError(str(other)) from None


def _deep_array(text: bytes) -> list[msgspec.Raw]:
    if not text.lstrip(SPACE).startswith(b"["):
        raise NotAnArray("not a JSON array")
    return [one(part) for part in parts(text, b"]")]


def _member(part: bytes) -> tuple[str, msgspec.Raw]:
    found = name_at(part, 0)
    if found is None:
        raise ValueError("expected a name and a colon")
    name, start = found
    return name, one(part[start:])
