"""Cut lines and CSV into parts of whole records, always at the same places for the same bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO

from sluice_client.errors import UnreadableFile

LINES, CSV = "application/x-ndjson", "text/csv"
PART_BYTES = 8 * 1024**2
_MOST_PART_BYTES = 32 * 1024**2  # that the server takes: docs/contracts/jobs.md section 1


def cut(
    file: IO[bytes], content_type: str, part_bytes: int = PART_BYTES, *, delimiter: str | None = None
) -> Iterator[bytes]:
    """Yield the parts of a file, each of whole records.

    Args:
        file: from its beginning.
        content_type: a line feed in the quotes of CSV ends no record.
        part_bytes: a part has at most so many, unless a record of it has more.
        delimiter: of CSV, as `BatchOptions` has it.

    Raises:
        UnreadableFile: a record is larger than the server takes a part.
    """
    quotes = _Quotes(delimiter or ",") if content_type == CSV else None
    rest, room, line = b"", part_bytes, 1
    while block := file.read(room - len(rest)):
        rest += block
        if len(rest) < room:
            continue
        end = _border(rest, quotes)
        if end:
            yield rest[:end]
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        room = min(max(part_bytes, 2 * len(rest)), _MOST_PART_BYTES)
        if len(rest) == room:
            hint = "; is a quote in it never closed?" if quotes else ""
            raise UnreadableFile(f"the record that begins at line {line} has more than 32 MiB{hint}")
    if rest:
        yield rest


class _Quotes:
    """The quotes of CSV. One opens a field at its start alone, as the server reads CSV: `5" disk` opens none.

    Args:
        delimiter: as `BatchOptions` has it.

    Attributes:
        opening: matches a quote that opens a field.
        cells: matches whole cells, many at once, from the start of one on; its group is the last line feed behind one.
    """

    def __init__(self, delimiter: str) -> None:
        between = re.escape(b"\t" if delimiter == "tab" else delimiter.encode())
        before = (rb"\n", between, rb"\A", rb"\A" + codecs.BOM_UTF8)
        self.opening = re.compile(rb'"(?:%b)' % b"|".join(rb'(?<=%b")' % one for one in before))
        cell = rb'(?:"[^"]*(?:""[^"]*){0,100}"|[^"\n%b]*)' % between
        self.cells = re.compile(rb"(?:%b(?:%b|\r?(\n))){1,1000}" % (cell, between))


def _border(data: bytes, quotes: _Quotes | None) -> int:
    """Return the end of the last whole record in data that begins with one; 0 if it has none.

    Args:
        data: each byte is looked at a few times.
        quotes: of CSV; None if no line feed stands in quotes.
    """
    if quotes is None:
        return data.rfind(b"\n") + 1
    border = place = 0  # outside of quotes
    while opened := quotes.opening.search(data, place):
        border = max(border, data.rfind(b"\n", place, opened.start()) + 1)
        if cells := quotes.cells.match(data, opened.start()):
            border, place = max(border, cells.end(1)), cells.end()
            continue
        place = opened.end()
        while True:
            closed = data.find(b'"', place)
            if closed < 0:
                return border
            place = closed + 1
            if not data.startswith(b'"', place):
                break
            place += 1  # a quote that is doubled
    return max(border, data.rfind(b"\n", place) + 1)
