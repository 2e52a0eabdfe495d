"""Made by make_sync.py of _async/load.py: change that file, then `make client`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice_client import _io
from sluice_client._sync.jobs import Job
from sluice_client._sync.transport import Transport
from sluice_client.errors import TooLarge, UnsupportedValue
from sluice_client.models import JobInfo, SeenJob
from sluice_client.options import prefer, wire
from sluice_client.reports import Accepted, ItemFailed, JobEnded, LoadEvent

_TICKS = 4  # looks at the age of a batch, in the time that it may have

LINES = {"Content-Type": "application/x-ndjson"}


@dataclass
class _Batch:
    """Items that go as one job: the caller's own objects, and each as a line."""

    first: int
    rows: list[Any] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    began: float = 0.0

    def add(self, row: Any, line: bytes) -> None:
        if not self.rows:
            self.began = time.monotonic()
        self.rows.append(row)
        self.lines.append(line)
        self.size += len(line) + 1

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

    job: Job
    first: int
    rows: list[Any]


class Load:
    """A load under way.

    Args:
        transport: to the server.
        operation: the name of the batch call.
        options: of each batch, as `options.BatchOptions`.
        encode: writes an item as a line.
        batch_items: a batch has at most so many items.
        batch_bytes: it is cut before it has more bytes, unless one item alone does.
        in_flight: so many batches may be accepted and not ended.
        max_errors: more failed items than this end the load.
        flush_seconds: a batch is sent once its first item is so old; None waits until it is full.
    """

    def __init__(
        self,
        transport: Transport,
        operation: str,
        options: Mapping[str, Any],
        *,
        encode: Callable[[Any], bytes],
        batch_items: int,
        batch_bytes: int,
        in_flight: int,
        max_errors: int | None,
        flush_seconds: float | None,
    ) -> None:
        self._transport, self._operation = transport, operation
        self._query, self._headers = wire(options), {**LINES, **prefer(options, wait=0)}
        self._encode, self._batch_items, self._batch_bytes = encode, batch_items, batch_bytes
        self._in_flight, self._max_errors = in_flight, max_errors
        self._flush_seconds = flush_seconds
        self._failed = 0
        self._under_way: deque[_Sent] = deque()

    @property
    def stopped(self) -> bool:
        """True if more items have failed than the load may have."""
        return self._max_errors is not None and self._failed > self._max_errors

    def events(self, source: Any) -> Iterator[LoadEvent]:
        """Yield what becomes of the items of a source, which is read once.

        Raises:
            UnsupportedValue: an item cannot be sent; the batches before are accepted, and go on.
        """
        for batch in self._batches(source):
            if batch is None:  # the source is idle
                for event in self._all_ended():
                    yield event
                continue
            for sent in self._accept(batch):
                self._under_way.append(sent)
                yield Accepted(sent.job.id, sent.first, len(sent.rows))
            while len(self._under_way) >= self._in_flight and not self.stopped:
                for event in self._ended():
                    yield event
            if self.stopped:
                for sent in self._under_way:
                    self._cancel(sent.job)
                break
        for event in self._all_ended():
            yield event

    def _batches(self, source: Any) -> Iterator[_Batch | None]:
        """Yield the items of a source in batches; None while it has no item and none waits."""
        flush = self._flush_seconds
        batch = _Batch(0)
        for row in _io.rows(source, None if flush is None else flush / _TICKS):
            if flush is not None and batch.rows and time.monotonic() - batch.began >= flush:
                yield batch
                batch = batch.following()
            if row is _io.IDLE:
                if not batch.rows:
                    yield None
                continue
            try:
                line = self._encode(row)
            except UnsupportedValue as error:
                raise UnsupportedValue(f"Item {batch.first + len(batch.rows)}: {error}") from error.__cause__
            if batch.rows and self._is_full(batch, line):
                yield batch
                batch = batch.following()
            batch.add(row, line)
        if batch.rows:
            yield batch

    def _is_full(self, batch: _Batch, line: bytes) -> bool:
        return len(batch.rows) == self._batch_items or batch.size + len(line) >= self._batch_bytes

    def _accept(self, batch: _Batch) -> list[_Sent]:
        """Send a batch; in halves, and smaller ones from then on, where something on the way finds it too large."""
        body = b"\n".join(batch.lines)
        try:
            seen = self._transport.call(self._operation, SeenJob, query=self._query, body=body, headers=self._headers)
        except TooLarge:
            if len(batch.rows) == 1:
                raise
            self._batch_bytes = max(len(body) // 2, 1)
            return [sent for half in batch.halves() for sent in self._accept(half)]
        return [_Sent(Job(self._transport, seen.job_id), batch.first, batch.rows)]

    def _all_ended(self) -> Iterator[LoadEvent]:
        while self._under_way:
            for event in self._ended():
                yield event

    def _ended(self) -> Iterator[LoadEvent]:
        """Wait for the oldest job, and yield what became of its items."""
        sent = self._under_way.popleft()
        info = sent.job.wait(check=False)
        self._failed += info.effects.failed
        for failed in failures(sent.job, info, first=sent.first, rows=sent.rows):
            yield failed
        yield JobEnded(info)

    def _cancel(self, job: Job) -> None:
        info = job.refresh()
        if not info.ended:
            job.cancel()


def failures(job: Job, info: JobInfo, *, first: int = 0, rows: list[Any] | None = None) -> Iterator[ItemFailed]:
    """Yield the errors of a job that has ended.

    Args:
        job: the job.
        info: as it ended.
        first: the index of its first item in the load.
        rows: the caller's own objects; None where the server has them alone.
    """
    if not info.effects.failed:
        return
    for error in job.errors(items=rows is None):
        if rows is not None:
            error.item = rows[error.index]
        error.index += first
        yield ItemFailed(error)
