"""Tell rows of CSV of another width than their header, and read again what was told of one."""

import re
from collections.abc import Sequence

from ingest.intake.csv_header import Column

# A column, and what is wrong with a row there.
Fault = tuple[Column, str]

_SAID = re.compile(rb"The row has (\d{1,9}) cells where the header has (\d{1,9}): ")


def wrong_width(cells: int, columns: Sequence[Column]) -> list[Fault]:
    """Return what is wrong with a row of so many cells below these columns; empty if nothing is."""
    if cells == len(columns):
        return []
    many = cells > len(columns)
    column = columns[-1 if many else cells]
    where = f'the last column is "{column.title}"' if many else f'none for column "{column.title}"'
    return [(column, f"The row has {cells} cells where the header has {len(columns)}: {where}")]


def said_width(message: bytes) -> tuple[int, int] | None:
    """Return how many cells a row had, and its header, if the message of an error says so."""
    said = _SAID.match(message)
    return (int(said[1]), int(said[2])) if said else None
