"""The shape of a table's rows: which column fills which member of an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sluice_client.options import camel
from sluice_client.values import Shape, is_missing

CONSTANTS = ("entity_type", "event_type", "state_key")
# Of these, a missing one is left out of the item, since none of them may be null.
_NAMES = {*map(camel, CONSTANTS), "externalId", "timestamp", "eventId"}
_VALUE, _DATA = "value", "data"
_FLAT = 2  # members at most on the way to a value of a table whose rows have a quick shape


def shape_of(names: Sequence[str], kind: str, constants: Mapping[str, Any]) -> Shape:
    """Return the shape of rows.

    Args:
        names: of the columns.
        kind: `entities`, `events` or `states`.
        constants: `entityType`, `eventType` or `stateKey` of all rows, which then have no such column.

    Raises:
        ValueError: two columns are of one name, or one stands for the inside of another.
    """
    has_data = _DATA in names
    paths = [(name,) if has_data or name in {*_NAMES, _VALUE} else (_DATA, *name.split(".")) for name in names]
    _check(names, paths, constants)
    fills_data = kind != "states" and not has_data

    def item(row: Sequence[Any]) -> dict[str, Any]:
        made: dict[str, Any] = {**constants, _DATA: {}} if fills_data else {**constants}
        for path, value in zip(paths, row, strict=True):
            *way, name = path
            if not way and name in _NAMES and is_missing(value):
                continue
            inner = made
            for step in way:
                inner = inner.setdefault(step, {})
            inner[name] = value
        return made

    return Shape(item, _quick(paths, constants) or item)


def _quick(paths: Sequence[Sequence[str]], constants: Mapping[str, Any]) -> Callable[[Sequence[Any]], Any] | None:
    """Return a function that makes a Struct of a row, in a fraction of the time of a dict; None if none can be made.

    One with a missing value is written with a null, which has the row written anew, as an item.
    """
    own = [place for place, path in enumerate(paths) if len(path) == 1]
    inner = [place for place, path in enumerate(paths) if len(path) == _FLAT]
    if len(own) + len(inner) < len(paths) or not own or not inner:
        return None
    try:
        data_of = _struct([paths[place][1] for place in inner], {})
        item_of = _struct([_DATA, *(paths[place][0] for place in own)], constants)
    except ValueError:  # a name has a character that msgspec does not write as it is
        return None

    def quick(row: Sequence[Any]) -> Any:
        return item_of(data_of(*[row[place] for place in inner]), *[row[place] for place in own])

    return quick


def _struct(names: Sequence[str], constants: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a class whose objects are written with members of these names, behind constant ones."""
    fields = [(f"f{place}", Any) for place in range(len(names))]
    rename = {f"f{place}": name for place, name in enumerate(names)}
    fixed = [(f"c{place}", Any, value) for place, value in enumerate(constants.values())]
    rename |= {f"c{place}": name for place, name in enumerate(constants)}
    return msgspec.defstruct("Row", [*fields, *fixed], rename=rename, gc=False)


def _check(names: Sequence[str], paths: Sequence[tuple[str, ...]], constants: Mapping[str, Any]) -> None:
    twice = {name for name in names if names.count(name) > 1 or name in constants}
    if twice:
        raise ValueError(f"The frame says {', '.join(sorted(twice))} twice: rename or drop one")
    ends = {path[:end]: name for path, name in zip(paths, names, strict=True) for end in range(1, len(path))}
    inside = [f"{name} and {ends[path]}" for path, name in zip(paths, names, strict=True) if path in ends]
    if inside:
        raise ValueError(f"A member cannot be a value and an object too: rename one of {'; '.join(inside)}")
