"""Load any number of items: cut into batches, each a job, whose outcomes are paired with the caller's own objects.

One batch is sent at a time, because jobs of a tenant take effect in the order in which they are accepted: so items
take effect in the order of their source. The server works meanwhile at those before. At most `in_flight` batches are
held at once, so that a slow server slows the source, and memory stays the same however long the source is: that of
`in_flight` batches, each as lines or as the caller's objects, and of a quarter of one that a thread may read ahead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sluice_client import _aio
from sluice_client._async.job import AsyncJob
from sluice_client._async.jobs import job_of
from sluice_client._async.transport import AsyncTransport
from sluice_client.cutting import LINES
from sluice_client.errors import Conflict, LoadTooLarge, TooLarge, UnsupportedValue
from sluice_client.limits import Limits
from sluice_client.models import JobInfo, SeenJob
from sluice_client.options import prefer, wire
from sluice_client.reading import Entry
from sluice_client.reports import Accepted, ItemFailed, JobEnded, LoadEvent

_TICKS = 4  # looks at the age of a batch, in the time that it may have
_LONGEST_TICK_SECONDS = 1.0
_AHEAD = 4  # the part of a batch that is read ahead
_LOOK_SECONDS = 0.2  # between looks at jobs, while a source is idle


@dataclass
class _Batch:
    """Items that go as one job: the caller's own objects, and each as a line."""

    first: int
    rows: list[Any] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    began: float = 0.0

    def following(self) -> _Batch:
        return _Batch(self.first + len(self.rows))

    def halves(self) -> tuple[_Batch, _Batch]:
        middle = len(self.rows) // 2
        first, second = slice(None, middle), slice(middle, None)
        return (
            _Batch(self.first, self.rows[first], self.lines[first]),
            _Batch(self.first + middle, self.rows[second], self.lines[second]),
        )


@dataclass
class _Sent:
    """A batch that the server has accepted; its rows are held until its job has ended."""

    job: AsyncJob
    first: int
    rows: list[Any]


@dataclass(frozen=True)
class Sizes:
    """The sizes of a load's batches.

    Attributes:
        items: a batch has at most so many; None takes the client's own number.
        size: it is cut before it has more bytes, unless one item alone does; None likewise.
        flush_seconds: it is sent once its first item is so old; None waits until it is full.
        in_flight: so many batches may be accepted and not ended.
    """

    items: int | None
    size: int | None
    flush_seconds: float | None
    in_flight: int


