"""Read the header row of CSV: it says which member of an item, or of its `data`, each column fills, and its type.

Source: docs/contracts/jobs.md section 1. A request judges the header before anything is stored; the worker reads the
same columns from it.
"""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from ingest.errors import InvalidInput
from ingest.intake.csv_records import grammar_of, in_pieces
from ingest.intake.lines import without_mark
from ingest.jobs import CsvFormat

csv.field_size_limit(2**31 - 1)  # a record has its own bound

# Members that may have one value for all rows, which a parameter tells.
CONSTANTS = ("entityType", "eventType", "stateKey")

# Of an item itself; all other columns fill its `data`.
_MEMBERS = {*CONSTANTS, "externalId", "timestamp", "eventId", "value"}
_DATA = "data"

# Columns of an error file, which say what was wrong with its rows, and are no part of an item (section 4).
NOTE = "_sluice"
CODE_COLUMN, MESSAGE_COLUMN = "sluice_code", "sluice_message"
NOTE_COLUMNS = ("sluice_index", "sluice_line", CODE_COLUMN, "sluice_field", MESSAGE_COLUMN)

# Columns that are no part of an item by the wish of their sender.
IGNORED = "_ignored"

TEXT = "string"
NUMBER = "number"
BOOLEAN = "boolean"
JSON = "json"
_TYPES = (TEXT, NUMBER, BOOLEAN, JSON)
_IGNORE = "ignore"  # in the place of a type

# A name stands in the JSON of each row, so that a long one would make gigabytes of a small body; and a worker goes down
# the levels one by one.
_LONGEST_NAME = 500
_DEEPEST = 100

# In JSON, beside a name and a value.
_MARKS_OF_A_CELL = 5
_MARKS_OF_AN_ITEM = 20

_DELIMITERS = ";\t|,"
_MOST_QUOTED = 60

# A cache keeps no header beyond these: one of 1 MiB may have 237,000 columns, and what is made of it takes 75 MB.
_MOST_COLUMNS_KEPT = 1_000
_LONGEST_HEADER_KEPT = 50_000

# The columns by their names: a column, or those inside of an object.
Tree = dict[str, Any]


class Column(NamedTuple):
    """A column of CSV.

    Attributes:
        title: as it stands in the header.
        path: the names of the members on the way to its value, from the item on.
        type: `string`, `number`, `boolean` or `json`.
    """

    title: str
    path: tuple[str, ...]
    type: str


# Places of columns, each with the type of its cells.
CellTypes = tuple[tuple[int, str], ...]


class RowTypes(NamedTuple):
    """The types of cells by the item of their row, where the header leaves them to the template.

    Attributes:
        member: of the item, which tells its type or key.
        columns: by the name of that, the places of columns that are no text, each with its type.
    """

    member: str
    columns: tuple[tuple[str, CellTypes], ...]


class Header(NamedTuple):
    """A header row that was read from a body.

    Attributes:
        text: as it was sent, without its line end.
        rows: the body behind it, while it arrives.
        first_line: the number of the line behind it.
    """

    text: str
    rows: Iterator[bytes]
    first_line: int


def read_header(chunks: Iterable[bytes], delimiter: str, *, longest: int) -> Header:
    """Read the first row of a body, and no more of the body than that takes.

    Args:
        chunks: the body; a byte order mark and blank lines before the header are passed over.
        delimiter: one character.
        longest: the most bytes of a header.

    Raises:
        InvalidInput: there is none, it is too long, or not UTF-8.
    """
    grammar = grammar_of(delimiter)
    pieces = in_pieces(without_mark(chunks))
    begun, line = b"", 1
    for piece in pieces:
        text = begun + piece
        start = grammar.after_blank_lines(text)
        line += text.count(b"\n", 0, start)
        end = grammar.end_of_record(text, start)
        if end is not None and end - start <= longest:
            header, rest = text[start:end], text[end:]
            line += header.count(b"\n")
            return Header(_decoded(header), chain([rest] if rest else [], pieces), line)
        begun = text[start:]
        if len(begun) > longest:
            raise InvalidInput(
                f"The header row has more than {longest} bytes: is a quote in it never closed, or is the body no CSV?"
            )
    if grammar.is_blank(begun):
        raise InvalidInput("The body has no header row; send one that names the columns, and the rows behind it")
    return Header(_decoded(begun), iter(()), line)


def _decoded(header: bytes) -> str:
    try:
        text = header.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The header row is not valid UTF-8 (byte {error.start}); send CSV in UTF-8") from None
    if "\0" in text:
        raise InvalidInput("The header row holds NUL characters, as UTF-16 does; send CSV in UTF-8")
    return text


def judge(wishes: CsvFormat, header: str, needed: Collection[str]) -> CsvFormat:
    """Return the way to read the rows below a header.

    Args:
        wishes: what the request says of it, without a header.
        header: as it was sent, without its line end.
        needed: the members that items of the kind must have.

    Raises:
        InvalidInput: the header is no CSV, names a column in no way or twice, or lacks one that is needed.
    """
    made = msgspec.structs.replace(wishes, header=header, has_data=_DATA in needed)
    columns = columns_of(made)
    tree_of(columns)
    named = {column.path[0] for column in columns}
    for name, _ in wishes.constants:
        if name in named:
            raise InvalidInput(f'"{name}" is a column and a parameter too; leave one of the two out')
    for name in sorted(set(needed) - {_DATA} - named - {name for name, _ in wishes.constants}):
        raise InvalidInput(_missing(name, columns, wishes.delimiter))
    return made


