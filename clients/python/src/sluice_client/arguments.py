"""Arguments that would not do what their caller means, refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def many(items: Any, call: str) -> Any:
    """Return items that are many.

    Args:
        items: of a call.
        call: its name.

    Raises:
        TypeError: it is one item or a table, which would be taken apart by members or columns.
    """
    kind = type(items).__name__
    if isinstance(items, (Mapping, str, bytes, bytearray, memoryview)) or hasattr(items, "model_dump"):
        raise TypeError(f"{call} takes many items, and a {kind} is none or one: put an item into a list")
    if hasattr(items, "__dataframe__") or hasattr(items, "__arrow_c_stream__"):
        raise TypeError(
            f"{call} takes rows, and a {kind} gives columns: `load` takes frames of pandas, polars, pyarrow and DuckDB"
        )
    return items


def count(name: str, value: int | None) -> int | None:
    """Return a number of things.

    Args:
        name: of the argument.
        value: None leaves it to the client.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is below 1.
    """
    if value is not None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be a whole number, not {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be 1 at least, not {value}")
    return value


def seconds(name: str, value: float, least: float = 0) -> float:
    """Return a time.

    Args:
        name: of the argument.
        value: in seconds.
        least: that it may be.

    Raises:
        TypeError: it is no number.
        ValueError: it is less.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not value >= least:
        raise ValueError(f"{name} must be {least} at least, not {value}")
    return value


def word(name: str, value: str, words: tuple[str, ...]) -> str:
    """Return one of a few words.

    Args:
        name: of the argument.
        value: given.
        words: that it may be.

    Raises:
        ValueError: it is none of them.
    """
    if value not in words:
        raise ValueError(f"{name} must be one of {', '.join(words)}, not {value!r}")
    return value


def left_out(why: str, **given: Any) -> None:
    """Raise a TypeError that names arguments which would have no effect, unless all are None.

    Args:
        why: they would have none.
        given: the arguments by their names.
    """
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise TypeError(f"{', '.join(names)} would have no effect: {why}")
