"""Make of each row of CSV the JSON text that its sender would have sent as an item (docs/contracts/jobs.md section 1).

So the check, the fast path and the writers know nothing of CSV. Columns are converted as wholes, by compiled code.
"""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from itertools import accumulate, repeat

import msgspec

from ingest.errors import ITEM_TOO_LARGE, ItemTooLarge, message_of
from ingest.intake.csv_cells import EMPTY_TEXT, ENCODERS, MUST_BE, Faulty, is_of_type
from ingest.intake.csv_header import TEXT, CellTypes, Column, RowTypes, Tree, columns_of, is_wide, tree_of, why_no_csv
from ingest.intake.csv_records import grammar_of
from ingest.intake.csv_resent import NO_CSV, PatchedItem, ResentRows, SentRow, has_messages
from ingest.intake.csv_template import OPTIONAL, QUOTED, VALUE, Template, named
from ingest.intake.csv_width import Fault, wrong_width
from ingest.intake.items import NULL, Items, Unreadable
from ingest.intake.line_items import item_of_line
from ingest.intake.lines import as_sent, guarded, lengths
from ingest.jobs import CsvFormat

# Rows are converted by so many at a time: they stay in the processor's cache. Wide rows by fewer, to bound memory.
_MANY = 500
_MANY_CELLS = 100_000

# And by so many beside one that is no item.
_FEW = 20

_ID = ("externalId",)
_LONGEST_ID_SHOWN = 500

# Said of each row that is too large: nobody knows any more if it had a quote.
_OPEN_QUOTE = "a quote that is never closed takes all that follows into its row"

# All that must be escaped in a text of JSON, or quoted in one of CSV.
_SPECIAL = bytes(set(range(0x20)) - set(b"\n") | set(b'"\\'))


class _Text(Enum):
    """The form of a block's text, which tells how fast it can be read.

    Attributes:
        BARE: neither CSV nor JSON gives a meaning to any character of it but delimiters and line feeds.
        ANY: any other.
        WITH_NUL: a record may be a stand-in for one that was too large.
    """

    BARE = auto()
    ANY = auto()
    WITH_NUL = auto()


def items_of_rows(text: bytes, first_line: int, csv_format: CsvFormat, types: RowTypes | None = None) -> Items:
    """Read the rows of a block.

    Args:
        text: records, each with its line feed.
        first_line: the number of the first one's line in the body.
        csv_format: the way to read them.
        types: of cells for which the header has none.
    """
    form = _Text.WITH_NUL if b"\0" in text else _Text.ANY
    if b'"' not in text:
        stripped = text.replace(b"\r\n", b"\n")
        special = _SPECIAL.translate(None, csv_format.delimiter.encode())
        if len(stripped.translate(None, special)) == len(stripped):
            text, form = stripped, _Text.BARE
    grammar = grammar_of(csv_format.delimiter)
    records, rest = grammar.split(text)
    if rest:  # a quote that is never closed
        records.append(rest.removesuffix(b"\n"))
    sent = grammar.without_blank(records)
    if len(sent) == len(records) == text.count(b"\n"):
        lines: Sequence[int] = range(first_line, first_line + len(records))
    else:
        starts = accumulate((1 + record.count(b"\n") for record in records), initial=first_line)
        lines = [line for line, record in zip(starts, records, strict=False) if not grammar.is_blank(record)]
    read = _items(sent, form, csv_format, types)
    for place, text in read.patched.items():
        sent[place] = guarded(text)
    return Items(read.items, read.unreadable, lines, sent, patched=read.patched.keys())


def lenient_item(record: bytes, csv_format: CsvFormat, types: RowTypes | None = None) -> bytes | None:
    """Return the item that a row makes, cells that are not of their type as texts, so that it can be corrected.

    Args:
        record: the row as it is kept.
        csv_format: the way to read it.
        types: of cells for which the header has none.

    Returns:
        A JSON text; None where the row has not the cells of its header.
    """
    columns = _types_of_all(types)
    if columns is None and types is not None:
        [name] = _names_of([record], csv_format, types.member)
        columns = dict(types.columns).get(name)
    return _rows_of(csv_format, columns or ()).lenient(record)


def _types_of_all(types: RowTypes | None) -> CellTypes | None:
    """Return the types of cells if they are the same for all rows, whatever their items; else None."""
    if types is None:
        return ()
    return types.columns[0][1] if len({columns for _, columns in types.columns}) == 1 else None


@dataclass(slots=True)
class _Read:
    """The items that were made of records.

    Attributes:
        items: one of each record; `null` of one that makes none.
        unreadable: what is wrong with those, by their places.
        patched: the texts of items that a retry has patched, which stand in the place of rows, likewise.
    """

    items: list[msgspec.Raw] = field(default_factory=list)
    unreadable: dict[int, Unreadable] = field(default_factory=dict)
    patched: dict[int, bytes] = field(default_factory=dict)


