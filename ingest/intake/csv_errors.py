"""Write bad rows of CSV with what is wrong with them, so that they can be corrected and sent again.

Source: docs/contracts/jobs.md section 4. Each row has as many cells as the header, so the file is CSV whatever the rows
were. `ingest.intake.csv_rows` reads such a file as any other CSV, leaves the columns of the note out, and reads a row
that stands for another one as that (`ingest.intake.csv_resent`).
"""

from collections.abc import Sequence

from ingest.intake.csv_header import NOTE_COLUMNS, RowTypes, columns_of
from ingest.intake.csv_patched import cells_of_item
from ingest.intake.csv_records import grammar_of
from ingest.intake.csv_resent import (
    AS_JSON,
    ResentRows,
    SentRow,
    cells_of,
    has_messages,
    odd_byte,
    own_places,
    quoted,
    value_of,
)
from ingest.intake.error_files import is_patched
from ingest.jobs import CsvFormat, ItemError


class CsvErrors:
    """The error file of a job that came as CSV.

    Args:
        csv_format: the way to read its rows.
        types: of cells for which the header has none.
    """

    def __init__(self, csv_format: CsvFormat, types: RowTypes | None = None) -> None:
        self._format = csv_format
        self._types = types
        self._delimiter = csv_format.delimiter.encode()
        self._columns = columns_of(csv_format)
        self._own = own_places(self._columns)
        self._resent = ResentRows(self._columns, csv_format.delimiter) if has_messages(self._columns) else None

    def header(self) -> bytes:
        """Return the first row: the sender's own columns, and those of the note."""
        cells = grammar_of(self._format.delimiter).cells(self._format.header.encode())
        return self._row([cells[place] for place in self._own], NOTE_COLUMNS)

    def row(self, error: ItemError) -> bytes:
        """Return a bad row with its note.

        Args:
            error: what is wrong with it, with the row as it was sent, or the item that a retry has made of it.
        """
        message = error.message
        if error.item is None:
            cells = self._alone(b"")
        elif not is_patched(error.item, patched=error.patched):
            cells = self._cells(error.item)
        elif (made := cells_of_item(error.item, self._format, self._types)) is not None:
            cells = [made[place] for place in self._own]
        else:
            cells, message = self._alone(quoted(error.item)), AS_JSON + message
        line = "" if error.line is None else str(error.line)
        return self._row(cells, [str(error.index), line, error.code, error.field or "", message])

    def _row(self, cells: Sequence[bytes], note: Sequence[str]) -> bytes:
        return self._delimiter.join([*cells, *map(self._cell, note)]) + b"\n"

    def _cell(self, text: str) -> bytes:
        needs_quotes = any(mark in text for mark in (self._format.delimiter, '"', "\n", "\r"))
        return quoted(text.encode()) if needs_quotes else text.encode()

    def _alone(self, cell: bytes) -> list[bytes]:
        """Return a cell in the first of the sender's own columns, and nothing in the others."""
        return [cell, *[b""] * (len(self._own) - 1)]

    def _cells(self, record: bytes) -> list[bytes]:
        """Return the cells of a row in the sender's own columns, as they stand in the row; or all of it as one."""
        places: Sequence[int] = range(len(self._columns))
        found = self._resent and self._resent.sent(record)
        if isinstance(found, SentRow):  # it is one of an error file itself
            record, places = found
        cells = cells_of(record, self._format.delimiter)
        if cells is None or (len(cells) != len(places) > len(self._own)):
            return self._alone(quoted(record))  # nobody can tell its cells, or which of them are those of a note
        surplus = cells[len(places) :]
        own = [cell for place, cell in zip(places, cells, strict=False) if place in self._own]
        if surplus:
            own[-1] = quoted(self._delimiter.join([own[-1], *surplus]))
        own += [b""] * (len(self._own) - len(own))
        odd = odd_byte(record)
        if odd is None or (odd == odd_byte(self._delimiter.join(own)) and any(map(value_of, own[1:]))):
            return own
        return self._alone(quoted(record))  # the error names the place of the byte in the row
