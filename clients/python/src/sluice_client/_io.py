"""All that differs between the two clients beyond `await`; `_aio` has the same names for the asynchronous one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, Union

from sluice_client.frames import Frame
from sluice_client.reading import Entry, Reader

_Result = TypeVar("_Result")

# Items for a load, a frame, or the path of a file.
Source = Union[Iterable[Any], Frame, str, "os.PathLike[str]"]

sleep = time.sleep
# Closes a generator at the end of a block, when no garbage collector looks.
closing: Any = contextlib.closing


def entries(
    source: Iterable[Any], encode: Callable[[Any], Entry], *, tick: float | None, ahead_bytes: int
) -> Iterator[Entry | None]:
    """Yield the items of a source, once.

    Args:
        source: of items.
        encode: makes an entry of an item.
        tick: yield None after so many seconds without an item; a thread then reads the source.
        ahead_bytes: the thread reads so far ahead.
    """
    if tick is None:
        yield from map(encode, source)
        return
    reader = Reader(source, encode, ahead_bytes)
    try:
        while (taken := reader.take(tick)) is not None:
            if not taken:
                yield None
            yield from taken
    finally:
        reader.give_up()


def off_loop(work: Callable[[], _Result]) -> _Result:
    """Return the result of work."""
    return work()