def row_bytes(csv_format: CsvFormat) -> int:
    """Return how many bytes an item has as JSON beside those of its row, or a few more: names, quotes, colons."""
    columns = csv_format.header.count(csv_format.delimiter) + 1
    constants = sum(
        len(name) + len(msgspec.json.encode(value)) + _MARKS_OF_A_CELL for name, value in csv_format.constants
    )
    return len(csv_format.header.encode()) + _MARKS_OF_A_CELL * columns + constants + _MARKS_OF_AN_ITEM


def is_wide(csv_format: CsvFormat) -> bool:
    """True if a header is too large for caches to keep many such; told by its text, since reading it takes long."""
    header = csv_format.header
    return len(header) > _LONGEST_HEADER_KEPT or header.count(csv_format.delimiter) >= _MOST_COLUMNS_KEPT


def columns_of(csv_format: CsvFormat) -> Sequence[Column]:
    """Return the columns that a header names; a wide one is read anew each time.

    Raises:
        InvalidInput: it is no CSV, or a column's name or suffix is none.
    """
    return (_columns if is_wide(csv_format) else _kept_columns)(csv_format)


def _columns(csv_format: CsvFormat) -> Sequence[Column]:
    try:
        [titles] = csv.reader([csv_format.header], delimiter=csv_format.delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise InvalidInput(f"The header row is not valid CSV: {why_no_csv(error)}") from None
    return [_column(number, title) for number, title in enumerate(titles, 1)]


_kept_columns = lru_cache(100)(_columns)


def _column(number: int, title: str) -> Column:
    if len(title) > _LONGEST_NAME:
        raise InvalidInput(f"The name of column {number} has over {_LONGEST_NAME} characters")
    if title in NOTE_COLUMNS:
        return Column(title, (NOTE, title), TEXT)
    name, colon, suffix = title.rpartition(":")
    if suffix == _IGNORE and colon:
        return Column(title, (IGNORED, str(number)), TEXT)
    if not colon:
        name, suffix = title, TEXT
    elif suffix not in _TYPES:
        raise InvalidInput(
            f'Column "{title}" has an unknown suffix ":{suffix}"; a column is {", ".join(_TYPES)} or {_IGNORE}'
        )
    if name in _MEMBERS:
        if suffix != TEXT and name != "value":
            raise InvalidInput(f'Column "{title}": {name} is text; leave the suffix out')
        return Column(title, (name,), suffix)
    path = tuple(name.split("."))
    if "" in path:
        whole = f"Column {number} has no name" if not name else f'Column "{title}" has no name beside one of its dots'
        raise InvalidInput(f"{whole}; name it in the header")
    if len(path) > _DEEPEST:
        raise InvalidInput(f'Column "{title}" nests over {_DEEPEST} levels deep')
    return Column(title, (_DATA, *path), suffix)


def title_of(name: str, of_type: str) -> str | None:
    """Return the title of a column for a member of `data`; None where CSV has none, as for a name with a dot.

    Args:
        name: of the member.
        of_type: `string`, `number`, `boolean` or `json`.
    """
    title = f"{name}:{of_type}" if of_type != TEXT or ":" in name else name
    try:
        column = _column(1, title)
    except InvalidInput:
        return None
    return title if column.path == (_DATA, name) else None


def tree_of(columns: Sequence[Column]) -> Tree:
    """Return the places of columns by their names, nested as the members of an item are.

    Those that are no part of an item have none.

    Raises:
        InvalidInput: two columns have one place, or one of them lies within the other.
    """
    tree: Tree = {}
    for place, column in enumerate(columns):
        inner = tree
        for name in column.path[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise _beside(columns[inner], column)
        other = inner.setdefault(column.path[-1], place)
        if isinstance(other, dict):
            raise _beside(column, columns[_any_place(other)])
        if other != place:
            raise InvalidInput(f'Columns "{columns[other].title}" and "{column.title}" have the same name')
    tree.pop(NOTE, None)
    tree.pop(IGNORED, None)
    return tree


def _any_place(tree: Tree) -> int:
    found: Any = tree
    while isinstance(found, dict):
        found = next(iter(found.values()))
    return int(found)


def _beside(value: Column, within: Column) -> InvalidInput:
    return InvalidInput(
        f'Column "{value.title}" is a value, and column "{within.title}" makes an object of it; leave one of them out'
    )


def why_no_csv(error: Exception) -> str:
    """Return the reason why a record is no CSV, in words for its sender.

    Args:
        error: of `csv`.
    """
    said = str(error)
    if "unexpected end" in said:
        return "a quoted field is never closed, so that all behind it belongs to the record"
    if "expected after" in said:
        return "text stands behind the closing quote of a field; write a quote within a quoted field twice"
    if "new-line" in said or "unpack" in said:
        return "a carriage return stands outside of quotes; end lines with LF or CR LF"
    return said


def _missing(name: str, columns: Sequence[Column], delimiter: str) -> str:
    titles = [column.title for column in columns]
    hint = ""
    if len(titles) == 1 and (mark := next((mark for mark in _DELIMITERS if mark in titles[0]), delimiter)) != delimiter:
        fits = "tab" if mark == "\t" else mark
        hint = f'; its only column is "{titles[0][:_MOST_QUOTED]}": is the delimiter {fits}, by ?delimiter={fits}?'
    elif (near := next((title for title in titles if title.strip().lower() == name.lower()), None)) is not None:
        hint = f'; "{near}" is another name'
    constant = f", or give all rows one value by ?{name}=" if name in CONSTANTS else ""
    return f'The header row has no column "{name}"; add it{constant}{hint}'
