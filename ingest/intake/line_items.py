"""Make items of lines of JSON: each is one JSON text, or says why it is none."""

import msgspec

from ingest import json_text
from ingest.errors import ITEM_TOO_LARGE, ItemTooLarge
from ingest.intake.items import NULL, Items, Unreadable
from ingest.intake.lines import as_sent, is_blank, lengths

_LINES = msgspec.json.Decoder(msgspec.Raw).decode_lines


def items_of_lines(text: bytes, first: int) -> Items:
    """Read the lines of a block.

    Args:
        text: lines as they are kept (`ingest.intake.lines`), each with its line feed.
        first: the number of the first one in the body.
    """
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    items = _all_items(text)
    if items is not None:
        return Items(items, lines=range(first, first + len(items)))
    numbered = [(number, line) for number, line in enumerate(text.split(b"\n"), first) if not is_blank(line)]
    read = [item_of_line(line) for _, line in numbered]
    return Items(
        [NULL if isinstance(item, Unreadable) else item for item in read],
        {place: item for place, item in enumerate(read) if isinstance(item, Unreadable)},
        [number for number, _ in numbered],
    )


def _all_items(text: bytes) -> list[msgspec.Raw] | None:
    """Return the items of lines that are nothing but one JSON value each; None if any line is something else."""
    try:
        text.decode()  # msgspec does not look inside of what it hands out raw
        items = _LINES(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # msgspec takes values that share a line, and one that goes on over lines. It has met neither if line feeds are all
    # that stands between the items, and there is no other line feed.
    exact = b"\n".join([*items, b""]) == text and text.count(b"\n") == len(items)
    return items if exact else None


def item_of_line(line: bytes) -> msgspec.Raw | Unreadable:
    """Return the item that a line is, as it is kept, or the reason why it is none."""
    if (too_large := lengths(line)) is not None:
        return Unreadable(ItemTooLarge.code, ITEM_TOO_LARGE.format(*too_large))
    line = as_sent(line)
    try:
        line.decode()
        return json_text.one(line)
    except UnicodeDecodeError as error:
        return Unreadable("INVALID_JSON", f"The line is not valid UTF-8 (byte {error.start})", sent=line)
    except ValueError as error:
        return Unreadable("INVALID_JSON", f"The line is not valid JSON: {error}", sent=line)
