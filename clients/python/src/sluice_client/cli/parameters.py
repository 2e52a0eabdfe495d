"""The values of options that click has no type for."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|kB|MB)?", re.ASCII)
_UNITS = {"B": 1, "kB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_LIMIT = re.compile(r"(\d{1,9})(%?)", re.ASCII)
_HUNDRED = 100


class Limit(NamedTuple):
    """The most items that may fail: a number, or percent of all items."""

    number: int
    percent: bool = False


class _Bytes(click.ParamType[int]):
    """A number of bytes, as in 8MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that a text says."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value)
        if not match or not int(match[1]):
            self.fail("must be a number and a unit, as in 8MiB", param, ctx)
        return int(match[1]) * _UNITS[match[2] or "B"]


class _Limit(click.ParamType[Limit]):
    """A number of items, or a share of them, as in 100 or 1%."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Limit:
        """Return the limit that a text says."""
        if isinstance(value, Limit):
            return value
        match = _LIMIT.fullmatch(value)
        if not match or (match[2] and int(match[1]) > _HUNDRED):
            self.fail("must be a whole number, as in 100, or percent, as in 1%", param, ctx)
        return Limit(int(match[1]), percent=bool(match[2]))


BYTES, LIMIT = _Bytes(), _Limit()


def columns_of(mapped: Sequence[str], file: Path | None) -> dict[str, str]:
    """Return the names for the server by the names of columns.

    Args:
        mapped: FIELD=COLUMN, which win over those of the file.
        file: an object of JSON with a column for each field.

    Raises:
        BadParameter: one of them is none.
    """
    fields = {**(_of_file(file) if file else {}), **dict(map(_pair, mapped))}
    columns: dict[str, str] = {}
    for name, column in fields.items():
        if column in columns:
            raise click.BadParameter(f"the column {column!r} fills {columns[column]} already", param_hint="--map")
        columns[column] = name.removeprefix("data.")
    return columns


def _pair(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not name or not equals:  # a column may have no name
        raise click.BadParameter(f"{text!r} should be FIELD=COLUMN, as in externalId=ID", param_hint="--map")
    return name, column


def _of_file(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError) as error:
        raise click.BadParameter(
            f'{path} should be an object of JSON, as in {{"externalId": "ID"}}: {error}', param_hint="--map-file"
        ) from error


def named_encoding(name: str | None) -> str | None:
    """Return an encoding by the name that Python has for it; None for UTF-8, which is sent as it is.

    Raises:
        BadParameter: there is none of that name.
    """
    if name is None:
        return None
    try:
        found = codecs.lookup(name)
        "a".encode(found.name)
    except LookupError:
        raise click.BadParameter(f"there is no encoding {name!r}", param_hint="--encoding") from None
    return None if found.name in {"utf-8", "ascii"} else found.name
