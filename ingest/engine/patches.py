"""Patch an item that is sent again (RFC 7396), whatever form it came in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ingest import json_text
from ingest.errors import InvalidInput
from ingest.intake.csv_header import RowTypes
from ingest.intake.csv_rows import lenient_item
from ingest.intake.lines import guarded
from ingest.intake.picked import Picked
from ingest.items.templates import exact_json
from ingest.jobs import CsvFormat


def patched(item: Picked, patch: Mapping[int, Any], csv_format: CsvFormat | None, types: RowTypes | None) -> Picked:
    """Return an item with its merge patch applied; as it is where it has none.

    A cell of CSV that is not of its type is a text to be patched, and if it stays so, a text of the wrong type.

    Args:
        item: its text is that which its job kept.
        patch: by index.
        csv_format: the way to read it, where it came as CSV.
        types: of the cells of such a row, where its header has none.

    Raises:
        InvalidInput: it has a patch, and is no JSON.
    """
    if item.index not in patch:
        return item
    text = item.text
    if csv_format is not None and not item.patched:
        text = lenient_item(guarded(text), csv_format, types) or b""
    try:
        value = json_text.decode(text)
    except ValueError:
        raise InvalidInput(
            f"patch: The item {item.index} is no JSON that could be patched; correct it in the error file"
        ) from None
    return replace(item, text=exact_json(merged(value, patch[item.index])), patched=True)


def merged(target: Any, patch: Any) -> Any:
    """Return a JSON value with a merge patch applied (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
