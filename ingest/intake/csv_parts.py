"""Cut a part of CSV whose header stands in another part (docs/contracts/jobs.md section 1), which may come later.

A block is bounded by what its rows have as JSON, to which each row adds the names of its columns. Where these are not
known yet, their number is: rows have as many cells.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from ingest.intake.blocks import Block, blocks_of_rows
from ingest.intake.csv_records import grammar_of
from ingest.intake.lines import without_mark

# Of a column that is not known yet.
_BYTES_OF_A_COLUMN = 64
_BYTES_OF_A_ROW = 20

# Blocks may have so many times the bytes that they were cut by, which is 32 MB of JSON: names have 500 characters at
# most, so that a guess is wrong by more only if the first row of a part has other cells than the header has columns.
MOST_GROWTH = 8

_LOOKED_AT_BYTES = 64 * 1024


class Rows(NamedTuple):
    """Rows of CSV that are being cut.

    Attributes:
        row_bytes: by which they are cut: what an item has as JSON beside the bytes of its row.
        blocks: the blocks, while they arrive.
    """

    row_bytes: int
    blocks: Iterator[Block]


def cut_rows(chunks: Iterable[bytes], delimiter: str, *, longest: int, row_bytes: int | None) -> Rows:
    """Cut rows without a header into blocks.

    Args:
        chunks: the rows, in UTF-8; a byte order mark is passed over.
        delimiter: one character.
        longest: the most bytes of a row; a longer one is an item that is too large.
        row_bytes: as of `ingest.intake.csv_header.row_bytes`; None where the header is not known yet.

    Raises:
        InvalidInput: the body is in UTF-16.
    """
    rows = without_mark(chunks)
    if row_bytes is None:
        start = b""
        for chunk in rows:
            start += chunk
            if len(start) >= _LOOKED_AT_BYTES:
                break
        row_bytes = _guessed(start, delimiter)
        rows = chain([start] if start else [], rows)
    return Rows(row_bytes, blocks_of_rows(rows, delimiter, longest=longest, row_bytes=row_bytes))


def _guessed(start: bytes, delimiter: str) -> int:
    """Guess the bytes of a row's names from the cells of the first one."""
    grammar = grammar_of(delimiter)
    begin = grammar.after_blank_lines(start)
    end = grammar.end_of_record(start, begin)
    columns = start.count(delimiter.encode(), begin, len(start) if end is None else end) + 1
    return _BYTES_OF_A_ROW + _BYTES_OF_A_COLUMN * columns
