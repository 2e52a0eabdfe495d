"""Files to start from: example items as lines of JSON, and as CSV (docs/contracts/jobs.md section 1)."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ingest.intake.csv_header import BOOLEAN, JSON, NUMBER, TEXT, title_of
from ingest.items.templates import exact_json
from ingest.items.types.values import type_of

_COLUMNS = {
    "entities": ("externalId", "entityType"),
    "events": ("externalId", "eventType", "timestamp", "eventId"),
    "states": ("externalId", "stateKey"),
}
_TYPES = {"string": TEXT, "integer": NUMBER, "number": NUMBER, "boolean": BOOLEAN}


def lines_of(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Return items as lines of JSON."""
    return b"".join(exact_json(item) + b"\n" for item in items)


def csv_of(items: Sequence[Mapping[str, Any]], kind: str) -> bytes:
    """Return items as CSV; items with a field that no column can be named after are left out.

    Args:
        items: of one kind.
        kind: `entities`, `events` or `states`.
    """
    if kind == "states":
        of_values = _type([item["value"] for item in items])
        titles = {"value": "value" if of_values == TEXT else f"value:{of_values}"}
        rows = [(item, item) for item in items]
        types = {"value": of_values}
    else:
        rows = [(item, item["data"]) for item in items if all(title_of(name, TEXT) for name in item["data"])]
        names = dict.fromkeys(name for _, data in rows for name in data)
        types = {name: _type([data[name] for _, data in rows if name in data]) for name in names}
        titles = {name: title_of(name, of_type) or "" for name, of_type in types.items()}
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_COLUMNS[kind], *titles.values()])
    for item, values in rows:
        cells = [_cell(values[name], types[name]) if name in values else "" for name in types]
        writer.writerow([*(item[name] for name in _COLUMNS[kind]), *cells])
    return file.getvalue().encode()


def _type(values: Collection[Any]) -> str:
    """Return the type of a column that takes all of these values."""
    types = {_TYPES.get(type_of(value), JSON) for value in values}
    # An empty cell is an absent member, and no empty text.
    return types.pop() if len(types) == 1 and "" not in values else JSON if types else TEXT


def _cell(value: Any, of_type: str) -> str:
    return str(value) if of_type == TEXT else exact_json(value).decode()
