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
# JSON text begins with it; and a line that was sent so is kept with another in front, so that no sender can write what
# stands for a line.
_NUL = b"\0"
_STANDS_FOR = re.compile(rb"\0([0-9]{1,20}) ([0-9]{1,20})")

# The least byte with which a line can begin that is not blank, and holds no space in front of its JSON.
_LEAST_BEGIN = b"!"

# The body is looked at in pieces of this size: they stay in the processor's cache.
_PIECE_BYTES = 256 * 1024

_UTF_16 = {codecs.BOM_UTF16_LE: "FF FE", codecs.BOM_UTF16_BE: "FE FF"}


# Bytes of a body; those that need not be copied stay in the piece in which they came.
Part = bytes | memoryview


class Lines(NamedTuple):
    """Whole lines.

    Attributes:
        parts: the lines one after the other, each with its line feed; a part may hold many.
        first: the number of the first one in its body, from 1.
        items: how many of them are not blank.
    """

    parts: Sequence[Part]
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
    parts: list[Part] = []
    count, items, size, first = 0, 0, 0, 1
    for texts, lines, filled in _whole_lines(_pieces(without_mark(chunks)), longest_line):
        taken, left = 0, sum(map(len, texts))  # lines that blocks have already, and bytes that they have not
        while count + len(lines) - taken >= most_lines or size + left >= most_bytes:
            some = lines[taken : taken + most_lines - count]
            part = b"".join(some)
            yield Lines([*parts, part], first, items + _items(some, filled=filled))
            first += count + len(some)
            taken, left = taken + len(some), left - len(part)
            parts, count, items, size = [], 0, 0, 0
        if taken < len(lines):
            some = lines[taken:] if taken else lines  # a copy would touch every line
            parts += [b"".join(some)] if taken else texts
            count += len(some)
            items += _items(some, filled=filled)
            size += left
    if parts:
        yield Lines(parts, first, items)


def is_blank(line: bytes) -> bool:
    """True if a line is no item: nothing but space stands on it."""
    return not line or line.isspace()


def lengths(line: bytes) -> tuple[int, int] | None:
    """Return the length of a line that was too large to be kept, and the most that it may have had; else None."""
    match = _STANDS_FOR.fullmatch(line)
    return (int(match[1]), int(match[2])) if match else None


def stand_in(length: int, longest: int) -> bytes:
    """Return the line that stands for one that is too large: its length, and the most that it may have."""
    return b"%b%d %d" % (_NUL, length, longest)


def guarded(line: bytes) -> bytes:
    """Return the form in which a line that was sent is kept: none that could be read as a stand-in."""
    return _NUL + line if line.startswith(_NUL) else line


def as_sent(line: bytes) -> bytes:
    """Return a line that is kept, and no stand-in, as it was sent."""
    return line.removeprefix(_NUL)


def _items(lines: Sequence[bytes], *, filled: bool) -> int:
    """Return how many lines are not blank: all of them if they are known to be filled."""
    return len(lines) if filled else len(lines) - sum(map(bytes.isspace, lines))


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


def _whole_lines(pieces: Iterable[bytes], longest_line: int) -> Iterator[tuple[list[Part], list[bytes], bool]]:
    """Yield the lines that end in each piece, with their line feeds, as parts of a text and one by one.

    True stands beside them if it is known that none is blank. The last line of all may lack its line feed, and gets
    one.
    """
    begun: list[bytes] = []  # a line whose end has not come
    length = 0  # of that line
    blank = True  # as far as bytes of it are lost
    for piece in pieces:
        # readlines looks for line feeds three times as fast as bytes.split, which looks at each byte by itself.
        lines = BytesIO(piece).readlines()
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if lines:
            start, end = 0, len(piece) - len(rest)
            texts: list[Part] = []
            lost = length - sum(map(len, begun))
            if begun:
                start = len(lines[0])
                lines[0] = b"".join([*begun, lines[0]])
                texts.append(lines[0])
            texts.append(_part(piece, start, end))
            # Space and NUL sort before all that a JSON text begins with, so most pieces need no look at each line.
            least = min(lines)
            if length + end > longest_line or least.startswith(_NUL):
                lines = [
                    _kept(lines[0], lost, longest_line, blank=blank),
                    *(_kept(line, 0, longest_line) for line in lines[1:]),
                ]
                texts, least = [b"".join(lines)], min(lines)
            yield texts, lines, least >= _LEAST_BEGIN
            begun, length, blank = [], 0, True
        if rest:
            begun.append(rest)
            length += len(rest)
        if length > longest_line + len(b"\r"):
            blank = blank and b"".join(begun).isspace()
            begun.clear()
    if length:
        line = _kept(b"".join([*begun, b"\n"]), length - sum(map(len, begun)), longest_line, blank=blank)
        yield [line], [line], False


def _part(piece: bytes, start: int, end: int) -> Part:
    """Return a part of a piece, without copying it; but a small part shall not keep all of its piece in memory."""
    return memoryview(piece)[start:end] if 2 * (end - start) > len(piece) else piece[start:end]


def _kept(line: bytes, lost: int, longest_line: int, *, blank: bool = True) -> bytes:
    """Return a line as it is kept; or, if it is too large, what stands for it, which is an empty one if it is blank.

    Args:
        line: with its line feed, which does not count as the line's, as a carriage return before it does not.
        lost: bytes at its beginning that were too many to be kept.
        longest_line: in bytes.
        blank: the lost bytes are nothing but space.
    """
    length = lost + len(line) - len(b"\n")
    if length - line.endswith(b"\r\n") <= longest_line:
        return guarded(line)
    if blank and line.isspace():
        return b"\n"
    return stand_in(length, longest_line) + b"\n"
