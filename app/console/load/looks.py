"""The first bytes of a file: how it is coded, what it holds, and its first rows, read by the code of the intake."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from ingest.errors import InvalidInput
from ingest.intake import codings
from ingest.intake.csv_header import read_header
from ingest.intake.csv_records import grammar_of
from ingest.intake.mapped import titles_of

SAMPLE_BYTES = 256 * 1024

# The form of a file: CSV, lines of JSON, or a JSON array.
CSV, LINES, ARRAY = "csv", "ndjson", "json"
FORMS = (CSV, LINES, ARRAY)
DELIMITERS = (",", ";", "tab", "|", ":", "^", "~", "#", "/", " ")

_ROWS_LOOKED_AT = 50
_LONGEST_HEADER = 64 * 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SUFFIXES = {".csv": CSV, ".tsv": CSV, ".txt": CSV, ".ndjson": LINES, ".jsonl": LINES, ".json": ARRAY}
_COMMA_NUMBER = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+", re.ASCII)
_POINT_NUMBER = re.compile(r"[+-]?\d+\.\d+", re.ASCII)
_DATE = re.compile(r"(\d{1,2})([./])(\d{1,2})\2\d{4}(?:[ T].*)?", re.ASCII)
_MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of a file, by its first bytes.

    Attributes:
        coding: `gzip`, `zstd` or empty.
        form: one of FORMS.
        encoding: by the name that Python has for it.
        delimiter: of CSV, one character.
        titles: of its columns.
        rows: the first ones, of as many cells as the header; of JSON, a cell each.
    """

    coding: str
    form: str
    encoding: str
    delimiter: str
    titles: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    @property
    def decimal_comma(self) -> bool:
        """True if some numbers seem to have a decimal comma, and none a point."""
        cells = [cell.strip() for row in self.rows for cell in row]
        return any(map(_COMMA_NUMBER.fullmatch, cells)) and not any(map(_POINT_NUMBER.fullmatch, cells))

    @property
    def date_format(self) -> str:
        """The format that dates seem to have; empty where none seems to be other than ISO 8601."""
        found = [match for row in self.rows for cell in row if (match := _DATE.fullmatch(cell.strip()))]
        if not found:
            return ""
        if found[0][2] == ".":
            return "dd.mm.yyyy"
        return "mm/dd/yyyy" if any(int(match[3]) > _MOST_MONTHS for match in found) else "dd/mm/yyyy"


def coding_of(sample: bytes) -> str:
    """Return the coding of a file by its first bytes."""
    return next((coding for magic, coding in _MAGIC.items() if sample.startswith(magic)), "")


def look(sample: bytes, file_name: str, *, form: str = "", encoding: str = "", delimiter: str = "") -> Looks:
    """Look at the first bytes of a file.

    Args:
        sample: at most SAMPLE_BYTES.
        file_name: which may say what it is.
        form: what a person says that it is; empty: it is guessed, and likewise all else.
        encoding: likewise.
        delimiter: likewise, one character.

    Raises:
        InvalidInput: it is empty, or not what the person says.
    """
    coding = coding_of(sample)
    text = _decoded(sample, coding)
    encoding = encoding or _encoding_of(text)
    text = _in_utf8(text, encoding)
    if not text.strip():
        raise InvalidInput("The file is empty")
    form = form or _form_of(text, file_name)
    if form != CSV:
        lines = [line.strip() for line in text.splitlines() if line.strip()][:3]
        return Looks(coding, form, encoding, ",", (), [[line.decode("utf-8", "replace")[:2_000]] for line in lines])
    delimiter = delimiter or _delimiter_of(text, file_name)
    header = read_header([text], delimiter, longest=_LONGEST_HEADER)
    titles = titles_of(header.text, delimiter)
    rows = islice(_rows(b"".join(header.rows), delimiter), _ROWS_LOOKED_AT)
    return Looks(coding, form, encoding, delimiter, titles, [row for row in rows if len(row) == len(titles)])


def _decoded(sample: bytes, coding: str) -> bytes:
    """Return what the sample says without its coding; it is cut off somewhere."""
    made = bytearray()
    with suppress(InvalidInput):
        for piece in codings.decoded([sample], coding, most_bytes=100 * SAMPLE_BYTES):
            made += piece
            if len(made) >= SAMPLE_BYTES:
                break
    return bytes(made[:SAMPLE_BYTES])


def _encoding_of(text: bytes) -> str:
    if mark := next((mark for mark in _MARKS if text.startswith(mark)), None):
        return _MARKS[mark]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _in_utf8(text: bytes, encoding: str) -> bytes:
    try:
        decoded = codecs.getincrementaldecoder(encoding)().decode(text)  # the last character may be cut off
    except UnicodeError as error:
        raise InvalidInput(f"The file is not in {encoding}: {error}; choose another encoding") from None
    return decoded.encode("utf-8", "replace").removeprefix(codecs.BOM_UTF8)


def _form_of(text: bytes, file_name: str) -> str:
    begin = text.lstrip()[:1]
    if begin in {b"{", b"["}:
        return LINES if begin == b"{" else ARRAY
    name = file_name.lower().removesuffix(".gz").removesuffix(".zst")
    return next((form for suffix, form in _SUFFIXES.items() if name.endswith(suffix)), CSV)


def _delimiter_of(text: bytes, file_name: str) -> str:
    if ".tsv" in file_name.lower():
        return "\t"
    return max(",;\t|", key=lambda delimiter: _score(text, delimiter))


def _score(text: bytes, delimiter: str) -> tuple[int, int]:
    """Return how well a delimiter fits: how many rows have as many cells as the first, and how many cells that is."""
    widths = [len(row) for row in islice(_rows(text, delimiter), _ROWS_LOOKED_AT)]
    width = widths[0] if widths else 1
    return (widths.count(width), width) if width > 1 else (0, 0)


def _rows(text: bytes, delimiter: str) -> Iterator[list[str]]:
    grammar = grammar_of(delimiter)
    records, rest = grammar.split(text)
    for record in grammar.without_blank([*records, *([rest] if rest and len(text) < SAMPLE_BYTES // 2 else [])]):
        with suppress(csv.Error, ValueError):
            [row] = csv.reader([record.decode("utf-8", "replace").rstrip("\r")], delimiter=delimiter)
            yield row
