"""Entities, events and states: by the batch, by the million, and one by one."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from sluice_client import _aio
from sluice_client._async.files import AsyncFileLoad
from sluice_client._async.jobs import AsyncJob, job_of
from sluice_client._async.load import LINES, AsyncLoad
from sluice_client._async.transport import AsyncTransport
from sluice_client.errors import ItemsFailed, JobFailed, SluiceError
from sluice_client.files import is_file
from sluice_client.models import (
    SeenJob,
    StoredEntity,
    StoredEvent,
    StoredState,
    WrittenEntity,
    WrittenEvent,
)
from sluice_client.options import BatchOptions, prefer, wire
from sluice_client.reports import Accepted, LoadEvent, Progress, Report
from sluice_client.values import NullPolicy, encoder

if TYPE_CHECKING:
    from typing_extensions import Unpack

_LOG = logging.getLogger("sluice_client")
_HELD_SECONDS = 30
_PROGRESS_SECONDS = 0.2
_WARN_PERCENT = 1


class _AsyncBatches:
    """The batch call of a kind.

    Args:
        transport: to the server.
        kind: as in the path of the call.
        null_policy: as `values.encoder` takes it.
    """

    def __init__(self, transport: AsyncTransport, kind: str, null_policy: NullPolicy) -> None:
        self._transport, self._kind, self._null_policy = transport, kind, null_policy
        self._operation = {"entities": "writeEntities", "events": "writeEvents", "states": "writeStates"}[kind]

    async def send(
        self,
        items: Iterable[Any] | bytes,
        *,
        wait: int | None = None,
        content_type: str | None = None,
        key: str | None = None,
        **options: Unpack[BatchOptions],
    ) -> AsyncJob:
        """Send one batch, and return its job: it is stored, and runs by itself.

        Args:
            items: dicts, dataclasses, msgspec Structs or pydantic models; or a body as it is, of that `content_type`.
            wait: seconds to wait for its end; the job's `info` then shows how far it is.
            content_type: of a body: `text/csv` or `application/x-ndjson` (the default).
            key: an idempotency key of the caller's own, so that the same batch sent by another process is the same job.
            options: of the batch.

        Raises:
            ApiError: the server refused the batch; nothing of it is stored.
            UnsupportedValue: an item holds what JSON has not.
        """
        body = items if isinstance(items, bytes) else b"\n".join(map(encoder(self._null_policy), items))
        held = None if wait is None else min(wait, _HELD_SECONDS)
        headers = {**LINES, **({"Content-Type": content_type} if content_type else {}), **prefer(options, held)}
        seen = await self._transport.call(
            self._operation, SeenJob, query=wire(options), body=body, headers=headers, key=key
        )
        job = job_of(self._transport, seen)
        if wait is not None:
            await job.refresh()
        return job

    async def stream(
        self,
        source: _aio.Source,
        *,
        batch_items: int = 10_000,
        batch_bytes: int = 2 * 1024**2,
        in_flight: int = 4,
        flush_seconds: float | None = None,
        null_policy: NullPolicy | None = None,
        resume: bool = True,
        **options: Unpack[BatchOptions],
    ) -> AsyncIterator[LoadEvent]:
        """Load items, and yield what becomes of them as it goes: Accepted, ItemFailed, JobEnded.

        Args:
            source: an iterable of items as `send` takes them, which is read once; or the path of a file of lines or
                CSV, which may be compressed with gzip or zstd, and becomes one job.
            batch_items: a batch has at most so many items, and is one job.
            batch_bytes: it is cut before it has more bytes.
            in_flight: so many batches are held until their jobs have ended: memory is bounded by them.
            flush_seconds: of a source that never ends: a batch is sent once its first item is so old, and while no item
                comes the outcome of all batches is told. A thread then reads the source.
            null_policy: of this load, as that of the client.
            resume: of a file: go on where an earlier load of it was broken off.
            options: of each batch; `max_errors` is of the load: once more items have failed, it sends nothing more and
                cancels the batches under way.
        """
        if is_file(source):
            load = AsyncFileLoad(self._transport, self._kind, options, resume=resume)
            async for event in load.events(source):
                yield event
            return
        encode = encoder(null_policy or self._null_policy)
        max_errors = options.pop("max_errors", None)
        batches = AsyncLoad(
            self._transport,
            self._operation,
            options,
            encode=encode,
            batch_items=batch_items,
            batch_bytes=batch_bytes,
            in_flight=in_flight,
            max_errors=max_errors,
            flush_seconds=flush_seconds,
        )
        async for event in batches.events(source):
            yield event

    async def load(
        self,
        source: _aio.Source,
        *,
        on_error: Literal["raise", "collect"] = "raise",
        on_progress: Callable[[Progress], object] | None = None,
        **how: Any,
    ) -> Report:
        """Load items, wait for all of their jobs, and return the report.

        Args:
            source: as `stream` takes it.
            on_error: `raise` at the end if any item failed, or `collect` the errors in the report.
            on_progress: called at most five times a second, and at the end.
            **how: as `stream` takes it: the sizes of batches, and their options.

        Raises:
            ItemsFailed: items were refused; all others are stored.
            JobFailed: a job could not be carried out.
            SluiceError: the load broke off; its `report` tells what was accepted before.
        """
        if on_error not in {"raise", "collect"}:
            raise ValueError(f'on_error must be "raise" or "collect", not {on_error!r}')
        report, teller = Report(), _Teller(on_progress)
        try:
            async for event in self.stream(source, **how):
                report.add(event)
                teller.tell(report, event)
        except SluiceError as error:
            error.report = report
            raise
        finally:
            most = how.get("max_errors")
            report.stopped = most is not None and report.failed > most
            teller.finish(report)
        if on_error == "raise" and not report.ok:
            failed = ItemsFailed(report) if report.failed else JobFailed(report.unfinished[0])
            failed.report = report
            raise failed
        return report


class _Teller:
    """Tells of the progress of a load, a few times a second, and warns once of many errors."""

    def __init__(self, on_progress: Callable[[Progress], object] | None) -> None:
        self._on_progress = on_progress
        self._began = self._told = time.monotonic()
        self._sent, self._warned = 0, False

    def tell(self, report: Report, event: LoadEvent) -> None:
        if isinstance(event, Accepted):
            self._sent += event.items
        if report.total and not self._warned and report.failed * 100 >= report.total * _WARN_PERCENT:
            self._warned = True
            _LOG.warning("%d of %d items failed so far: %s", report.failed, report.total, dict(report.codes))
        if self._on_progress and time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._on_progress(self._progress(report))

    def finish(self, report: Report) -> None:
        report.seconds = time.monotonic() - self._began
        if self._on_progress:
            self._on_progress(self._progress(report))

    def _progress(self, report: Report) -> Progress:
        return Progress(self._sent, report.total, report.failed, time.monotonic() - self._began)


class AsyncEntities(_AsyncBatches):
    """Entities."""

    async def upsert(
        self,
        entity_type: str,
        external_id: str,
        data: Any,
        *,
        mode: Literal["replace", "merge"] | None = None,
        strict: bool = False,
        key: str | None = None,
    ) -> WrittenEntity:
        """Create or change one entity; `merge` merges the members of `data`, and removes those that are None."""
        body = _encoded({"entityType": entity_type, "externalId": external_id, "data": data}, self._null_policy)
        headers = prefer({"strict": strict})
        return await self._transport.call(
            "upsertEntity", WrittenEntity, query={"mode": mode}, body=body, headers=headers, key=key
        )

    async def get(self, external_id: str, *, pii: bool | None = None) -> StoredEntity:
        """Return one entity.

        Args:
            external_id: its id.
            pii: False leaves the fields out that the template calls personal data.
        """
        return await self._transport.call("getEntity", StoredEntity, external_id, query={"pii": pii})

    async def delete(self, external_id: str) -> None:
        """Delete one entity; its events stay."""
        await self._transport.send("deleteEntity", external_id)


class AsyncEvents(_AsyncBatches):
    """Events of entities."""

    async def append(
        self,
        external_id: str,
        event_type: str,
        data: Any,
        *,
        timestamp: Any = None,
        event_id: str | None = None,
        strict: bool = False,
        key: str | None = None,
    ) -> WrittenEvent:
        """Append one event to an entity.

        Args:
            external_id: of the entity.
            event_type: of the event.
            data: its data.
            timestamp: an aware datetime, or text; None for now.
            event_id: the sender's own id for it: a second one of the same id is a duplicate.
            strict: members that the event should not have are errors.
            key: an idempotency key of the caller's own.
        """
        told = {"timestamp": timestamp, "eventId": event_id}
        item = {
            "eventType": event_type,
            "data": data,
            **{name: value for name, value in told.items() if value is not None},
        }
        body, headers = _encoded(item, self._null_policy), prefer({"strict": strict})
        return await self._transport.call("appendEvent", WrittenEvent, external_id, body=body, headers=headers, key=key)

    async def list(
        self, external_id: str, *, event_type: str | None = None, limit: int = 500
    ) -> AsyncIterator[StoredEvent]:
        """Yield the events of an entity, the newest first; `limit` is how many to read at a time."""
        query = {"eventType": event_type, "limit": limit}
        async for event in self._transport.pages("listEvents", StoredEvent, external_id, query=query):
            yield event


class AsyncStates(_AsyncBatches):
    """States of entities."""

    async def set(self, external_id: str, state_key: str, value: Any, *, key: str | None = None) -> StoredState:
        """Set one state of an entity."""
        body = _encoded({"value": value}, self._null_policy)
        return await self._transport.call("setState", StoredState, external_id, state_key, body=body, key=key)

    async def get(self, external_id: str, state_key: str) -> StoredState:
        """Return one state of an entity."""
        return await self._transport.call("getState", StoredState, external_id, state_key)

    async def list(self, external_id: str) -> AsyncIterator[StoredState]:
        """Yield all states of an entity."""
        states = await self._transport.call("listStates", list[StoredState], external_id)
        for state in states:
            yield state


def _encoded(item: Any, null_policy: NullPolicy) -> bytes:
    return encoder(null_policy)(item)
