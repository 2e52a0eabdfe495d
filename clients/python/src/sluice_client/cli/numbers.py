"""The columns of CSV that a template says are numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluice_client._sync.client import Client
from sluice_client.errors import Forbidden

_TYPES = {"entities": "entity_types", "events": "event_types"}
_NUMBERS = {"number", "integer", "null"}


def schema_of_tenant(client: Client) -> Mapping[str, Any]:
    """Return the schema of the tenant's template; an empty one if the key may not read it."""
    try:
        chosen = client.settings.get().template
        found = [template.schema for template in client.templates.list() if chosen and template.id == chosen.id]
    except Forbidden:  # a key that only writes
        return {}
    return found[0] if found else {}


def number_columns(schema: Mapping[str, Any], kind: str, name: str | None) -> frozenset[str]:
    """Return the columns that hold numbers, by their names for the server.

    Args:
        schema: of a template.
        kind: of the items.
        name: of their type or key; None for a file of several, whose column is of numbers if it is in each type that
            has it.
    """
    if kind == "states":
        keys = [key for key in schema.get("state_keys", ()) if name in {None, key}]
        values = schema.get("states", {})
        return frozenset({"value"} if keys and all(_is_number(values.get(key, {})) for key in keys) else ())
    types = schema.get(_TYPES.get(kind, ""), {})
    is_number: dict[str, bool] = {}
    for type_name, described in types.items():
        if name in {None, type_name}:
            for column, number in _columns(described.get("fields") or {}):
                is_number[column] = number and is_number.get(column, True)
    return frozenset(column for column, number in is_number.items() if number)


def _columns(fields: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the columns of fields, a dot between those that nest, each with whether it holds numbers."""
    for name, field in fields.items():
        if "object" in _types(field):
            yield from _columns(field.get("properties") or {}, f"{before}{name}.")
        else:
            yield f"{before}{name}", _is_number(field)


def _is_number(field: Any) -> bool:
    types = _types(field)
    return bool(types) and types <= _NUMBERS


def _types(field: Any) -> set[str]:
    told = field.get("type") or [] if isinstance(field, Mapping) else []
    return {told} if isinstance(told, str) else {*told}
