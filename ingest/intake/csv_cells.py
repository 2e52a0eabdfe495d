"""The JSON of a cell of CSV, by the type of its column; a column at a time."""

import re
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring

from ingest import json_text
from ingest.intake.csv_header import BOOLEAN, JSON, NUMBER, TEXT, Column
from ingest.intake.csv_template import MARKS

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_BOOLEANS = {"true", "false"}


class Faulty(Exception):
    """Something of several rows is not as it must be; each row's own check tells the reason."""


def _texts(cells: Sequence[str]) -> Sequence[str]:
    return list(map(encode_basestring, cells))


def _numbers(cells: Sequence[str]) -> Sequence[str]:
    if not all(map(_NUMBER.fullmatch, cells)):
        raise Faulty
    return cells


def _booleans(cells: Sequence[str]) -> Sequence[str]:
    if not _BOOLEANS.issuperset(cells):
        raise Faulty
    return cells


def _values(cells: Sequence[str]) -> Sequence[str]:
    try:
        values = [bytes(json_text.one(cell.encode())).decode() for cell in cells]
    except ValueError:
        raise Faulty from None
    if any(map(MARKS.search, values)):
        raise Faulty
    return values


ENCODERS: Mapping[str, Callable[[Sequence[str]], Sequence[str]]] = {
    TEXT: _texts,
    NUMBER: _numbers,
    BOOLEAN: _booleans,
    JSON: _values,
}
MUST_BE = {
    NUMBER: "a number as JSON writes it, such as 145.50",
    BOOLEAN: "true or false",
    JSON: "one JSON value",
}


EMPTY_TEXT = ": it is empty, which is a text by ?empty=string"


def is_of_type(column: Column, cell: str) -> bool:
    """True if a cell, which may be empty, is a value of its column."""
    try:
        ENCODERS[column.type]([cell])
    except Faulty:
        return False
    return True
