"""Members of one name in a JSON object: its sender cannot mean both."""

import json
from collections import Counter
from typing import TypeVar

import msgspec

from ingest.json_cuts import SPACE, name_at

_Value = TypeVar("_Value")

_LONGEST_SHOWN = 200


class Repeated(ValueError):
    """An object has two members of one name.

    Args:
        name: of them.
    """

    def __init__(self, name: str) -> None:
        self.name = name[:_LONGEST_SHOWN].encode(errors="replace").decode()  # a lone surrogate cannot be answered
        super().__init__(f'The member "{self.name}" stands more than once; send it once')


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


def once(members: list[tuple[str, _Value]]) -> dict[str, _Value]:
    """Return members by their names.

    Raises:
        Repeated: two have one name.
    """
    named = dict(members)
    if len(named) < len(members):
        raise Repeated(next(name for name, times in Counter(name for name, _ in members).items() if times > 1))
    return named


# Numbers stay text: int() refuses more than 4,300 digits.
_ONCE = json.JSONDecoder(object_pairs_hook=once, parse_int=str, parse_float=str)


def repeated_name(members: dict[str, msgspec.Raw], text: bytes) -> str | None:
    """Return the name of a member that stands twice in an object; None where there is none.

    Args:
        members: those of the object, of equal names the last.
        text: the object.
    """
    place, name = text.index(b"{") + 1, ""
    for known, value in members.items():
        found = name_at(text, place)
        if found is None:  # the number before it goes on: `members` has another one
            return name
        name, start = found
        if name != known or not text.startswith(bytes(value), start):
            return name
        place = start + len(value)
    if text[place:].strip(SPACE) == b"}":
        return None
    found = name_at(text, place)
    return found[0] if found else name
