"""Read the items of an error file that comes back (docs/contracts/jobs.md section 4).

Such an item has a member that says what was wrong with it, which is no part of the item; and a line that was no JSON
stands as a text in an object.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from ingest import json_text
from ingest.errors import ItemTooLarge
from ingest.intake.items import Unreadable

# The member beside those of the item that says what was wrong with it, and the one that holds a line that was no JSON.
NOTE = "_sluice"
RAW = "_raw"

_NOT_KEPT = Unreadable(
    ItemTooLarge.code, 'The text of this item was too large to be kept; put the item in the place of {"_raw": null}'
)

_SPACE = re.compile(r"[ \t\n\r]*")
_READ = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


def may_be_resent(text: bytes) -> bool:
    """True if an item in a text may be one of an error file; cheap enough for a whole block."""
    return b'"_sluice"' in text


def corrected(item: msgspec.Raw) -> msgspec.Raw | bytes | Unreadable:
    """Return what an item of an error file stands for; any other item as it is.

    Args:
        item: a JSON text.

    Returns:
        The item without the note, a line, or the reason why there is neither.
    """
    try:
        members = json_text.split_object(item)
    except ValueError:
        return _line_with_odd_bytes(item)
    if members.keys() == {RAW, NOTE}:
        return _line(item, members[RAW])
    if NOTE not in members:
        return item
    try:
        return msgspec.Raw(_without_note(bytes(item).decode()).encode())
    except RecursionError:  # which is told of the item as it is
        return item


def _line(item: msgspec.Raw, raw: msgspec.Raw) -> msgspec.Raw | bytes | Unreadable:
    if bytes(raw) == b"null":
        return _NOT_KEPT
    try:
        return msgspec.json.decode(raw, type=str).encode()
    except msgspec.ValidationError:
        return item


def _line_with_odd_bytes(item: msgspec.Raw) -> msgspec.Raw | bytes:
    """Return the line that an item stands for, its bytes that are no UTF-8 written as halves of surrogate pairs."""
    try:
        members = json.loads(bytes(item), parse_int=str)
        if isinstance(members, dict) and members.keys() == {RAW, NOTE} and isinstance(members[RAW], str):
            return str(members[RAW]).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError):
        pass
    return item


def _without_note(text: str) -> str:
    """Return a JSON object without the note, all else as it stands in the text."""
    parts: list[str] = []
    place = text.index("{") + 1
    start = place
    for is_note, end in _members(text, place):
        if not is_note:
            part = text[place:end]
            # The first member has no comma before it.
            parts.append(part if parts or place == start else part[part.index(",") + 1 :])
        place = end
    return "".join([text[:start], *parts, text[place:]])


def _members(text: str, place: int) -> Iterator[tuple[bool, int]]:
    """Yield of each member of an object if it is the note, and where it ends.

    Args:
        text: of the object, which is valid and has a member at least.
        place: behind its brace.
    """
    while text[place] != "}":
        name, place = _READ(text, _after_space(text, place))
        _, place = _READ(text, _after_space(text, _after_space(text, place) + 1))
        yield name == NOTE, place
        place = _after_space(text, place)
        place += text[place] == ","


def _after_space(text: str, place: int) -> int:
    return _SPACE.match(text, place).end()  # type: ignore[union-attr] # it matches nothing, too
