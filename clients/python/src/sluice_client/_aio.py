"""All that differs between the two clients beyond `await`; `_io` has the same names for the synchronous one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, TypeVar, Union

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Items for a load, or the path of a file.
Source = Union[Iterable[Any], AsyncIterable[Any], str, "os.PathLike[str]"]

# Stands for the absence of an item; no source has it.
IDLE: Any = object()

sleep = asyncio.sleep


async def rows(source: Iterable[_Item] | AsyncIterable[_Item], tick: float | None = None) -> AsyncIterator[_Item]:
    """Yield the items of a source of either kind, once.

    Args:
        source: of items.
        tick: yield IDLE after so many seconds without an item of an asynchronous source; another one blocks the loop.
    """
    if not isinstance(source, AsyncIterable):
        for item in source:
            yield item
        return
    if tick is None:
        async for item in source:
            yield item
        return
    items = aiter(source)
    following = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=tick)
            if not done:
                yield IDLE
                continue
            try:
                item = following.result()
            except StopAsyncIteration:
                return
            yield item
            following = asyncio.ensure_future(anext(items))
    finally:
        following.cancel()


async def off_loop(work: Callable[[], _Result]) -> _Result:
    """Return the result of work that reads files or takes the processor, done beside the event loop."""
    return await asyncio.to_thread(work)
