"""Payloads of items that were picked from another job: each has its own index and line.

They are kept as lines of an error file are, in which an item of any form has a place beside a note.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ingest.intake.error_files import with_note

# No JSON text, and no line that is kept, begins so (`ingest.intake.lines`).
MARK = b"\0picked\n"


@dataclass(frozen=True, slots=True)
class Picked:
    """An item of another job.

    Attributes:
        index: in the batch that its sender sent; likewise `line`.
        text: as that job kept it.
    """

    index: int
    line: int | None
    text: bytes


# Of each item: its index, and its line.
Place = tuple[int, int | None]

_PLACES = msgspec.json.Decoder(list[Place])


def packed(items: Sequence[Picked]) -> bytes:
    """Return the payload of these items, not compressed: their places, and a line each."""
    places = msgspec.json.encode([(item.index, item.line) for item in items])
    return b"".join([MARK, places, b"\n", *(with_note(item.text, b"null") for item in items)])


def split(text: bytes) -> tuple[list[msgspec.Raw], Sequence[Place]]:
    """Return the items of a payload, each with its note, and their places.

    Args:
        text: as `packed` made it.
    """
    places, *lines = text.removeprefix(MARK).removesuffix(b"\n").split(b"\n")
    return list(map(msgspec.Raw, lines)), _PLACES.decode(places)


def indexes(text: bytes) -> set[int]:
    """Return the indexes of the items of a payload."""
    places, _, _ = text.removeprefix(MARK).partition(b"\n")
    return {place[0] for place in _PLACES.decode(places)}
