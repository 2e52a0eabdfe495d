"""Read rows of an error file that comes back as the rows that their senders sent (docs/contracts/jobs.md section 4).

`ingest.intake.csv_errors` gives each row as many cells as its header has, so the message of a row says if the row was
another one. A row that has been corrected is read as it stands.
"""

import csv
from collections.abc import Sequence
from typing import NamedTuple

from ingest.errors import ItemTooLarge
from ingest.intake.csv_header import CODE_COLUMN, MESSAGE_COLUMN, NOTE, Column
from ingest.intake.csv_records import grammar_of
from ingest.intake.csv_width import said_width
from ingest.intake.items import Unreadable

# The begin of the message of a row that no reader can cut into cells: its first cell is all of the row.
NO_CSV = "The row is not valid "

# The begin of the message of an item that no row makes: its first cell is the item.
AS_JSON = "No row of these columns makes this item, so the first cell has it as JSON. "

_NOT_KEPT = Unreadable(
    ItemTooLarge.code, "The text of this row was too large to be kept; fill in its cells, or leave the row out"
)

_MARKS = tuple(text.encode() for text in (NO_CSV, AS_JSON, "The row has "))


class SentRow(NamedTuple):
    """A row that another one stands for.

    Attributes:
        record: as it was sent.
        places: those of its columns in the header.
    """

    record: bytes
    places: Sequence[int]


class PatchedItem(NamedTuple):
    """An item that a retry has patched, and its row stands for.

    Attributes:
        text: of the item, JSON.
    """

    text: bytes


def cells_of(record: bytes, delimiter: str) -> list[bytes] | None:
    """Return the cells of a record as they stand in it, whatever its encoding; None where it is no CSV."""
    try:
        [_] = csv.reader([record.decode("utf-8", "surrogateescape")], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return None
    return grammar_of(delimiter).cells(record.rstrip(b"\r"))


def value_of(cell: bytes) -> bytes:
    """Return what a cell says, without its quotes."""
    return cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell


def quoted(text: bytes) -> bytes:
    """Return a text as a cell between quotes."""
    return b'"%b"' % text.replace(b'"', b'""')


def odd_byte(text: bytes) -> int | None:
    """Return the place of the first byte that is no UTF-8; None where there is none."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def has_messages(columns: Sequence[Column]) -> bool:
    """True if there is a column of messages, as an error file has it."""
    return any(column.title == MESSAGE_COLUMN for column in columns)


def own_places(columns: Sequence[Column]) -> list[int]:
    """Return the places of the columns that are the sender's, as against those of a note."""
    return [place for place, column in enumerate(columns) if column.path[0] != NOTE]


class ResentRows:
    """The rows below the header of an error file.

    Args:
        columns: all of them; one is that of messages.
        delimiter: one character.
    """

    def __init__(self, columns: Sequence[Column], delimiter: str) -> None:
        titles = [column.title for column in columns]
        self._width = len(columns)
        self._message = titles.index(MESSAGE_COLUMN)
        self._code = titles.index(CODE_COLUMN) if CODE_COLUMN in titles else None
        self._own = own_places(columns)
        self._delimiter = delimiter

    def may_stand_for_others(self, cells: Sequence[Sequence[str]]) -> bool:
        """True if one of these rows may stand for another one, or for an item.

        Args:
            cells: those of each column.
        """
        return any(text.encode("utf-8", "replace").startswith(_MARKS) for text in cells[self._message]) or (
            self._code is not None and ItemTooLarge.code in cells[self._code]
        )

    def sent(self, record: bytes) -> SentRow | PatchedItem | Unreadable | None:
        """Return what a row stands for; None where that is the row itself."""
        cells = cells_of(record, self._delimiter)
        if cells is None or len(cells) != self._width:
            return None
        own = [cells[place] for place in self._own]
        values = list(map(value_of, own))
        message = value_of(cells[self._message])
        if self._code is not None and value_of(cells[self._code]) == ItemTooLarge.code.encode() and not any(values):
            return _NOT_KEPT
        alone = values[0] if not any(values[1:]) else b""
        if message.startswith(AS_JSON.encode()):
            return PatchedItem(alone) if alone else None
        if message.startswith(NO_CSV.encode()):
            return self._whole(alone) if alone else None
        width = said_width(message)
        return width and self._of_another_width(own, values, *width)

    def _whole(self, record: bytes) -> SentRow | None:
        """Return the row that is the only cell of another one; None where that cell is one of its column."""
        count = self._count(record)
        if count == 1 < len(self._own) and odd_byte(record) is None:
            return None
        return SentRow(record, range(self._width) if count == self._width else self._own)

    def _of_another_width(self, own: Sequence[bytes], values: Sequence[bytes], had: int, header: int) -> SentRow | None:
        """Return the row that had more or fewer cells than its header; None where it has been corrected."""
        delimiter = self._delimiter.encode()
        record: bytes | None = None
        if header != len(own):  # that of an error file, whose row is the first cell
            record = values[0] if self._count(values[0]) == had and not any(values[1:]) else None
            return None if record is None else SentRow(record, range(self._width))
        if had < len(own):
            record = None if any(values[had:]) else delimiter.join(own[:had])
        elif self._count(values[-1]) == had - len(own) + 1:
            record = delimiter.join([*own[:-1], values[-1]])
        return None if record is None else SentRow(record, self._own)

    def _count(self, record: bytes) -> int | None:
        cells = cells_of(record, self._delimiter)
        return None if cells is None else len(cells)
