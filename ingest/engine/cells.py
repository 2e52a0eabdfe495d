"""The cells of items that failed, as people correct them: texts, which become JSON by the types of their fields. Pure.

What nobody touches stays as it was sent, number for number; what is typed is never rounded either.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from ingest import json_screen, json_text
from ingest.engine.csv_types import type_of_cells
from ingest.intake.csv_cells import ENCODERS, Faulty
from ingest.intake.csv_header import JSON, NUMBER, TEXT
from ingest.items.schema import DEEPEST
from ingest.items.templates import Definition, exact_json

# The way to a member of an item: its own, or one of its document.
Path = tuple[str, ...]


def members_of(item: bytes, document: str | None) -> dict[Path, bytes]:
    """Return the values of an item's cells, each as it was sent.

    Args:
        item: a JSON object.
        document: the member whose own members are cells too, as `data` is.
    """
    found: dict[Path, bytes] = {}
    for name, value in json_text.split_object(item).items():
        if name == document and bytes(value).startswith(b"{"):
            found.update({(name, inner): bytes(text) for inner, text in json_text.split_object(value).items()})
        else:
            found[name,] = bytes(value)
    return found


def shown(value: bytes | None) -> str:
    """Return the text of a cell: a text without its quotes, all else as JSON; empty where it is absent."""
    if value is None:
        return ""
    if value.startswith(b'"'):
        return str(json_text.decode(value))
    return value.decode()


def typed(text: str, definition: Definition | None, before: bytes | None = None) -> bytes | None:
    """Return the value that somebody has typed into a cell.

    Args:
        text: as it was typed.
        definition: the type of the field; None: it has none, and a value of JSON stays one.
        before: the value that was there.

    Returns:
        JSON; None where the cell is empty, so that the member is absent.
    """
    if not text:
        return None
    if definition is None:
        was_json = before is not None and not before.startswith(b'"')
        kinds: Sequence[str] = (NUMBER, JSON) if was_json else ()
    else:
        kinds = (type_of_cells(definition),)
    for kind in kinds:
        with suppress(Faulty, ValueError):
            value = msgspec.Raw(ENCODERS[kind]([text])[0].encode())
            if not json_screen.is_deep(value, DEEPEST) and not json_screen.has_huge_exponent(value):
                json_text.decode(value)
                return bytes(value)
    return ENCODERS[TEXT]([text])[0].encode()


def with_value(item: Mapping[str, Any], path: Path, value: bytes | None) -> dict[str, Any]:
    """Return a decoded item whose member has another value; None: is absent."""
    name, *rest = path
    result = dict(item)
    if rest:
        inner = item.get(name)
        result[name] = with_value(inner if isinstance(inner, Mapping) else {}, tuple(rest), value)
    elif value is None:
        result.pop(name, None)
    else:
        result[name] = json_text.decode(value)
    return result


def difference(first: Any, second: Any) -> Any:
    """Return the merge patch (RFC 7396) that makes an item of another; empty where they say the same.

    Args:
        first: decoded, its numbers exact.
        second: likewise.
    """
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    patch: dict[str, Any] = {name: None for name in first if name not in second}
    for name, value in second.items():
        if name not in first:
            patch[name] = value
        elif exact_json(first[name]) != exact_json(value):  # to Python True is 1, and 1.50 is 1.5
            patch[name] = difference(first[name], value)
    return patch
