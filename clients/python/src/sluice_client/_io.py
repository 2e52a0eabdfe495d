"""All that differs between the two clients beyond `await`; `_aio` has the same names for the asynchronous one."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar, Union

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Items for a load, or the path of a file.
Source = Union[Iterable[Any], str, "os.PathLike[str]"]

_AHEAD = 1_000  # items
_LOOK_SECONDS = 0.5

# Stands for the absence of an item; no source has it.
IDLE: Any = object()

sleep = time.sleep


def rows(source: Iterable[_Item], tick: float | None = None) -> Iterator[_Item]:
    """Yield the items of a source, once.

    Args:
        source: of items.
        tick: yield IDLE after so many seconds without an item; a thread then reads the source, a few items ahead.
    """
    if tick is None:
        yield from source
        return
    read: queue.Queue[Any] = queue.Queue(maxsize=_AHEAD)
    given_up = threading.Event()
    threading.Thread(target=_read, args=(source, read, given_up), daemon=True).start()
    try:
        while True:
            try:
                item, end = read.get(timeout=tick)
            except queue.Empty:
                yield IDLE
                continue
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item
    finally:
        given_up.set()


def _read(source: Iterable[Any], read: queue.Queue[Any], given_up: threading.Event) -> None:
    """Put the items of a source into a queue, and its end, until the load is given up."""

    def put(entry: Any) -> None:
        put_in = False
        while not (put_in or given_up.is_set()):
            with suppress(queue.Full):  # the server is slower than the source
                read.put(entry, timeout=_LOOK_SECONDS)
                put_in = True

    try:
        for item in source:
            put((item, None))
            if given_up.is_set():
                return
    except BaseException as error:  # noqa: BLE001 # raised where the load is
        put((None, error))
    else:
        put((None, StopIteration()))


def off_loop(work: Callable[[], _Result]) -> _Result:
    """Return the result of work."""
    return work()
