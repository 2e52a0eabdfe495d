"""Read a source as bytes that the server takes: decompressed, in UTF-8, an array as lines, a header with our names.

Each step is left out where a source needs it not, so that most files are sent as they are. Every step is the same for
the same bytes: a load that is begun again cuts the same parts.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any, cast

import msgspec

from sluice_client.cli import rows
from sluice_client.cli.arrays import items_of
from sluice_client.cli.sources import JSON, Form
from sluice_client.cutting import CSV
from sluice_client.errors import UnreadableFile

PIECE_BYTES = 256 * 1024
TYPES = {"entities": "entityType", "events": "eventType", "states": "stateKey"}
_OPTIONS = {"entities": "entity_type", "events": "event_type", "states": "state_key"}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Reading:
    """The way to read a source.

    Attributes:
        form: of it.
        encoding: of its text; None for UTF-8, or UTF-16 where its first bytes say so.
        columns: names for the server, by the names in the header of CSV.
        null: cells of this text, and empty ones, are null; an empty text says so of empty ones alone.
        decimal_comma: columns of numbers, by their names for the server, which may have a comma for the decimal point,
            beside those whose header says `:number`; None if none has.
        date_format: of the column `timestamp`, and of those whose name for the server ends in `:date` or `:datetime`;
            None if dates are as ISO 8601 has them.
        filled: members for the lines that lack them.
        records: no more than so many.
    """

    form: Form
    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    null: str | None = None
    decimal_comma: frozenset[str] | None = None
    date_format: str | None = None
    filled: Mapping[str, str] = field(default_factory=dict)
    records: int | None = None

    def plan(self) -> dict[str, Any]:
        """Return all that changes what is sent, for the journal."""
        plan = {
            "form": self.form.content_type,
            "encoding": self.encoding,
            "columns": dict(self.columns),
            "null": self.null,
            "decimalComma": self.decimal_comma is not None and ["*", *sorted(self.decimal_comma)],
            "dateFormat": self.date_format,
            "filled": dict(self.filled),
            "records": self.records,
        }
        return {name: value for name, value in plan.items() if value}

    def of(self, form: Form) -> Reading:
        """Return the same way to read a source of a form."""
        return replace(self, form=form)

    def filling(self, kind: str, name: str | None) -> Reading:
        """Return the same way to read a source of a kind, whose lines without a type are of this one."""
        if name is None or self.form.content_type == CSV:
            return self
        return replace(self, filled={TYPES[kind]: name})

    def options(self, kind: str, name: str | None) -> dict[str, str]:
        """Return the options of the batch: of CSV, the server itself fills in the type."""
        if self.form.content_type != CSV:
            return {}
        found = {"delimiter": self.form.delimiter, "empty": None if self.null is None else "null"}
        if name is not None:
            found[_OPTIONS[kind]] = name
        return {option: value for option, value in found.items() if value is not None}

    def head(self, head: bytes) -> bytes:
        """Return the first record of a source as the server gets it, and more; `head` is its first bytes."""
        pieces = self._pieces(io.BufferedReader(io.BytesIO(head)))
        return head if pieces is None else next(pieces, b"")

    def opened(self, file: IO[bytes]) -> IO[bytes]:
        """Return a decompressed source as the server takes it.

        Args:
            file: from its beginning.
        """
        pieces = self._pieces(file)
        return file if pieces is None else buffered(pieces, file)

    @property
    def _changes_rows(self) -> bool:
        return bool(self.columns or self.null or self.date_format) or self.decimal_comma is not None

    def _pieces(self, file: IO[bytes]) -> Iterator[bytes] | None:
        """Return what is read as pieces; None if that is the file itself."""
        found: Iterator[bytes] | None = None
        file = cast("io.BufferedReader", file)
        encoding = self.encoding or _encoding_of(file)
        if encoding:
            found = _in_utf8(file, encoding)
        if self.form.content_type == JSON:
            found = (item + b"\n" for item in items_of(found or pieces_of(file)))
        elif self.form.content_type == CSV and self._changes_rows:
            found = rows.edited(
                found or pieces_of(file),
                self.form.separator,
                columns=self.columns,
                null=self.null or None,
                decimal_comma=self.decimal_comma,
                date_format=self.date_format,
            )
        if self.records is not None:
            first = rows.first_rows if self.form.content_type == CSV else rows.first_lines
            found = first(found or pieces_of(file), self.records, self.form.separator)
        if self.filled and self.form.content_type != CSV:
            found = _filled(found or pieces_of(file), self.filled)
        return found


class _Pieces(io.RawIOBase):
    """A file of pieces of bytes, as they come; the file that they are made of is closed with it."""

    def __init__(self, pieces: Iterator[bytes], file: IO[bytes]) -> None:
        self._pieces, self._rest, self._file = pieces, memoryview(b""), file

    def close(self) -> None:
        """Close both."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def buffered(pieces: Iterator[bytes], file: IO[bytes]) -> IO[bytes]:
    """Return pieces of bytes as a file, with which the file that they are made of is closed."""
    return io.BufferedReader(_Pieces(pieces, file), PIECE_BYTES)


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what a file holds as it comes, since the sender of a pipe may pause before it has sent a whole piece."""
    return iter(lambda: cast("io.BufferedReader", file).read1(PIECE_BYTES), b"")


def head_of(file: IO[bytes], most: int = PIECE_BYTES) -> bytes:
    """Return the first bytes of a decompressed file, which stands behind them then."""
    return file.read(most)


def _encoding_of(file: IO[bytes]) -> str | None:
    head = file.peek(2)[:2] if hasattr(file, "peek") else b""
    return "utf-16" if head in _UTF_16 else None


def _in_utf8(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    decode = codecs.getincrementaldecoder(encoding)(errors="strict").decode
    before = 0
    try:
        for piece in pieces_of(file):
            yield decode(piece).encode()
            before += len(piece)
        yield decode(b"", True).encode()
    except UnicodeError as error:
        place = f" near byte {before + error.start:,}" if isinstance(error, UnicodeDecodeError) else ""
        raise UnreadableFile(f"it is not in {encoding}{place}: say another --encoding") from error


def _filled(pieces: Iterable[bytes], members: Mapping[str, str]) -> Iterator[bytes]:
    """Yield lines, each with the members that it lacks; lines that are no objects as they are."""
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    spelled = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in members.items()}
    for line in rows.lines_of(pieces):
        try:
            item = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield line
            continue
        lacked = {name: value for name, value in spelled.items() if name not in item}
        yield msgspec.json.encode({**lacked, **item}) + b"\n" if lacked and "_raw" not in item else line