class AsyncLoad:
    """A load under way.

    Args:
        transport: to the server.
        operation: the name of the batch call.
        options: of each batch, as `options.BatchOptions`.
        encode: writes a row of the source as a line.
        item: makes an item of a row of a table, to be told of where it failed; None where rows are items.
        sizes: of the batches.
        limits: of the way to the server; the load remembers there which size did not pass.
        max_errors: more failed items than this end the load.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        operation: str,
        options: Mapping[str, Any],
        *,
        encode: Callable[[Any], bytes],
        item: Callable[[Any], Any] | None,
        sizes: Sizes,
        limits: Limits,
        max_errors: int | None,
    ) -> None:
        self._transport, self._operation = transport, operation
        self._query, self._headers = wire(options), {"Content-Type": LINES, **prefer(options, wait=0)}
        self._encode, self._item, self._sizes, self._limits = encode, item, sizes, limits
        self._is_atomic, self._max_errors = bool(options.get("atomic")), max_errors
        self._failed, self._is_cancelled, self._looked = 0, False, 0.0
        self._under_way: deque[_Sent] = deque()

    @property
    def stopped(self) -> bool:
        """True if more items have failed than the load may have."""
        return self._max_errors is not None and self._failed > self._max_errors

    async def events(self, source: Any) -> AsyncIterator[LoadEvent]:
        """Yield what becomes of the items of a source, which is read once.

        Raises:
            UnsupportedValue: an item cannot be sent; the batches before are accepted, and go on.
            LoadTooLarge: the load is atomic, and the source has more than one job may have.
        """
        async with _aio.closing(self._batches(source)) as batches:
            async for batch in batches:
                async for event in self._ended_by_now() if batch is None else self._sent(batch):
                    yield event
                if self.stopped:
                    break
        while self._under_way:
            async for event in self._ended():
                yield event

    async def _sent(self, batch: _Batch) -> AsyncIterator[LoadEvent]:
        """Send a batch, and wait until fewer than `in_flight` are under way."""
        async for sent in self._accept(batch):
            self._under_way.append(sent)
            yield Accepted(sent.job.id, sent.first, len(sent.rows), sent.job.callback_secret)
        while len(self._under_way) >= self._sizes.in_flight and not self.stopped:
            async for event in self._ended():
                yield event

    async def _batches(self, source: Any) -> AsyncIterator[_Batch | None]:
        """Yield the items of a source in batches; None while it has no item."""
        flush, batch = self._sizes.flush_seconds, _Batch(0)
        items, size = self._most()
        tick, ahead = None if flush is None else min(flush / _TICKS, _LONGEST_TICK_SECONDS), self._most()[1] // _AHEAD
        async with _aio.closing(_aio.entries(source, self._entry, tick=tick, ahead_bytes=ahead)) as entries:
            async for entry in entries:
                if flush is not None and batch.rows and time.monotonic() - batch.began >= flush:
                    yield batch
                    batch = batch.following()
                if entry is None:
                    yield None
                    continue
                row, line = entry
                if isinstance(line, Exception):
                    raise UnsupportedValue(f"Item {batch.first + len(batch.rows)}: {line}") from line
                if not batch.rows:
                    batch.began, (items, size) = time.monotonic(), self._most()
                elif len(batch.rows) >= items or batch.size + len(line) > size:
                    if self._is_atomic:
                        raise LoadTooLarge(items, size)
                    yield batch
                    batch = batch.following()
                    batch.began, (items, size) = time.monotonic(), self._most()
                batch.rows.append(row)
                batch.lines.append(line)
                batch.size += len(line) + 1
        if batch.rows:
            yield batch

    def _entry(self, row: Any) -> Entry:
        try:
            return row, self._encode(row)
        except UnsupportedValue as error:
            return row, error

    def _most(self) -> tuple[int, int]:
        """Return the most items and bytes of a batch."""
        if self._is_atomic:
            return self._limits.atomic_items, self._limits.atomic_bytes
        return self._limits.batch(self._sizes.items, self._sizes.size)

    async def _accept(self, batch: _Batch) -> AsyncIterator[_Sent]:
        """Send a batch; in halves, and smaller ones from then on, where something on the way finds it too large."""
        body = b"\n".join(batch.lines)
        try:
            seen = await self._transport.call(
                self._operation, SeenJob, query=self._query, body=body, headers=self._headers
            )
        except TooLarge:
            if len(batch.rows) == 1 or self._is_atomic:
                raise
        else:
            yield _Sent(job_of(self._transport, seen), batch.first, batch.rows)
            return
        self._limits.passing_bytes = max(len(body) // 2, 1)
        for half in batch.halves():
            async for sent in self._accept(half):
                yield sent

    async def _ended_by_now(self) -> AsyncIterator[LoadEvent]:
        """Yield what became of the oldest jobs if they have ended, and wait for none: the source may have an item."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        while self._under_way and (await self._under_way[0].job.refresh()).ended:
            async for event in self._ended():
                yield event

    async def _ended(self) -> AsyncIterator[LoadEvent]:
        """Wait for the oldest job, and yield what became of its items."""
        sent = self._under_way.popleft()
        info = await sent.job.ended(check=False)
        self._failed += info.effects.failed
        if self.stopped:
            await self._cancel_all()
        async for failed in failures(sent.job, info, first=sent.first, rows=sent.rows):
            if self._item:
                failed.error.item = self._item(failed.error.item)
            yield failed
        yield JobEnded(info)

    async def _cancel_all(self) -> None:
        """Cancel the jobs under way, once."""
        if not self._is_cancelled:
            self._is_cancelled = True
            for sent in self._under_way:
                with suppress(Conflict):  # it has ended in the meantime
                    await sent.job.cancel()


async def failures(
    job: AsyncJob, info: JobInfo, *, first: int = 0, rows: list[Any] | None = None
) -> AsyncIterator[ItemFailed]:
    """Yield the errors of a job that has ended.

    Args:
        job: the job.
        info: as it ended.
        first: the index of its first item in the load.
        rows: the caller's own objects; None where the server has them alone.
    """
    if not info.effects.failed:
        return
    async for error in job.errors(items=rows is None):
        if rows is not None:
            error.item = rows[error.index]
        error.index += first
        yield ItemFailed(error)
