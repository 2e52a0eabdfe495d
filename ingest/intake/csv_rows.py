"""Make of each row of CSV the JSON text that its sender would have sent as an item (docs/contracts/jobs.md section 1).

So the check, the fast path and the writers know nothing of CSV. Columns are converted as wholes, by compiled code.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from json.encoder import encode_basestring

import msgspec

from ingest import json_text
from ingest.errors import ITEM_TOO_LARGE, ItemTooLarge
from ingest.intake.csv_header import BOOLEAN, JSON, NUMBER, TEXT, Column, Tree, columns_of, tree_of, why_no_csv
from ingest.intake.csv_records import grammar_of
from ingest.intake.items import NULL, Items, Unreadable
from ingest.intake.lines import lengths
from ingest.jobs import CsvFormat

# Rows are converted by so many at a time: they stay in the processor's cache. Wide rows by fewer, to bound memory.
_MANY = 500
_MANY_CELLS = 100_000

# And by so many beside one that is no item.
_FEW = 20

_ID = ("externalId",)
_LONGEST_ID_SHOWN = 500

# Stand for the marks of JSON until all of a text is there, since members may be absent. No JSON that was made or
# checked here holds these characters.
_COMMA, _OPEN, _CLOSE, _OPEN_KEPT, _END = "\x01", "\x02", "\x03", "\x04", "\x05"
_EMPTY_OBJECT = re.compile(f"{_COMMA}[^{_COMMA}-{_END}]*+{_OPEN}{_CLOSE}")
_MARKS = re.compile(f"[{_COMMA}-{_END}]")

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_BOOLEANS = {"true", "false"}


def items_of_rows(text: bytes, first_line: int, csv_format: CsvFormat) -> Items:
    """Read the rows of a block.

    Args:
        text: records, each with its line feed.
        first_line: the number of the first one's line in the body.
        csv_format: the way to read them.
    """
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
    items = _rows_of(csv_format).items(sent, plain=b"\0" not in text)
    return Items(
        [NULL if isinstance(item, Unreadable) else item for item in items],
        {place: item for place, item in enumerate(items) if isinstance(item, Unreadable)},
        lines,
    )


class _Faulty(Exception):
    """A row of several is none; its own check tells the reason."""


class _Rows:
    """Rows of one header.

    Args:
        csv_format: the way to read them.
    """

    def __init__(self, csv_format: CsvFormat) -> None:
        self._format = csv_format
        self._columns = columns_of(csv_format)
        self._tree: Tree = {**dict(csv_format.constants), **tree_of(self._columns)}
        if csv_format.has_data:
            self._tree.setdefault("data", {})
        self._order = list(_places(self._tree))
        self._template: tuple[frozenset[int], str] = frozenset(), self._made_template(frozenset())
        self._many = max(1, min(_MANY, _MANY_CELLS // len(self._columns)))
        self._id_place = next(
            (place for place, column in enumerate(self._columns) if column.path == _ID), len(self._columns)
        )

    def items(self, records: list[bytes], *, plain: bool) -> list[msgspec.Raw | Unreadable]:
        """Return an item of each record, or the reason why it is none.

        Args:
            records: none is blank.
            plain: none of them is a stand-in.
        """
        return self._all(records, self._many, plain=plain)

    def _all(self, records: list[bytes], many: int, *, plain: bool) -> list[msgspec.Raw | Unreadable]:
        return [
            item
            for start in range(0, len(records), many)
            for item in self._some(records[start : start + many], plain=plain)
        ]

    def _some(self, records: list[bytes], *, plain: bool) -> Sequence[msgspec.Raw | Unreadable]:
        try:
            if plain:
                return self._made(list(self._reader(map(bytes.decode, records))))
        except (UnicodeDecodeError, csv.Error, _Faulty):
            if len(records) > _FEW:
                return self._all(records, _FEW, plain=plain)
        rows = list(map(self._checked, records))
        good = iter(self._made([row for row in rows if isinstance(row, list)]))
        return [row if isinstance(row, Unreadable) else next(good) for row in rows]

    def _reader(self, records: Iterable[str]) -> Iterable[list[str]]:
        return csv.reader(records, delimiter=self._format.delimiter, strict=True)

    def _made(self, rows: list[list[str]]) -> list[msgspec.Raw]:
        """Return an item of each row.

        Raises:
            _Faulty: a row has too many or too few cells, or one that is not of its type.
        """
        if not rows:
            return []
        if set(map(len, rows)) != {len(self._columns)}:
            raise _Faulty
        cells = list(zip(*rows, strict=True))
        members, optional = [], set()
        for place in self._order:
            values, may_lack = self._values(self._columns[place], cells[place])
            members.append(values)
            if may_lack:
                optional.add(place)
        template = self._template_of(frozenset(optional))
        text = _END.join(map(template.__mod__, zip(*members, strict=True)))
        if optional:
            text = _finished(text)
        return list(map(msgspec.Raw, text.encode().split(_END.encode())))

    def _values(self, column: Column, cells: Sequence[str]) -> tuple[Sequence[str], bool]:
        """Return the JSON of a column's cells; and True if it comes with the member's name, or not at all.

        Raises:
            _Faulty: a cell is not of the column's type.
        """
        encode = _ENCODERS[column.type]
        if self._format.empty == "string" or "" not in cells:
            return encode(cells), False
        values = iter(encode([cell for cell in cells if cell]))
        if self._format.empty == "null":
            return [next(values) if cell else "null" for cell in cells], False
        name = _name(column.path[-1])
        return [name + next(values) if cell else "" for cell in cells], True

    def _template_of(self, optional: frozenset[int]) -> str:
        # Rows mostly lack the same members as those before them.
        if self._template[0] != optional:
            self._template = optional, self._made_template(optional)
        return self._template[1]

    def _made_template(self, optional: frozenset[int]) -> str:
        """Return the text of an item, with a place for each column; finished if no member can be absent."""
        text = f"{_OPEN_KEPT}{_members(self._tree, optional, kept=self._format.has_data)}{_CLOSE}"
        return text if optional else _finished(text)

    def _checked(self, record: bytes) -> list[str] | Unreadable:
        """Return the cells of a record, or the reason why it is no item."""
        if (too_large := lengths(record)) is not None:
            return Unreadable(ItemTooLarge.code, f"{ITEM_TOO_LARGE.format(*too_large)}; is a quote in it never closed?")
        try:
            [row] = self._reader([record.decode()])
        except UnicodeDecodeError as error:
            return Unreadable("VALIDATION_FAILED", f"The row is not valid UTF-8 (byte {error.start})")
        except (csv.Error, ValueError) as error:
            return Unreadable("VALIDATION_FAILED", f"The row is not valid CSV: {why_no_csv(error)}")
        if faults := self._wrong_width(row) or self._wrong_cells(row):
            return Unreadable("VALIDATION_FAILED", faults, self._id_of(row))
        return row

    def _wrong_width(self, row: Sequence[str]) -> str:
        width = len(self._columns)
        if len(row) == width:
            return ""
        many = len(row) > width
        column = self._columns[-1 if many else len(row)]
        where = f'the last column is "{column.title}"' if many else f'none for column "{column.title}"'
        return f"The row has {len(row)} cells where the header has {width}: {where}"

    def _wrong_cells(self, row: Sequence[str]) -> str:
        return "; ".join(
            f'Column "{column.title}" must be {_MUST_BE[column.type]}{"" if cell else _EMPTY_TEXT}'
            for column, cell in zip(self._columns, row, strict=True)
            if (cell or self._format.empty == "string") and not _is_of_type(column, cell)
        )

    def _id_of(self, row: Sequence[str]) -> str | None:
        cell = row[self._id_place] if self._id_place < len(row) else ""
        return cell if 1 <= len(cell) <= _LONGEST_ID_SHOWN else None


_rows_of = lru_cache(100)(_Rows)


def _name(member: str) -> str:
    return f"{_COMMA}{encode_basestring(member)}:"


def _members(tree: Tree, optional: frozenset[int], *, kept: bool = False) -> str:
    """Return the template of the members of an object.

    Args:
        tree: their columns.
        optional: the places of columns whose values come with their names.
        kept: those that are objects stand even if they are empty.
    """
    texts = []
    for member, inner in tree.items():
        name = _name(member).replace("%", "%%")
        if isinstance(inner, dict):
            texts.append(f"{name}{_OPEN_KEPT if kept else _OPEN}{_members(inner, optional)}{_CLOSE}")
        elif isinstance(inner, str):
            texts.append(name + encode_basestring(inner).replace("%", "%%"))
        else:
            texts.append("%s" if inner in optional else f"{name}%s")
    return "".join(texts)


def _places(tree: Tree) -> Iterator[int]:
    """Yield the columns' places in the order in which a template has them."""
    for inner in tree.values():
        if isinstance(inner, dict):
            yield from _places(inner)
        elif isinstance(inner, int):
            yield inner


