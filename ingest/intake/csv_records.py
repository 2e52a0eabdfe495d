"""Cut CSV (RFC 4180) into blocks of whole records, while it arrives.

Records are kept as they were sent: the worker that runs a block makes items of them (`ingest.intake.csv_rows`), and
finds the same records, since both cut by this file. A quote opens a field at its start alone: `5" disk` opens none. A
text without a quote is cut at its line feeds, as fast as lines are; in any other, regular expressions look at each byte
a bounded number of times.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, repeat
from typing import NamedTuple

from ingest.intake.lines import Lines, guarded, stand_in

# Records are looked for in pieces of at least this size, since the begin of a record is looked at again with each.
_PIECE_BYTES = 256 * 1024


def _all_of(pattern: bytes) -> bytes:
    """Return a pattern that takes as many as there are, and gives none back.

    A group with a `*+` behind it would say the same, but in Python before 3.11.5 it matches what it should not
    (CPython issue 106052). Behind a single character it is right.
    """
    return rb"(?>(?:%b)*)" % pattern


class Grammar:
    """The records of CSV with one delimiter.

    Args:
        delimiter: one character in UTF-8; no quote, line feed, carriage return or NUL.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._blank = bytes(set(b" \t\r") - set(delimiter))
        # A delimiter of several bytes is looked for at each byte.
        other = rb"[^%b{}]" % re.escape(delimiter) if len(delimiter) == 1 else rb"(?:(?!%b)[^{}])" % delimiter
        end, begin = other.replace(b"{}", rb"\n"), other.replace(b"{}", rb'"\n')
        # Text behind a closing quote belongs to the field, up to the next delimiter: the worker refuses the record.
        field = rb'(?:%b%b|"[^"{}]*+%b"%b|)' % (begin, _all_of(end), _all_of(rb'""[^"{}]*+'), _all_of(end))
        of_a_line, of_lines = field.replace(b"{}", rb"\n"), field.replace(b"{}", b"")
        after = re.escape(delimiter)
        self._records = re.compile(_all_of(of_a_line + _all_of(after + of_a_line) + rb"\n"))
        self._record = re.compile(of_lines + _all_of(after + of_lines) + rb"\n")
        self._fields = re.compile(_all_of(of_lines + after))
        self._quoted = re.compile(rb'"[^"]*+%b("?)' % _all_of(rb'""[^"]*+'))
        self._cell = re.compile(of_lines + after)
        self._blank_lines = re.compile(_all_of(rb"[%b]*+\n" % re.escape(self._blank)))

    def split(self, text: bytes) -> tuple[list[bytes], bytes]:
        """Return the records that end in a text, without their line feeds, and the rest.

        Args:
            text: begins where a record does.
        """
        if b'"' not in text:
            *records, rest = text.split(b"\n")
            return records, rest
        records, start = [], 0
        while True:
            # These match everywhere, if nothing.
            end = self._records.match(text, start).end()  # type: ignore[union-attr]
            if end > start:
                records += text[start : end - 1].split(b"\n")
            several = self._record.match(text, end)
            if several is None:
                return records, text[end:]
            records.append(text[end : several.end() - 1])
            start = several.end()

    def cells(self, record: bytes) -> list[bytes]:
        """Return the cells of a record that is valid CSV, as they stand in it."""
        cells = self._cell.finditer(record + self._delimiter)
        return [cell[0][: -len(self._delimiter)] for cell in cells]

    def end_of_record(self, text: bytes, start: int) -> int | None:
        """Return the end of the record that begins there, its line feed included; None where it does not end."""
        record = self._record.match(text, start)
        return record and record.end()

    def after_blank_lines(self, text: bytes) -> int:
        """Return where the first line that is not blank begins."""
        return self._blank_lines.match(text).end()  # type: ignore[union-attr] # it matches nothing, too

    def is_blank(self, record: bytes) -> bool:
        """True if a record is none: a line of nothing but spaces, and tabs unless these are the delimiter."""
        return not record.strip(self._blank)

    def without_blank(self, records: Sequence[bytes]) -> list[bytes]:
        """Return the records that are not blank."""
        return list(compress(records, map(bytes.strip, records, repeat(self._blank))))

    def shortened(self, begun: bytes) -> bytes:
        """Return a few bytes that any text goes on from as it would from the begin of a record."""
        fields = self._fields.match(begun) if b'"' in begun else None
        field = begun[fields.end() :] if fields else begun.rpartition(self._delimiter)[2]
        quoted = self._quoted.fullmatch(field)
        if quoted:
            return b'""' if quoted[1] else b'"'
        if not field:
            return b""
        # A delimiter of several bytes may have begun.
        half = max(length for length in range(len(self._delimiter)) if field.endswith(self._delimiter[:length]))
        return (b"-" if self._delimiter == b"." else b".") + field[len(field) - half :]


