"""All that differs between the two clients beyond `await`; `_aio` has the same names for the asynchronous one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, Union

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Items for a load, or the path of a file.
Source = Union[Iterable[Any], str, "os.PathLike[str]"]

sleep = time.sleep


def rows(source: Iterable[_Item]) -> Iterator[_Item]:
    """Yield the items of a source, once."""
    yield from source


def off_loop(work: Callable[[], _Result]) -> _Result:
    """Return the result of work."""
    return work()