def _finished(text: str) -> str:
    """Replace marks by those of JSON, and leave out objects that are empty since all their members are absent."""
    while _OPEN + _CLOSE in text:
        text = _EMPTY_OBJECT.sub("", text)
    for mark in (_OPEN, _OPEN_KEPT):
        text = text.replace(mark + _COMMA, "{").replace(mark, "{")
    return text.replace(_CLOSE, "}").replace(_COMMA, ",")


def _texts(cells: Sequence[str]) -> Sequence[str]:
    return list(map(encode_basestring, cells))


def _numbers(cells: Sequence[str]) -> Sequence[str]:
    if not all(map(_NUMBER.fullmatch, cells)):
        raise _Faulty
    return cells


def _booleans(cells: Sequence[str]) -> Sequence[str]:
    if not _BOOLEANS.issuperset(cells):
        raise _Faulty
    return cells


def _values(cells: Sequence[str]) -> Sequence[str]:
    try:
        values = [bytes(json_text.one(cell.encode())).decode() for cell in cells]
    except ValueError:
        raise _Faulty from None
    if any(map(_MARKS.search, values)):
        raise _Faulty
    return values


_ENCODERS: Mapping[str, Callable[[Sequence[str]], Sequence[str]]] = {
    TEXT: _texts,
    NUMBER: _numbers,
    BOOLEAN: _booleans,
    JSON: _values,
}
_MUST_BE = {
    NUMBER: "a number as JSON writes it, such as 145.50",
    BOOLEAN: "true or false",
    JSON: "one JSON value",
}


_EMPTY_TEXT = ": it is empty, which is a text by ?empty=string"


def _is_of_type(column: Column, cell: str) -> bool:
    try:
        _ENCODERS[column.type]([cell])
    except _Faulty:
        return False
    return True
