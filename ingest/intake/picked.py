"""Payloads of items that were picked from another job: each has its own index, line and form."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from ingest.intake.resent import corrected

# No JSON text, and no line that is kept, begins so (`ingest.intake.lines`).
MARK = b"\0picked\n"


@dataclass(frozen=True, slots=True)
class Picked:
    """An item of another job.

    Attributes:
        index: in the batch that its sender sent; likewise `line`.
        text: as that job kept it.
        patched: the text is JSON, though that job may have come as CSV.
    """

    index: int
    line: int | None
    text: bytes
    patched: bool = False


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """An item of a payload, but for its text.

    Attributes:
        index: as of Picked; likewise `line` and `patched`.
        length: of the text, in bytes; -1 in payloads of before, which have lines of an error file.
    """

    index: int
    line: int | None
    length: int = -1
    patched: bool = False


_PLACES = msgspec.json.Decoder(list[_Place])


def packed(items: Sequence[Picked]) -> bytes:
    """Return the payload of these items, not compressed: a line that says what they are, and their texts."""
    places = [_Place(item.index, item.line, len(item.text), item.patched) for item in items]
    return b"".join([MARK, msgspec.json.encode(places), b"\n", *(item.text for item in items)])


def split(payload: bytes) -> Sequence[Picked]:
    """Return the items of a payload, as `packed` made it."""
    places, texts = _parts(payload)
    if any(place.length < 0 for place in places):
        return _of_before(places, texts)
    ends = accumulate(place.length for place in places)
    return [
        Picked(place.index, place.line, texts[end - place.length : end], place.patched)
        for place, end in zip(places, ends, strict=True)
    ]


def indexes(payload: bytes) -> set[int]:
    """Return the indexes of the items of a payload."""
    return {place.index for place in _parts(payload)[0]}


def _parts(payload: bytes) -> tuple[Sequence[_Place], bytes]:
    places, _, texts = payload.removeprefix(MARK).partition(b"\n")
    return _PLACES.decode(places), texts


def _of_before(places: Sequence[_Place], lines: bytes) -> Sequence[Picked]:
    """Return the items of a payload that has lines of an error file: among rows of CSV, objects are patched ones."""
    items = map(corrected, map(msgspec.Raw, lines.removesuffix(b"\n").split(b"\n")))
    return [
        Picked(place.index, place.line, bytes(item), patched=not isinstance(item, bytes))  # type: ignore[arg-type] # each was kept
        for place, item in zip(places, items, strict=True)
    ]
