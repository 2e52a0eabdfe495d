"""Whole columns in PostgreSQL's binary formats: psycopg's adaptation, value by value, costs more than the write's rest.

A field is a value as both COPY and arrays carry it: its length in 4 bytes, then its bytes (PostgreSQL documentation,
"COPY", Binary Format; `array_recv` and `jsonb_recv` in its source).
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain, islice, repeat
from typing import LiteralString
from uuid import UUID

import msgspec
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

# A value in a row or an array, as described above.
Field = bytes

_LENGTH = struct.Struct(">i").pack
_INTEGER = struct.Struct(">ii").pack
_NUMBER = struct.Struct(">iq").pack
_DOCUMENT = struct.Struct(">ib").pack
_COUNT = struct.Struct(">h").pack
_ARRAY = struct.Struct(">iiIii").pack
_NULL = _LENGTH(-1)
_EMPTY_DOCUMENT = b"{}"
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

# Rows that COPY is sent at a time.
_ROWS_A_PIECE = 400

# Timestamps count microseconds from here.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def texts(values: Iterable[str]) -> Iterator[Field]:
    """Fields of text."""
    return (_LENGTH(len(text)) + text for text in map(str.encode, values))


def names(values: Sequence[str]) -> Iterator[Field]:
    """Fields of text, of which many are the same."""
    distinct = set(values)
    return map(dict(zip(distinct, texts(distinct), strict=True)).__getitem__, values)


def documents(values: Iterable[msgspec.Raw | bytes]) -> Iterator[Field]:
    """Fields of jsonb: a version byte, then the sender's own text."""
    return (_DOCUMENT(len(text) + 1, 1) + text for text in values)


def documents_or_nulls(values: Iterable[msgspec.Raw]) -> Iterator[Field]:
    """Fields of jsonb; null for an empty object."""
    return (_NULL if text == _EMPTY_DOCUMENT else _DOCUMENT(len(text) + 1, 1) + text for text in map(bytes, values))


def bigints(values: Iterable[int]) -> Iterator[Field]:
    """Fields of bigint."""
    return map(_NUMBER, repeat(8), values)


def integers(values: Iterable[int]) -> Iterator[Field]:
    """Fields of integer."""
    return map(_INTEGER, repeat(4), values)


def timestamps(values: Iterable[datetime]) -> Iterator[Field]:
    """Fields of timestamptz; the values are in UTC."""
    ages = (value - _EPOCH for value in values)
    return (_NUMBER(8, (age.days * 86_400 + age.seconds) * 1_000_000 + age.microseconds) for age in ages)


def uuids(values: Iterable[bytes]) -> Iterator[Field]:
    """Fields of uuid, each given as its 16 bytes."""
    return map(_LENGTH(16).__add__, values)


def uuids_or_nulls(values: Iterable[bytes]) -> Iterator[Field]:
    """Fields of uuid, each given as its 16 bytes; null for an empty one."""
    return (_LENGTH(16) + value if value else _NULL for value in values)


def same_integer(value: int) -> Iterator[Field]:
    """Return a column of one integer in every row, without end."""
    return repeat(_INTEGER(4, value))


def rows(*columns: Iterable[Field]) -> Iterator[bytes]:
    """Yield what COPY FROM STDIN (FORMAT BINARY) reads, piece by piece, of columns of the same length."""
    fields = chain.from_iterable(zip(repeat(_COUNT(len(columns))), *columns, strict=False))
    yield _SIGNATURE
    while piece := b"".join(islice(fields, _ROWS_A_PIECE * (1 + len(columns)))):
        yield piece
    yield _TRAILER


class Array(bytes):
    """A parameter that is an array in binary; a subclass a type of elements."""

    __slots__ = ()


class TextArray(Array):
    """text[]"""  # noqa: D415 # the type's name

    __slots__ = ()


class JsonbArray(Array):
    """jsonb[]"""  # noqa: D415 # the type's name

    __slots__ = ()


class BigintArray(Array):
    """bigint[]"""  # noqa: D415 # the type's name

    __slots__ = ()


class IntegerArray(Array):
    """integer[]"""  # noqa: D415 # the type's name

    __slots__ = ()


class UuidArray(Array):
    """uuid[]"""  # noqa: D415 # the type's name

    __slots__ = ()


class TimestampArray(Array):
    """timestamptz[]"""  # noqa: D415 # the type's name

    __slots__ = ()


_ELEMENTS: dict[type[Array], str] = {
    TextArray: "text",
    JsonbArray: "jsonb",
    IntegerArray: "int4",
    BigintArray: "int8",
    UuidArray: "uuid",
    TimestampArray: "timestamptz",
}
_OIDS = {array: psycopg.adapters.types[element].oid for array, element in _ELEMENTS.items()}


def array(kind: type[Array], fields: Iterable[Field]) -> Array:
    """Return a one-dimensional array, its first index 1; Postgres finds nulls in it by itself."""
    elements = list(fields)
    return kind(b"".join((_ARRAY(1, 0, _OIDS[kind], len(elements), 1), *elements)))


def uuid_array(ids: Iterable[UUID]) -> Array:
    """Return an array of uuid."""
    return array(UuidArray, uuids(uuid.bytes for uuid in ids))


def integer_array(numbers: Iterable[int]) -> Array:
    """Return an array of integer."""
    return array(IntegerArray, integers(numbers))


# Groups of values, as SQL reads them from the parameters of `grouped`: rows of a name and of where in the array
# `members` its values begin and end.
GROUPS: LiteralString = "unnest(%(names)b::text[], %(firsts)b::bigint[], %(lasts)b::bigint[])"


def grouped(kind: type[Array], sizes: Mapping[str, int], members: Iterable[Field]) -> dict[str, Array]:
    """Parameters that hold groups of values, of that kind of array, one group after the other: see GROUPS.

    Args:
        kind: of the values.
        sizes: how many each group has, by its name.
        members: all values.
    """
    lasts = list(accumulate(sizes.values()))
    firsts = (last - size + 1 for last, size in zip(lasts, sizes.values(), strict=True))
    return {
        "names": array(TextArray, texts(sizes)),
        "firsts": array(BigintArray, bigints(firsts)),
        "lasts": array(BigintArray, bigints(lasts)),
        "members": array(kind, members),
    }


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj


for _kind, _element in _ELEMENTS.items():
    _oid = psycopg.adapters.types[_element].array_oid
    psycopg.adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_ArrayDumper,), {"oid": _oid}))