def _items(records: list[bytes], form: _Text, csv_format: CsvFormat, types: RowTypes | None) -> _Read:
    """Read records as `_Rows.items` does, each by the types of its own item."""
    of_all = _types_of_all(types)
    if types is None or of_all is not None:
        return _rows_of(csv_format, of_all or ()).items(records, form)
    alike: dict[CellTypes, list[int]] = {}
    by_name = dict(types.columns)
    for place, name in enumerate(_names_of(records, csv_format, types.member)):
        alike.setdefault(by_name.get(name, ()), []).append(place)
    all_read = _Read([NULL] * len(records))
    for columns, places in alike.items():
        read = _rows_of(csv_format, columns).items([records[place] for place in places], form)
        for place, item in zip(places, read.items, strict=True):
            all_read.items[place] = item
        all_read.unreadable |= {places[place]: reason for place, reason in read.unreadable.items()}
        all_read.patched |= {places[place]: text for place, text in read.patched.items()}
    return all_read


def _names_of(records: Iterable[bytes], csv_format: CsvFormat, member: str) -> Iterator[str]:
    """Yield the type or key of each record's item; an empty text for a record that is none."""
    columns = columns_of(csv_format)
    place = next(place for place, column in enumerate(columns) if column.path == (member,))
    if has_messages(columns):  # rows may stand for others
        rows = map(_rows_of(csv_format, ()).cells, records)
        yield from (row[place] if isinstance(row, list) else "" for row in rows)
        return
    for record in records:
        try:
            [row] = csv.reader([record.decode()], delimiter=csv_format.delimiter, strict=True)
            yield row[place]
        except (csv.Error, ValueError, IndexError):
            yield ""


