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

sleep = asyncio.sleep


async def rows(source: Iterable[_Item] | AsyncIterable[_Item]) -> AsyncIterator[_Item]:
    """Yield the items of a source of either kind, once."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


async def off_loop(work: Callable[[], _Result]) -> _Result:
    """Return the result of work that reads files or takes the processor, done beside the event loop."""
    return await asyncio.to_thread(work)
