"""The file of the records that were refused, each as it was sent and with the reason, which loads back as it is."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple

from sluice_client._sync.job import Job
from sluice_client.cli import rows
from sluice_client.cli.sources import STANDARD_INPUT
from sluice_client.errors import TransportError, Unavailable, UnwritableFile

Form = Literal["ndjson", "csv"]

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TRIES, _PAUSE_SECONDS = 20, 0.5  # to read it anew, where its server is lost on the way
_RAW = b'{"_raw":'
_PLACE = re.compile(rb'"_sluice":\{"index":(\d+),"line":(\d+),')


class Shift(NamedTuple):
    """The items and lines that stood before those of a job in a source that became several jobs."""

    items: int
    lines: int

    def applied(self, line: bytes) -> bytes:
        """Return a line of an error file with the places of the record in the whole source."""
        if not any(self):
            return line
        places = [*_PLACE.finditer(line)]
        if not places:
            return line
        place = places[-1]
        index, number = int(place[1]) + self.items, int(place[2]) + self.lines
        return line[: place.start()] + b'"_sluice":{"index":%d,"line":%d,' % (index, number) + line[place.end() :]


class ErrorFiles:
    """The error files of a command: one of each source, or one of all.

    Args:
        named: the path that all go to, `-` for standard output; None for one beside each source.
        form: of them.
        safe_for_excel: cells of CSV that spreadsheets take for formulas have an apostrophe in front.

    Attributes:
        raw: the records in them, as JSON, that are texts of rows or lines, since they make no item.
    """

    def __init__(self, named: str | None, form: Form, *, safe_for_excel: bool = False) -> None:
        self._named, self._form, self._safe = named, form, safe_for_excel
        self._begun = False
        self.raw = 0

    def name_for(self, source: Path) -> str:
        """Return the name of the error file of a source."""
        if self._named is not None:
            return self._named
        if source == STANDARD_INPUT:
            return f"stdin.failed.{self._form}"
        return str(source.with_name(f"{source.name}.failed.{self._form}"))

    def require_writable(self, source: Path) -> None:
        """Raise an error if the error file of a source cannot be written, before the source is sent.

        Raises:
            UnwritableFile: it cannot.
        """
        path = Path(self.name_for(source))
        if self._named == "-" or self._begun:
            return
        fresh = _fresh(path)
        try:
            fresh.open("wb").close()
            fresh.unlink()
        except OSError as error:
            raise UnwritableFile(path, error, "say --errors FILE, or --errors - for standard output") from error

    def write(self, source: Path, jobs: Iterable[tuple[Job, Shift]], separator: str) -> None:
        """Write the records of a source that were refused.

        Args:
            source: of the records.
            jobs: of it, ended, with what stood before each.
            separator: of its CSV.
        """
        with self._opened(source) as file:
            for job, shift in jobs:
                self._write(file, job, shift, separator)

    @contextmanager
    def _opened(self, source: Path) -> Iterator[IO[bytes]]:
        """Open an error file, which has its name once it is whole."""
        if self._named == "-":
            with tempfile.TemporaryFile() as spool:
                yield spool
                spool.seek(0)
                shutil.copyfileobj(spool, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            return
        path = Path(self.name_for(source))
        if self._named is not None and self._begun:
            with path.open("ab") as file:
                yield file
            return
        fresh = _fresh(path)
        with fresh.open("wb") as file:
            yield file
        fresh.replace(path)
        self._begun = True

    def _write(self, file: IO[bytes], job: Job, shift: Shift, separator: str) -> None:
        begin, raw = file.tell(), self.raw
        for _ in range(_TRIES):
            with suppress(TransportError, Unavailable):
                file.writelines(self._pieces(job, shift, separator))
                return
            file.seek(begin)
            file.truncate()
            self.raw = raw
            time.sleep(_PAUSE_SECONDS)
        file.writelines(self._pieces(job, shift, separator))

    def _pieces(self, job: Job, shift: Shift, separator: str) -> Iterator[bytes]:
        pieces = job.error_file(self._form)
        if self._form == "csv" and self._safe:
            return _without_formulas(pieces, separator)
        return pieces if self._form == "csv" else self._counted(map(shift.applied, rows.lines_of(pieces)))

    def _counted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self.raw += line.startswith(_RAW)
            yield line


def _fresh(path: Path) -> Path:
    """Return the name that a file has until it is whole."""
    return path.with_name(f"{path.name}.new")


def _without_formulas(pieces: Iterable[bytes], separator: str) -> Iterator[bytes]:
    """Yield CSV none of whose cells is a formula to a spreadsheet."""
    lines = (line.decode("utf-8", "surrogateescape") for line in rows.lines_of(pieces))
    for cells in csv.reader(lines, delimiter=separator):
        safe = [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
        text = io.StringIO()
        csv.writer(text, delimiter=separator, lineterminator="\n").writerow(safe)
        yield text.getvalue().encode("utf-8", "surrogateescape")
