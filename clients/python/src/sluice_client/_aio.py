"""All that differs between the two clients beyond `await`; `_io` has the same names for the synchronous one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, Union

import httpx2

from sluice_client.frames import Frame
from sluice_client.reading import Entry, Reader

if TYPE_CHECKING:
    from typing_extensions import Self

_Result = TypeVar("_Result")

# Items for a load, a frame, or the path of a file.
Source = Union[Iterable[Any], AsyncIterable[Any], Frame, str, "os.PathLike[str]"]

sleep = asyncio.sleep
# Closes a generator at the end of a block, when no garbage collector looks.
closing: Any = contextlib.aclosing


async def entries(
    source: Iterable[Any] | AsyncIterable[Any],
    encode: Callable[[Any], Entry],
    *,
    tick: float | None,
    ahead_bytes: int,
) -> AsyncIterator[Entry | None]:
    """Yield the items of a source of either kind, once.

    Args:
        source: of items; one that is not asynchronous blocks the loop while it makes an item, unless there is a tick.
        encode: makes an entry of an item.
        tick: yield None after so many seconds without an item; a thread then reads a source that is not asynchronous.
        ahead_bytes: the thread reads so far ahead.
    """
    if isinstance(source, AsyncIterable):
        async for row in _heeded(source, tick):
            yield None if row is _IDLE else encode(row)
        return
    if tick is None:
        for row in source:
            yield encode(row)
        return
    reader = Reader(source, encode, ahead_bytes)
    try:
        while (taken := await asyncio.to_thread(reader.take, tick)) is not None:
            if not taken:
                yield None
            for entry in taken:
                yield entry
    finally:
        reader.give_up()


# Stands for the absence of an item; no source has it.
_IDLE: Any = object()


async def _heeded(source: AsyncIterable[Any], tick: float | None) -> AsyncIterator[Any]:
    """Yield the items of a source, and _IDLE after each tick without one."""
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
                yield _IDLE
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


# A step's own time limit is as long as what is left of a call, and says more: it comes first.
_BEHIND_STEPS_SECONDS = 0.1


async def answered(left: float, sent: Awaitable[_Result]) -> _Result:
    """Return the head of an answer, or raise ReadTimeout: bytes of it that come one by one prolong no call.

    Args:
        left: seconds of the call.
        sent: the request, which is broken off then.
    """
    try:
        return await asyncio.wait_for(sent, max(0.0, left) + _BEHIND_STEPS_SECONDS)
    except asyncio.TimeoutError:
        raise httpx2.ReadTimeout("the head of the answer was still coming when the time of the call was up") from None


class Lanes:
    """Calls that are made at the same time."""

    def __init__(self, _width: int) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Begin a call, and return what `ended` takes."""
        task = asyncio.ensure_future(call(*arguments))
        self._tasks.add(task)
        return task

    async def ended(self, begun: Any) -> Any:
        """Return the result of a call, or what stands in the place of one, once it is there."""
        if not isinstance(begun, asyncio.Task):
            return begun
        self._tasks.discard(begun)
        return await begun


class Timely(httpx2.AsyncByteStream):
    """The body of an answer that must be there at a moment: bytes that come one by one prolong no call.

    Args:
        stream: the body.
        until: the moment, of `time.monotonic`.
    """

    def __init__(self, stream: Any, until: float) -> None:
        self._stream, self._until = stream, until

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout("the answer was still coming when the time of the call was up")

    async def aclose(self) -> None:
        """Close the body."""
        await self._stream.aclose()
