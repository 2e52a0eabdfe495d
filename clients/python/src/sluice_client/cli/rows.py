"""Rows of CSV and lines of JSON, one by one: only what must be changed or counted is read so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from functools import partial

from sluice_client.errors import UnreadableFile

csv.field_size_limit(2**31 - 1)  # the server has its own bound

_ROWS = 1_000
_DECIMAL_COMMA = re.compile(r"\s*([+-]?)(\d{1,3}(?:[.\u00a0\u202f' ]\d{3})+|\d+)(?:,(\d+))?\s*", re.ASCII)
_MARKS = re.compile(r"[^\d]")

# Dates by their order, with a time behind or none; a column of `:date` becomes a date, and one of `:datetime` a time.
_TIME = r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
_DATES = {
    name: re.compile(rf"\s*{pattern}{_TIME}\s*", re.ASCII)
    for name, pattern in {
        "dd.mm.yyyy": r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        "dd/mm/yyyy": r"(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4})",
        "mm/dd/yyyy": r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})",
        "yyyymmdd": r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    }.items()
}
DATE_FORMATS = tuple(_DATES)
_OF_DATES = {":date": False, ":datetime": True}


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; the last one may have none."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def first_lines(pieces: Iterable[bytes], count: int, _separator: str = "") -> Iterator[bytes]:
    """Yield the first lines that are not blank; nothing behind them is waited for."""
    told = 0
    for line in lines_of(pieces):
        if line.strip():
            told += 1
            yield line
        if told == count:
            return


def first_rows(pieces: Iterable[bytes], count: int, separator: str) -> Iterator[bytes]:
    """Yield the header and the first rows of CSV, as they stand there."""
    told = 0
    for record in records_of(lines_of(pieces), separator):
        told += bool(record.strip())
        yield record
        if told > count:
            return


def records_of(lines: Iterable[bytes], separator: str) -> Iterator[bytes]:
    """Yield the records of CSV as they stand there, of one line or more; no line behind them is read."""
    taken: list[bytes] = []

    def read() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line.decode("latin-1")  # of which quotes and separators are the same bytes

    for _ in csv.reader(read(), delimiter=separator):
        yield b"".join(taken)
        taken.clear()


def edited(
    pieces: Iterable[bytes],
    separator: str,
    *,
    columns: Mapping[str, str],
    null: str | None,
    decimal_comma: frozenset[str] | None,
    date_format: str | None = None,
) -> Iterator[bytes]:
    """Yield CSV whose header has other names, and whose cells are changed where that is wished.

    Args:
        pieces: of it.
        separator: between its cells.
        columns: new names by those of its header.
        null: cells of this text become empty.
        decimal_comma: new names of columns whose numbers have a comma, beside those of the type number; None for none.
        date_format: one of DATE_FORMATS, of the column `timestamp` and those whose new name ends in `:date` or
            `:datetime`; None if dates stay as they are.

    Raises:
        UnreadableFile: the header lacks a column that is named.
    """
    lines = lines_of(pieces)
    header = next((record for record in records_of(lines, separator) if record.strip()), None)
    if header is None:
        return
    titles = next(csv.reader(io.StringIO(header.decode("utf-8-sig", "replace"), newline=""), delimiter=separator))
    for name in columns:
        if name not in titles:
            raise UnreadableFile(f"its header has no column {name!r}; it has {', '.join(titles)}")
    wanted = [columns.get(title, title) for title in titles]
    dates = _dates(wanted, date_format)
    wanted = [
        title.rpartition(":")[0] if place in dates and ":" in title else title for place, title in enumerate(wanted)
    ]
    yield _written([wanted], separator)
    numbers = [
        place
        for place, title in enumerate(wanted)
        if decimal_comma is not None and (title in decimal_comma or title.endswith(":number"))
    ]
    changes: dict[int, Callable[[str], str]] = {**dict.fromkeys(numbers, _with_point), **dates}
    if null is None and not changes:
        yield from lines
        return
    yield from _changed(lines, separator, null=null, changes=changes)


def _suffix(title: str) -> str:
    return "".join(title.rpartition(":")[1:])


def _dates(titles: Sequence[str], date_format: str | None) -> dict[int, Callable[[str], str]]:
    """Return what makes dates of the cells of columns, by their places."""
    if date_format is None:
        return {}
    return {
        place: partial(_iso, _DATES[date_format], has_time=title == "timestamp" or _OF_DATES[_suffix(title)])
        for place, title in enumerate(titles)
        if title == "timestamp" or _suffix(title) in _OF_DATES
    }


def _iso(pattern: re.Pattern[str], cell: str, *, has_time: bool) -> str:
    """Return a date as ISO 8601 spells it, its time in UTC; any other cell as it is, as that of a 31 February."""
    match = pattern.fullmatch(cell)
    if not match:
        return cell
    found = match.groupdict()
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        clock = time(int(found["hour"] or 0), int(found["minute"] or 0), int(found["second"] or 0))
    except ValueError:
        return cell
    return f"{day}T{clock}Z" if found["hour"] or has_time else f"{day}"


def _changed(
    lines: Iterator[bytes], separator: str, *, null: str | None, changes: Mapping[int, Callable[[str], str]]
) -> Iterator[bytes]:
    """Yield rows with other cells, a thousand at a time."""
    text = (line.decode("utf-8", "surrogateescape") for line in lines)
    found: list[list[str]] = []
    for cells in csv.reader(text, delimiter=separator):
        if null is not None and null in cells:
            cells[:] = ["" if cell == null else cell for cell in cells]
        for place, changed in changes.items():
            if place < len(cells):
                cells[place] = changed(cells[place])
        found.append(cells)
        if len(found) == _ROWS:
            yield _written(found, separator)
            found.clear()
    yield _written(found, separator)


def _with_point(cell: str) -> str:
    """Return a number with a decimal comma as JSON spells it; any other cell as it is."""
    match = _DECIMAL_COMMA.fullmatch(cell)
    if not match:
        return cell
    sign, whole, fraction = match.groups()
    return f"{sign.removeprefix('+')}{_MARKS.sub('', whole)}{'.' + fraction if fraction else ''}"


def _written(rows: Iterable[list[str]], separator: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