class _Rows:
    """Rows of one header.

    Args:
        csv_format: the way to read them.
        types: of cells for which the header has none.
    """

    def __init__(self, csv_format: CsvFormat, types: CellTypes = ()) -> None:
        self._format = csv_format
        self._columns = list(columns_of(csv_format))
        for place, of_cells in types:
            self._columns[place] = self._columns[place]._replace(type=of_cells)
        tree: Tree = {**dict(csv_format.constants), **tree_of(self._columns)}
        if csv_format.has_data:
            tree.setdefault("data", {})
        self._template = Template(tree, kept=csv_format.has_data)
        self._places = range(len(self._columns))
        self._resent = ResentRows(self._columns, csv_format.delimiter) if has_messages(self._columns) else None
        self._many = max(1, min(_MANY, _MANY_CELLS // len(self._columns)))
        self._id_place = next(
            (place for place, column in enumerate(self._columns) if column.path == _ID), len(self._columns)
        )

    def items(self, records: list[bytes], form: _Text) -> _Read:
        """Read records.

        Args:
            records: none is blank.
            form: of their text.
        """
        read = _Read()
        self._read(records, form, self._many, read)
        return read

    def _read(self, records: list[bytes], form: _Text, many: int, read: _Read) -> None:
        for start in range(0, len(records), many):
            some = records[start : start + many]
            try:
                read.items += self._made(self._cells(some, form), bare=form is _Text.BARE)
            except (UnicodeDecodeError, csv.Error, Faulty):
                if len(some) > _FEW:
                    self._read(some, form, _FEW, read)
                else:
                    self._read_one_by_one(some, read)

    def _read_one_by_one(self, records: list[bytes], read: _Read) -> None:
        for record in records:
            found = self.row(record)
            if isinstance(found, list):
                read.items += self._made([(cell,) for cell in found], bare=False)
                continue
            if isinstance(found, PatchedItem):
                read.patched[len(read.items)] = found.text
            item = item_of_line(guarded(found.text)) if isinstance(found, PatchedItem) else found
            if isinstance(item, Unreadable):
                read.unreadable[len(read.items)] = item
            read.items.append(NULL if isinstance(item, Unreadable) else item)

    def _cells(self, records: list[bytes], form: _Text) -> Sequence[Sequence[str]]:
        """Return the cells of each column.

        Raises:
            UnicodeDecodeError: a record is not UTF-8.
            csv.Error: a record is no CSV.
            Faulty: a record has too many or too few cells, or may be a stand-in.
        """
        width = len(self._columns)
        if form is _Text.BARE:
            delimiter = self._format.delimiter.encode()
            if set(map(bytes.count, records, repeat(delimiter))) != {width - 1}:
                raise Faulty
            every = delimiter.join(records).decode().split(self._format.delimiter)
            return self._unless_resent([every[place::width] for place in range(width)])
        if form is _Text.WITH_NUL and any(record.startswith(b"\0") for record in records):
            raise Faulty
        rows = list(self._reader(map(bytes.decode, records)))
        if len(rows) != len(records) or set(map(len, rows)) != {width}:
            raise Faulty
        return self._unless_resent(list(zip(*rows, strict=True)))

    def _unless_resent(self, cells: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        """Return the cells of each column.

        Raises:
            Faulty: a row may be one of an error file that stands for another, and is looked at by itself.
        """
        if self._resent is not None and self._resent.may_stand_for_others(cells):
            raise Faulty
        return cells

    def _reader(self, records: Iterable[str]) -> Iterable[list[str]]:
        return csv.reader(records, delimiter=self._format.delimiter, strict=True)

    def _made(self, cells: Sequence[Sequence[str]], *, bare: bool, as_texts: Collection[int] = ()) -> list[msgspec.Raw]:
        """Return an item of each row.

        Args:
            cells: those of each column.
            bare: as texts they need quotes, and no more.
            as_texts: the places of columns whose cells are texts, whatever their type.

        Raises:
            Faulty: a cell is not of its column's type.
        """
        places, members = [], []
        for column in self._template.order:
            found = self._columns[column]
            if column in as_texts:
                found = found._replace(type=TEXT)
            place, values = self._values(found, cells[column], bare=bare)
            places.append(place)
            members.append(values)
        return list(map(msgspec.Raw, self._template.fill(places, members)))

    def _values(self, column: Column, cells: Sequence[str], *, bare: bool) -> tuple[str, Sequence[str]]:
        """Return the place of a column in the template, and what stands there in each row.

        Raises:
            Faulty: a cell is not of the column's type.
        """
        full = self._format.empty == "string" or "" not in cells
        if bare and full and column.type == TEXT:
            return QUOTED, cells
        encode = ENCODERS[column.type]
        if full:
            return VALUE, encode(cells)
        values = iter(encode([cell for cell in cells if cell]))
        if self._format.empty == "null":
            return VALUE, [next(values) if cell else "null" for cell in cells]
        name = named(column.path[-1])
        return OPTIONAL, [name + next(values) if cell else "" for cell in cells]

    def lenient(self, record: bytes) -> bytes | None:
        """As of `lenient_item`."""
        found = self.cells(record)
        if isinstance(found, PatchedItem):
            return found.text
        if isinstance(found, Unreadable):
            return None
        wrong = {place for place in self._places if not self._is_right(self._columns[place], found[place])}
        return bytes(self._made([(cell,) for cell in found], bare=False, as_texts=wrong)[0])

    def row(self, record: bytes) -> list[str] | PatchedItem | Unreadable:
        """Return as `cells`, once each cell is known to be of its column's type."""
        row = self.cells(record)
        faults = self._wrong_cells(row) if isinstance(row, list) else []
        return self._unreadable(row, faults) if isinstance(row, list) and faults else row

    def cells(self, record: bytes) -> list[str] | PatchedItem | Unreadable:
        """Return the cells of a record, the item that it stands for, or the reason why it is none."""
        if (too_large := lengths(record)) is not None:
            return Unreadable(ItemTooLarge.code, f"{ITEM_TOO_LARGE.format(*too_large)}; {_OPEN_QUOTE}")
        found = self._resent and self._resent.sent(as_sent(record))
        if isinstance(found, PatchedItem | Unreadable):
            return found
        return self._cells_of(*(found or SentRow(as_sent(record), self._places)))

    def _cells_of(self, record: bytes, places: Sequence[int]) -> list[str] | Unreadable:
        """Return the cells of a record by the columns of the header, or the reason why it is no item.

        Args:
            record: as it was sent.
            places: those of its own columns in the header.
        """
        try:
            [cells] = self._reader([record.decode()])
        except UnicodeDecodeError as error:
            return Unreadable("VALIDATION_FAILED", f"{NO_CSV}UTF-8 (byte {error.start})")
        except (csv.Error, ValueError) as error:
            return Unreadable("VALIDATION_FAILED", f"{NO_CSV}CSV: {why_no_csv(error)}")
        faults = wrong_width(len(cells), [self._columns[place] for place in places])
        by_place = dict(zip(places, cells, strict=False))
        row = [by_place.get(place, "") for place in self._places]
        return self._unreadable(row, faults) if faults else row

    def _unreadable(self, row: Sequence[str], faults: Sequence[Fault]) -> Unreadable:
        message = message_of([text for _, text in faults])
        return Unreadable("VALIDATION_FAILED", message, self._id_of(row), faults[0][0].path)

    def _wrong_cells(self, row: Sequence[str]) -> list[Fault]:
        return [
            (column, f'Column "{column.title}" must be {MUST_BE[column.type]}{"" if cell else EMPTY_TEXT}')
            for column, cell in zip(self._columns, row, strict=True)
            if not self._is_right(column, cell)
        ]

    def _is_right(self, column: Column, cell: str) -> bool:
        return is_of_type(column, cell) or (not cell and self._format.empty != "string")

    def _id_of(self, row: Sequence[str]) -> str | None:
        cell = row[self._id_place] if self._id_place < len(row) else ""
        return cell if 1 <= len(cell) <= _LONGEST_ID_SHOWN else None


_kept = lru_cache(100)(_Rows)

# Only the last wide header, because it takes up to hundreds of megabytes: the blocks of a job mostly follow each other.
_last_wide = lru_cache(1)(_Rows)


def _rows_of(csv_format: CsvFormat, types: CellTypes) -> _Rows:
    return (_last_wide if is_wide(csv_format) else _kept)(csv_format, types)
