"""All that differs between the two clients beyond `await`; `_aio` has the same names for the asynchronous one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, Union

import httpx2

from sluice_client.frames import Frame
from sluice_client.reading import Entry, Reader

if TYPE_CHECKING:
    from typing_extensions import Self

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


def answered(_left: float, response: _Result) -> _Result:
    """Return the head of an answer, which has been read.

    httpx2 reads it in this thread, and offers no hook between two reads, nor a socket to close from another thread. So
    bytes that come one by one can prolong a call: each within the time of a read, and 100 kB at most, which is all that
    it takes of a head.
    """
    return response


class Lanes:
    """Calls that are made at the same time.

    Args:
        width: so many at most.
    """

    def __init__(self, width: int) -> None:
        self._threads = ThreadPoolExecutor(width, thread_name_prefix="sluice-lane")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)  # calls under way are waited for

    def begin(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Begin a call, and return what `ended` takes."""
        return self._threads.submit(call, *arguments)

    def ended(self, begun: Any) -> Any:
        """Return the result of a call, or what stands in the place of one, once it is there."""
        return begun.result() if isinstance(begun, Future) else begun


class Timely(httpx2.SyncByteStream):
    """The body of an answer that must be there at a moment: bytes that come one by one prolong no call.

    Args:
        stream: the body.
        until: the moment, of `time.monotonic`.
    """

    def __init__(self, stream: Any, until: float) -> None:
        self._stream, self._until = stream, until

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            yield piece
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout("the answer was still coming when the time of the call was up")

    def close(self) -> None:
        """Close the body."""
        self._stream.close()
