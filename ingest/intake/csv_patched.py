"""Write an item that a retry has patched as a row of CSV, as its sender would have sent it."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from ingest import json_text
from ingest.intake.csv_header import IGNORED, JSON, NOTE, Column, RowTypes, columns_of
from ingest.intake.csv_resent import quoted
from ingest.intake.csv_rows import items_of_rows
from ingest.intake.lines import guarded
from ingest.jobs import CsvFormat


def cells_of_item(item: bytes, csv_format: CsvFormat, types: RowTypes | None) -> Sequence[bytes] | None:
    """Return the cells of a row that makes an item; None where none does, as for a member that has no column.

    Args:
        item: a JSON text.
        csv_format: the way to read the row.
        types: of cells for which the header has none.
    """
    cells = []
    for column in columns_of(csv_format):
        value = None if column.path[0] in {NOTE, IGNORED} else _member(item, column.path)
        cells.append(_cell(value, column, csv_format))
    record = csv_format.delimiter.encode().join(cells)
    made = items_of_rows(guarded(record) + b"\n", 1, csv_format, types)
    if made.unreadable or len(made.texts) != 1 or _decoded(bytes(made.texts[0])) != _decoded(item):
        return None
    return cells


def _member(item: bytes, path: Sequence[str]) -> bytes | None:
    """Return the text of a value within an item; None where there is none."""
    for name in path:
        try:
            value = json_text.split_object(item).get(name)
        except ValueError:
            return None
        if value is None:
            return None
        item = bytes(value)
    return item


def _cell(value: bytes | None, column: Column, csv_format: CsvFormat) -> bytes:
    if value is None or (value == b"null" and csv_format.empty == "null"):
        return b""
    text = value
    if value.startswith(b'"') and column.type != JSON:
        text = msgspec.json.decode(value, type=str).encode()
    marks = (csv_format.delimiter.encode(), b'"', b"\n", b"\r")
    return quoted(text) if any(mark in text for mark in marks) else text


def _decoded(text: bytes) -> Any:
    """Return what a JSON text says, its numbers as they are spelled; the text itself where it is none."""
    try:
        return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return text


def _number(spelled: str) -> tuple[str]:
    """Return a number as something that no text equals."""
    return (spelled,)
