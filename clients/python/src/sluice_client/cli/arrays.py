"""Cut a JSON array into its items, as a stream: each becomes a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sluice_client.errors import UnreadableFile

_LINE_ENDS = bytes.maketrans(b"\n\r", b"  ")  # they stand between the parts of a JSON text alone
_SPACE = b" \t\n\r"
_MARK = b"\xef\xbb\xbf"

# Marks that change the depth or end an item, and whole strings.
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)


_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def items_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the items of an array, each as a line without its end.

    Args:
        pieces: of the text.

    Raises:
        UnreadableFile: it is no array, or one that is cut off.
    """
    data, place, depth = b"", 0, 1
    for piece in _behind_the_bracket(pieces):
        data += piece
        begin = 0
        for match in _STRUCTURE.finditer(data, place):
            mark = match[0]
            if mark == b'"':  # a string that goes on in the next piece
                place = match.start()
                break
            depth += _STEPS.get(mark, 0)
            if depth == 0 or (depth == 1 and mark == b","):
                item = data[begin : match.start()].translate(_LINE_ENDS).strip(_SPACE)
                if item or depth:
                    yield item or mark  # `[1,,2]`: the server says that a comma is no JSON
                begin = match.end()
            if depth == 0:
                return
        else:
            place = len(data)
        data, place = data[begin:], place - begin
    raise UnreadableFile("its JSON array is cut off")


def _behind_the_bracket(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what follows the first bracket of a text."""
    begun = iter(pieces)
    head = b""
    for piece in begun:
        head += piece
        text = head.removeprefix(_MARK).lstrip(_SPACE)
        if text.startswith(b"["):
            yield text[1:]
            yield from begun
            return
        if text and not _MARK.startswith(head):
            raise UnreadableFile("it is no JSON array: it should begin with [; lines of JSON are --format ndjson")
    raise UnreadableFile("it is empty")
