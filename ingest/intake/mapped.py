"""Read a file as people say that it is to be read: its encoding, the names of its columns, its numbers and dates.

What comes out is CSV as `ingest.intake.csv_header` reads it. Rows of which no cell is to be changed pass as they stand.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time

from ingest.errors import InvalidInput
from ingest.intake.csv_header import Header
from ingest.intake.csv_records import grammar_of

# `sluice load` reads cells alike by code of its own (`sluice_client.cli.rows`), since the client stands without the
# server, and the server's processes without the client. Tests hold the two together.
_DECIMAL_COMMA = re.compile(r"\s*([+-]?)(\d{1,3}(?:[.\u00a0\u202f' ]\d{3})+|\d+)(?:,(\d+))?\s*", re.ASCII)
_NO_DIGIT = re.compile(r"\D")

# Dates by their order: day, month and year as ISO 8601 has them, and perhaps a time behind.
_TIME = r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
_DATES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"\s*{pattern}{_TIME}\s*", re.ASCII)
    for name, pattern in {
        "dd.mm.yyyy": r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        "dd/mm/yyyy": r"(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4})",
        "mm/dd/yyyy": r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})",
        "yyyymmdd": r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    }.items()
}
DATE_FORMATS = tuple(_DATES)

# Encodings that files have, by the names that Python has for them, the usual ones first.
ENCODINGS = (
    *("utf-8", "cp1252", "latin-1", "utf-16"),
    *("iso8859-15", "cp1250", "cp1251", "cp1253", "cp1254", "iso8859-2", "koi8-r", "cp437", "cp850", "mac-roman"),
    *("shift_jis", "euc-jp", "gb18030", "big5", "euc-kr"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The way to read the cells of a file of CSV.

    Attributes:
        titles: of its columns, as they are to be.
        decimal_comma: the places of columns whose numbers have one.
        dates: the places of columns that hold dates of this format, True for those that must have a time.
        date_format: one of DATE_FORMATS.
        null: cells of this text become empty.
    """

    titles: Sequence[str]
    decimal_comma: Collection[int] = ()
    dates: Mapping[int, bool] = field(default_factory=dict)
    date_format: str = ""
    null: str = ""


def in_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a text in UTF-8.

    Args:
        chunks: of it.
        encoding: that it is in.

    Raises:
        InvalidInput: it is not.
    """
    if codecs.lookup(encoding).name == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise InvalidInput(f"The file is not in {encoding}: {error}; say another encoding") from None


def titles_of(header: str, delimiter: str) -> list[str]:
    """Return the titles of a header row.

    Raises:
        InvalidInput: it is no CSV.
    """
    try:
        [titles] = csv.reader([header], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise InvalidInput(f"The header row is not valid CSV: {error}") from None
    return titles


def row_of(cells: Iterable[str], delimiter: str) -> str:
    """Return a row of CSV, without its line end."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)  # whose characters it quotes
    return text.getvalue().removesuffix("\r\n")


def mapped(header: Header, reading: Reading, delimiter: str, *, longest: int) -> Header:
    """Return a file with the titles that it is to have, and its cells as JSON spells them.

    Args:
        header: of it, and the rows behind.
        reading: the way to read it.
        delimiter: one character.
        longest: the most bytes of a row.
    """
    rows = header.rows
    if reading.decimal_comma or reading.dates or reading.null:
        rows = _changed(rows, reading, delimiter, longest)
    return header._replace(text=row_of(reading.titles, delimiter), rows=rows)


def _changed(chunks: Iterable[bytes], reading: Reading, delimiter: str, longest: int) -> Iterator[bytes]:
    """Yield rows with other cells; each keeps its lines, and one that is no CSV stays as it is, for the worker."""
    grammar, rest = grammar_of(delimiter), b""
    change = _change_of(reading)
    for chunk in chunks:
        records, rest = grammar.split(rest + chunk)
        if records:
            yield b"".join(_row(record, change, delimiter) + b"\n" for record in records)
        if len(rest) > longest:  # the worker says that it is too large
            yield rest
            rest = b""
    if rest:
        yield _row(rest, change, delimiter)


def _row(record: bytes, change: Callable[[list[str]], bool], delimiter: str) -> bytes:
    try:
        [cells] = csv.reader([record.decode()], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return record
    return row_of(cells, delimiter).encode() if change(cells) else record


def _change_of(reading: Reading) -> Callable[[list[str]], bool]:
    """Return a function that changes the cells of a row, and says if it has changed any."""

    def change(cells: list[str]) -> bool:
        before = list(cells)
        if reading.null:
            cells[:] = ["" if cell == reading.null else cell for cell in cells]
        for place in reading.decimal_comma:
            if place < len(cells):
                cells[place] = with_point(cells[place])
        for place, has_time in reading.dates.items():
            if place < len(cells):
                cells[place] = iso_date(cells[place], reading.date_format, has_time=has_time)
        return cells != before

    return change


def with_point(cell: str) -> str:
    """Return a number with a decimal comma as JSON spells it; any other cell as it is."""
    match = _DECIMAL_COMMA.fullmatch(cell)
    if not match:
        return cell
    sign, whole, fraction = match.groups()
    return f"{sign.removeprefix('+')}{_NO_DIGIT.sub('', whole)}{'.' + fraction if fraction else ''}"


def iso_date(cell: str, date_format: str, *, has_time: bool) -> str:
    """Return a date as ISO 8601 spells it, its time in UTC; any other cell as it is, as that of a 31 February.

    Args:
        cell: of a file.
        date_format: one of DATE_FORMATS.
        has_time: midnight where there is none.
    """
    match = _DATES[date_format].fullmatch(cell)
    if not match:
        return cell
    found = match.groupdict()
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        clock = time(int(found["hour"] or 0), int(found["minute"] or 0), int(found["second"] or 0))
    except ValueError:
        return cell
    return f"{day}T{clock}Z" if found["hour"] or has_time else f"{day}"
