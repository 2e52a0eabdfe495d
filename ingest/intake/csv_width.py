"""Tell rows of CSV of another width than their header, those of an error file too, which gives them the header's."""

import csv
import re
from collections.abc import Iterable, Sequence

from ingest.intake.csv_header import MESSAGE_COLUMN, NOTE, Column

# The begin of the message: a row of an error file that has it was given cells, or lost some, when the file was made.
_MESSAGE = re.compile(r"The row has (\d{1,9}) cells where the header has (\d{1,9}): ")

# A column, and what is wrong with a row there.
Fault = tuple[Column, str]


def wrong_width(cells: int, columns: Sequence[Column]) -> list[Fault]:
    """Return what is wrong with a row of so many cells below these columns; empty if nothing is."""
    if cells == len(columns):
        return []
    many = cells > len(columns)
    column = columns[-1 if many else cells]
    where = f'the last column is "{column.title}"' if many else f'none for column "{column.title}"'
    return [(column, f"The row has {cells} cells where the header has {len(columns)}: {where}")]


def message_place(columns: Sequence[Column]) -> int | None:
    """Return the place of the column of messages, which an error file has."""
    titles = [column.title for column in columns]
    return titles.index(MESSAGE_COLUMN) if MESSAGE_COLUMN in titles else None


def may_be_padded(messages: Iterable[str]) -> bool:
    """True if a row with one of these messages may have had another width."""
    return any(map(_MESSAGE.match, messages))


def padded(row: Sequence[str], columns: Sequence[Column], delimiter: str) -> list[Fault]:
    """Return what was wrong with the width of a row of an error file, if the row is still as that file has it.

    Args:
        row: as wide as the header.
        columns: all of them.
        delimiter: one character.
    """
    place = message_place(columns)
    said = None if place is None else _MESSAGE.match(row[place])
    own = [(column, cell) for column, cell in zip(columns, row, strict=True) if column.path[0] != NOTE]
    if said is None or int(said[2]) != len(own):
        return []
    cells = int(said[1])
    texts = [cell for _, cell in own]
    untouched = not any(texts[cells:]) if cells < len(own) else _width(texts[-1], delimiter) == cells - len(own) + 1
    return wrong_width(cells, [column for column, _ in own]) if untouched else []


def _width(cell: str, delimiter: str) -> int | None:
    try:
        [cells] = csv.reader([cell], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return None
    return len(cells)
