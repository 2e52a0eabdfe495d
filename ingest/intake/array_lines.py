"""Cut a JSON array of any size into lines while it arrives, an item each, as `ingest.intake.lines` takes them."""

import re
from collections.abc import Iterable, Iterator

from ingest.errors import InvalidInput
from ingest.intake.lines import without_mark

_LINE_ENDS = bytes.maketrans(b"\n\r", b"  ")  # they stand between the parts of a JSON text alone
_SPACE = b" \t\n\r"

# Brackets and commas; strings as wholes, so that none of theirs counts, and the quote of one that has not ended.
_MARKS = re.compile(rb'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"|[\[\]{},"]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def lines_of_array(chunks: Iterable[bytes], *, longest: int) -> Iterator[bytes]:
    """Yield the items of an array, each on a line of its own.

    Args:
        chunks: the array, in UTF-8; a byte order mark is passed over.
        longest: the most bytes of an item.

    Raises:
        InvalidInput: it is no array, or one that is cut off, or has a longer item.
    """
    text, place, depth = b"", 0, 1
    for chunk in _behind_the_bracket(without_mark(chunks)):
        text += chunk
        begin = 0
        for match in _MARKS.finditer(text, place):
            mark = match[0]
            if mark == b'"':
                place = match.start()
                break
            depth += _STEPS.get(mark, 0)
            if depth == 0 or (depth == 1 and mark == b","):
                if item := text[begin : match.start()].translate(_LINE_ENDS).strip(_SPACE):
                    yield item + b"\n"
                begin = match.end()
            if depth == 0:
                return
        else:
            place = len(text)
        if len(text) - begin > longest:
            raise InvalidInput(f"An item of the array has over {longest} bytes; send such a file as lines of JSON")
        text, place = text[begin:], place - begin
    raise InvalidInput("The JSON array is cut off: its last bracket is missing")


def _behind_the_bracket(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun, head = iter(chunks), b""
    for chunk in begun:
        head = (head + chunk).lstrip(_SPACE)
        if head.startswith(b"["):
            yield head[1:]
            yield from begun
            return
        if head:
            break
    raise InvalidInput("The file is no JSON array: it should begin with [")
