"""Rows of Arrow's tables written as lines of JSON, column by column, a slice of rows at a time.

Arrow itself makes the text of columns of text, integers and booleans; all other columns are written value by value. A
line is the same, to the byte, as that of a row which is written by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import repeat
from operator import itemgetter
from typing import Any

import msgspec

from sluice_client.errors import UnsupportedValue
from sluice_client.values import UNWRITTEN, Shape, is_odd, write

_MARK = re.compile(rb"\x00(\d+)\x00")  # no JSON has such bytes
_ESCAPED = bytes(range(0x20)) + b'"\\'  # in strings of JSON
_TEXTS = {"string", "large_string"}

# Makes the values of a column.
ValuesOf = Callable[[Any], "list[Any]"]


class Slice:
    """Some rows of a table, whose values are made of all of them once those of one are wanted.

    Args:
        batch: of Arrow.
        values_of: makes the values of a column.
    """

    def __init__(self, batch: Any, values_of: ValuesOf) -> None:
        self._batch, self._values_of = batch, values_of
        self._rows: list[Sequence[Any]] | None = None

    def row(self, place: int) -> Sequence[Any]:
        """Return the values of a row."""
        if self._rows is None:
            self._rows = list(zip(*map(self._values_of, self._batch.columns), strict=True))
        return self._rows[place]


# A row: its line, or None if it has to be written by itself; its slice, and its place there.
Row = tuple["bytes | None", Slice, int]


class Lines:
    """The lines of rows of a table.

    Args:
        shape: of rows of values.
        columns: the number of them.
        values_of: makes the values of a column.
    """

    def __init__(self, shape: Shape, columns: int, values_of: ValuesOf) -> None:
        self._shape, self._values_of = shape, values_of
        # They are there, since the table is Arrow's own; other loads import none of it.
        self._arrow, self._compute = import_module("pyarrow"), import_module("pyarrow.compute")
        marked = [msgspec.Raw(b"\0%d\0" % place) for place in range(columns)]
        # Text stands before each column, and some behind the last one.
        *parts, self._end = _MARK.split(write(shape.quick(marked)))
        self._parts = [(before.decode(), int(place)) for before, place in zip(parts[::2], parts[1::2], strict=True)]

    @property
    def shape(self) -> Shape:
        """The shape of the rows that `of` yields."""
        item, quick = self._shape.item, self._shape.quick
        return Shape(lambda row: item(row[1].row(row[2])), lambda row: quick(row[1].row(row[2])), itemgetter(0))

    def of(self, batch: Any) -> Iterator[Row]:
        """Return the rows of a batch of Arrow, which has so few that their values may be held, too."""
        if not batch.num_columns:  # Arrow counts rows of nothing
            return iter(())
        rows = Slice(batch, self._values_of)
        lines = self._lines(batch) or repeat(None)
        return zip(lines, repeat(rows), range(batch.num_rows), strict=False)

    def _lines(self, batch: Any) -> Sequence[bytes | None] | None:
        """Return the lines of a batch, those alone that may be sent as they are; None if there is none."""
        if any(column.null_count for column in batch.columns):
            return None
        pieces: list[Any] = []
        try:
            for before, place in self._parts:
                pieces += [before, *self._texts(batch.column(place))]
            pieces.append(f"{self._end.decode()}\n")
            text = _text_of(self._compute.binary_join_element_wise(*pieces, ""))
            text.decode()
        except (self._arrow.ArrowException, UnicodeDecodeError, UnsupportedValue, *UNWRITTEN):
            return None  # it is raised of the row, or is none
        lines = text.split(b"\n")[:-1]
        return [None if is_odd(line) else line for line in lines] if is_odd(text) else lines

    def _texts(self, column: Any) -> list[Any]:
        """Return a column as JSON, in parts that stand side by side."""
        pa = self._arrow
        kind = column.type
        if str(kind) in _TEXTS:
            text = _text_of(column)
            if len(text.translate(None, _ESCAPED)) == len(text):
                return ['"', column.cast(pa.string()), '"']
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return [column.cast(pa.string())]
        return [pa.array([write(value).decode() for value in self._values_of(column)], pa.string())]


def _text_of(column: Any) -> bytes:
    """Return the values of a column of text, one behind the other."""
    _, ends, text = column.buffers()
    places = memoryview(ends).cast("B").cast("q" if str(column.type) == "large_string" else "i")
    first, last = places[column.offset], places[column.offset + len(column)]
    return bytes(text[first:last]) if last > first else b""
