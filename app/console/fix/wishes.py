"""Read a form of the grid: the cells as they stand in it, and the wish of its button."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from flask import request

from ingest.engine.cells import Path
from ingest.errors import InvalidInput

_BUTTON = msgspec.json.Decoder(list[Any])
_MOST_DIGITS = 10


class Wish(NamedTuple):
    """The content of a form.

    Attributes:
        cells: the texts of the cells that it shows, by the indexes of their rows.
        versions: of the drafts that it was made of, likewise.
        action: what is wanted: `save`, `check`, `send`, `set`, `replace`, `rename`, `put`, `drop`, `undo`, `reveal`.
        arguments: of it.
    """

    cells: Mapping[int, Mapping[Path, str]]
    versions: Mapping[int, int]
    action: str
    arguments: list[Any]


def read() -> Wish:
    """Return what the form of this request says.

    Raises:
        InvalidInput: it is none of ours.
    """
    cells: dict[int, dict[Path, str]] = {}
    versions: dict[int, int] = {}
    for name, value in request.form.items():
        kind, _, rest = name.partition(".")
        if kind == "c":
            index, _, path = rest.partition(".")
            cells.setdefault(_number(index), {})[path_of(path)] = value.replace("\r\n", "\n")
        elif kind == "v":
            versions[_number(rest)] = _number(value)
    try:
        action, *arguments = _BUTTON.decode(request.form.get("do", '["save"]'))
    except (msgspec.MsgspecError, ValueError):
        raise InvalidInput("The form does not say what to do") from None
    return Wish(cells, versions, str(action), arguments)


def path_of(pointer: str) -> Path:
    """Return the way to a member that a JSON Pointer names.

    Raises:
        InvalidInput: it is none.
    """
    if not pointer.startswith("/"):
        raise InvalidInput(f"{pointer[:50]!r} is no JSON Pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidInput(f"{text[:50]!r} is no index")
    return int(text)
