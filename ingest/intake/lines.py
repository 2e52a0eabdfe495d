"""Cut newline-delimited JSON into blocks of whole lines, while it arrives.

Lines are kept as they were sent, and only counted: the worker that runs a block tells which of them are JSON
(`ingest.intake.blocks.items_of`). So a body passes through a web process at the speed of looking for line feeds.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

from ingest.errors import InvalidInput

# A line that is too large is kept as this, its length and the most that it may have, so that no process holds it. No
# JSON text begins with it.
_TOO_LARGE = b"\0"
_STANDS_FOR = re.compile(rb"\0([0-9]+) ([0-9]+)")

# The least byte with which a line can begin that is not blank, and holds no space in front of its JSON.
_LEAST_BEGIN = b"!"

# The body is looked at in pieces of this size: they stay in the processor's cache.
_PIECE_BYTES = 256 * 1024

_UTF_16 = {codecs.BOM_UTF16_LE: "FF FE", codecs.BOM_UTF16_BE: "FE FF"}


class Lines(NamedTuple):
    """Whole lines.

    Attributes:
        text: the lines, each with its line feed.
        first: the number of the first one in its body, from 1.
        items: how many of them are not blank.
    """

    text: bytes
    first: int
    items: int


def cut_lines(chunks: Iterable[bytes], *, most_lines: int, most_bytes: int, longest_line: int) -> Iterator[Lines]:
    """Cut a body into blocks of lines.

    Args:
        chunks: the body, in UTF-8; a byte order mark is passed over.
        most_lines: of a block.
        most_bytes: of a block, which may have another 256 kB, and a line, beyond it.
        longest_line: in bytes; of a longer one its length is kept alone.

    Raises:
        InvalidInput: the body is in UTF-16.
    """
    block: list[bytes] = []
    size, first = 0, 1
    for lines, length in _whole_lines(_pieces(without_mark(chunks)), longest_line):
        rest = lines
        size += length
        while len(block) + len(rest) >= most_lines or size >= most_bytes:
            room = most_lines - len(block)
            block += rest[:room]
            rest = rest[room:]
            yield _lines(block, first)
            first += len(block)
            block, size = [], sum(map(len, rest))
        block += rest
    if block:
        yield _lines(block, first)


def is_blank(line: bytes) -> bool:
    """True if a line is no item: nothing but space stands on it."""
    return not line or line.isspace()


def lengths(line: bytes) -> tuple[int, int] | None:
    """Return the length of a line that was too large to be kept, and the most that it may have had; else None."""
    match = _STANDS_FOR.fullmatch(line)
    return (int(match[1]), int(match[2])) if match else None


def stand_in(length: int, longest: int) -> bytes:
    """Return the line that stands for one that is too large: its length, and the most that it may have."""
    return b"%b%d %d" % (_TOO_LARGE, length, longest)


def _lines(lines: Sequence[bytes], first: int) -> Lines:
    # Space sorts before all that a JSON text begins with, so most blocks need no look at each line.
    blank = 0 if min(lines) >= _LEAST_BEGIN else sum(map(is_blank, lines))
    return Lines(b"".join(lines), first, len(lines) - blank)


def without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body without its byte order mark.

    Raises:
        InvalidInput: that is one of UTF-16.
    """
    start = b""
    rest = iter(chunks)
    for chunk in rest:
        start += chunk
        if len(start) >= len(codecs.BOM_UTF8):
            break
    for mark, name in _UTF_16.items():
        if start.startswith(mark):
            raise InvalidInput(f"The body begins with a byte order mark of UTF-16 ({name}); send it in UTF-8")
    yield start.removeprefix(codecs.BOM_UTF8)
    yield from rest


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body in pieces of bounded size."""
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE_BYTES):
            yield chunk[start : start + _PIECE_BYTES]


def _whole_lines(pieces: Iterable[bytes], longest_line: int) -> Iterator[tuple[list[bytes], int]]:
    """Yield the lines that end in each piece, with their line feeds; and the last one, which may lack it.

    Beside them stands how long they were, all together.
    """
    begun: list[bytes] = []  # a line whose end has not come
    length = 0  # of that line
    for piece in pieces:
        lines = BytesIO(piece).readlines()  # three times as fast as bytes.split, which looks at each byte by itself
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if lines:
            own = lines[0]
            if len(piece) > longest_line:
                lines = [_joined([line], len(line), longest_line) for line in lines]
            if length:
                lines[0] = _joined([*begun, own], length + len(own), longest_line)
            yield lines, length + len(piece) - len(rest)
            begun, length = [], 0
        length += len(rest)
        if length <= longest_line + len(b"\r"):
            begun.append(rest)
        else:
            begun.clear()
    if length:
        yield [_joined([*begun, b"\n"], length + 1, longest_line)], length + 1


def _joined(parts: Sequence[bytes], length: int, longest_line: int) -> bytes:
    """Return a line of its parts; or, if it is too large, what stands for it.

    Args:
        parts: all of the line, with its line feed; or the end of a line that is too large.
        length: of the line with its line feed. This and a carriage return before it do not count as the line's.
        longest_line: in bytes.
    """
    line = b"".join(parts)
    if length - len(b"\n") - line.endswith(b"\r\n") <= longest_line:
        return line
    return stand_in(length - len(b"\n"), longest_line) + b"\n"
