"""Write bad rows of CSV with what is wrong with them, so that they can be corrected and sent again.

Source: docs/contracts/jobs.md section 4. `ingest.intake.csv_rows` reads such a file as any other CSV, and leaves the
columns of the note out.
"""

import csv
from collections.abc import Sequence

from ingest.intake.csv_header import NOTE, NOTE_COLUMNS, columns_of, why_no_csv
from ingest.intake.csv_records import grammar_of
from ingest.intake.error_files import is_patched
from ingest.jobs import CsvFormat, ItemError

_NEVER_CLOSED = "never closed"


class CsvErrors:
    """The error file of a job that came as CSV.

    Args:
        csv_format: the way to read its rows.
    """

    def __init__(self, csv_format: CsvFormat) -> None:
        self._format = csv_format
        self._delimiter = csv_format.delimiter.encode()
        self._grammar = grammar_of(csv_format.delimiter)
        self._columns = columns_of(csv_format)
        self._own = [place for place, column in enumerate(self._columns) if column.path[0] != NOTE]

    def header(self) -> bytes:
        """Return the first row: the sender's own columns, and those of the note."""
        cells = self._grammar.cells(self._format.header.encode())
        return self._row([cells[place] for place in self._own], [self._cell(title) for title in NOTE_COLUMNS])

    def row(self, error: ItemError, *, is_last: bool) -> bytes:
        """Return a bad row with its note.

        Args:
            error: what is wrong with it, with the row as it was sent.
            is_last: no row comes behind it.
        """
        line = "" if error.line is None else str(error.line)
        note = [str(error.index), line, error.code, error.field or "", error.message]
        record = error.item
        has_json = is_patched(record, patched=error.patched)
        fault = None if record is None else "JSON" if has_json else self._fault(record)
        if record is None or fault is None:
            cells = [b""] * len(self._own) if record is None else self._cells(record)
        elif has_json:
            cells = [_quoted(record), *[b""] * (len(self._own) - 1)]
        elif _NEVER_CLOSED not in fault:  # no reader can tell its cells
            cells = [record]
        elif is_last:  # all that follows stands within the quote, which must not end there
            return self._row([record], [text.replace('"', "").encode() for text in note])
        else:  # the quote would take the rows behind it into this one
            cells = [_quoted(record), *[b""] * (len(self._own) - 1)]
        return self._row(cells, [self._cell(text) for text in note])

    def _row(self, cells: Sequence[bytes], note: Sequence[bytes]) -> bytes:
        return self._delimiter.join([*cells, *note]) + b"\n"

    def _cell(self, text: str) -> bytes:
        needs_quotes = any(mark in text for mark in (self._format.delimiter, '"', "\n", "\r"))
        return ('"{}"'.format(text.replace('"', '""')) if needs_quotes else text).encode()

    def _cells(self, record: bytes) -> list[bytes]:
        """Return the cells of a row in the sender's own columns, as they stand in the row."""
        cells = self._grammar.cells(record)
        surplus = cells[len(self._columns) :]
        own = [cells[place] for place in self._own if place < len(cells)]
        if surplus:
            own[-1] = _quoted(self._delimiter.join([own[-1], *surplus]))
        return own + [b""] * (len(self._own) - len(own))

    def _fault(self, record: bytes) -> str | None:
        """Return the reason why a record is no CSV; None if it is."""
        try:
            [_] = csv.reader([record.decode()], delimiter=self._format.delimiter, strict=True)
        except UnicodeDecodeError as error:
            return str(error)
        except (csv.Error, ValueError) as error:
            return why_no_csv(error)
        return None


def _quoted(cell: bytes) -> bytes:
    return b'"%b"' % cell.replace(b'"', b'""')