@lru_cache(1_000)
def grammar_of(delimiter: str) -> Grammar:
    """Return the grammar of a delimiter of one character."""
    return Grammar(delimiter.encode())


class _Piece(NamedTuple):
    """Records, and how many line feeds of them are not kept."""

    records: list[bytes]
    lost: int


def cut_records(
    chunks: Iterable[bytes],
    grammar: Grammar,
    *,
    most_records: int,
    most_bytes: int,
    longest: int,
    first_line: int = 1,
    row_bytes: int = 1,
    piece_bytes: int = _PIECE_BYTES,
) -> Iterator[Lines]:
    """Cut rows of CSV into blocks of records.

    Args:
        chunks: the rows, in UTF-8, without a byte order mark and without a header.
        grammar: of their delimiter.
        most_records: of a block.
        most_bytes: of a block, which may have another 256 kB, and a record, beyond it.
        longest: the most bytes of a record; of a longer one its length is kept alone.
        first_line: the number of the first line in the body.
        row_bytes: counted for each record beside its own, 1 at least.
        piece_bytes: records are looked for in pieces of this size.
    """
    block: list[bytes] = []
    size, first = 0, first_line
    for records, lost in _whole_records(in_pieces(chunks, piece_bytes), grammar, longest):
        taken = 0
        while taken < len(records):
            most = min(most_records - len(block), max(1, (most_bytes - size) // row_bytes))
            some = records[taken : taken + most]
            taken += len(some)
            block += some
            size += sum(map(len, some)) + row_bytes * len(some)
            # The lines of a block are counted in its text, so one of which some are lost must be its last record.
            gone = lost if taken == len(records) else 0
            if len(block) == most_records or size >= most_bytes or gone:
                made = _lines(block, first, grammar)
                yield made
                first += sum(bytes(part).count(b"\n") for part in made.parts) + gone
                block, size = [], 0
    if block:
        yield _lines(block, first, grammar)


def in_pieces(chunks: Iterable[bytes], piece_bytes: int = _PIECE_BYTES) -> Iterator[bytes]:
    """Yield a body in pieces of bounded size, none but the last of which is small."""
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        for start in range(0, len(chunk), piece_bytes):
            part = chunk[start : start + piece_bytes]
            begun.append(part)
            size += len(part)
            if size >= piece_bytes:
                yield b"".join(begun)
                begun, size = [], 0
    if begun:
        yield b"".join(begun)


def _lines(records: Sequence[bytes], first: int, grammar: Grammar) -> Lines:
    return Lines([b"\n".join([*records, b""])], first, len(grammar.without_blank(records)))


def _whole_records(pieces: Iterable[bytes], grammar: Grammar, longest: int) -> Iterator[_Piece]:
    """Yield the records that end in each piece; and the last one, which may lack its line feed, or a closing quote."""
    begun = b""  # a record whose end has not come, or what stands for its begin
    gone, lost = 0, 0  # bytes and line feeds of that begin
    short, blank = b"", True  # what stands for it, and if it is nothing but space
    for piece in pieces:
        text = begun + piece
        records, begun = grammar.split(text)
        if records:
            if gone and blank and grammar.is_blank(records[0].removeprefix(short)):
                records[0], gone = b"", 0
            if gone or len(text) > longest or b"\0" in text:
                yield from _kept(records, gone, lost, longest, grammar)
            else:
                yield _Piece(records, 0)
            gone, lost = 0, 0
            short, blank = b"", True
        if len(begun) > longest + len(b"\r"):
            blank = blank and grammar.is_blank(begun.removeprefix(short))
            short = grammar.shortened(begun)
            gone += len(begun) - len(short)
            lost += begun.count(b"\n")
            begun = short
    if (begun or gone) and not (gone and blank and grammar.is_blank(begun.removeprefix(short))):
        yield from _kept([begun], gone, lost, longest, grammar)


def _kept(records: Iterable[bytes], gone: int, lost: int, longest: int, grammar: Grammar) -> Iterator[_Piece]:
    """Yield records as they are kept, with what stands for each that is too large: an empty one if it is blank.

    A carriage return at a record's end is not counted.

    Args:
        records: the first of them may lack its begin.
        gone: the bytes of that begin.
        lost: its line feeds.
        longest: the most bytes of a record.
        grammar: of the delimiter.
    """
    kept: list[bytes] = []
    for record in records:
        length = gone + len(record)
        if length - record.endswith(b"\r") <= longest:
            kept.append(guarded(record))
        elif not gone and grammar.is_blank(record):
            kept.append(b"")
        else:
            kept.append(stand_in(length, longest))
            yield _Piece(kept, lost + record.count(b"\n"))
            kept = []
        gone, lost = 0, 0
    if kept:
        yield _Piece(kept, 0)
