"""The batch call of a kind of items: one batch, or any number."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sluice_client import _aio, arguments
from sluice_client._async.files import AsyncFileLoad
from sluice_client._async.installation import AsyncInstallation
from sluice_client._async.job import AsyncJob
from sluice_client._async.jobs import job_of
from sluice_client._async.load import AsyncLoad, Sizes
from sluice_client._async.transport import AsyncTransport
from sluice_client.cutting import LINES, PART_BYTES
from sluice_client.errors import ItemsFailed, JobFailed
from sluice_client.files import File, file_at, is_file
from sluice_client.frames import is_frame, rows_of
from sluice_client.models import SeenJob
from sluice_client.options import BatchOptions, camel, prefer, wire
from sluice_client.reports import Accepted, LoadEvent, PartSent, Progress, Report
from sluice_client.shapes import CONSTANTS
from sluice_client.telling import Teller
from sluice_client.values import NullPolicy, encoder

if TYPE_CHECKING:
    from typing_extensions import Unpack

_IN_FLIGHT = 4


class AsyncBatches:
    """The batch call of a kind.

    Args:
        transport: to the server.
        kind: as in the path of the call.
        null_policy: as `values.encoder` takes it.
        installation: whose limits batches keep.
    """

    def __init__(
        self, transport: AsyncTransport, kind: str, null_policy: NullPolicy, installation: AsyncInstallation
    ) -> None:
        self._transport, self._installation, self._kind, self._null_policy = transport, installation, kind, null_policy
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
            wait: seconds to wait for its end, 30 at most; the job's `info` then shows how far it is.
            content_type: of a body: `text/csv` or `application/x-ndjson` (the default).
            key: an idempotency key of the caller's own, so that the same batch sent by another process is the same job.
            options: of the batch.

        Raises:
            ApiError: the server refused the batch; nothing of it is stored.
            UnsupportedValue: an item holds what JSON has not.
            TypeError: the items are one item or a table, or there is no such option.
            ValueError: an option, or `wait`, is none that it may be.
        """
        if isinstance(items, bytes):
            body = items
        else:
            arguments.left_out("items that are no body go as lines", content_type=content_type)
            body = b"\n".join(map(encoder(self._null_policy), arguments.many(items, "send")))
        headers = {"Content-Type": content_type or LINES, **prefer(options, wait)}
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
        batch_items: int | None = None,
        batch_bytes: int | None = None,
        in_flight: int | None = None,
        flush_seconds: float | None = None,
        null_policy: NullPolicy | None = None,
        resume: bool | None = None,
        part_bytes: int | None = None,
        **options: Unpack[BatchOptions],
    ) -> AsyncIterator[LoadEvent]:
        """Load items, and yield what becomes of them as it goes: Accepted, ItemFailed, JobEnded.

        Args:
            source: an iterable of items as `send` takes them, which is read once; or a frame of pandas or polars, a
                table of Arrow or a relation of DuckDB, as `frames` says; or the path of a file of lines or CSV, which
                may be compressed with gzip or zstd, and becomes one job.
            batch_items: a batch has at most so many items, and is one job; None takes 10,000, or as many as the server
                takes.
            batch_bytes: it is cut before it has more bytes; None takes 2 MiB. A batch that is too large for something
                on the way goes in halves, and this client's later ones are as small.
            in_flight: so many batches are held until their jobs have ended: memory is bounded by them; None takes 4.
            flush_seconds: of a source that never ends: a batch is sent once its first item is so old, and while no item
                comes it is told which jobs have ended. A thread reads a source that is not asynchronous.
            null_policy: of this load, as that of the client.
            resume: of a file: go on where an earlier load of it was broken off, unless it is False.
            part_bytes: of a file: a part has at most so many bytes, unless one record alone does; None takes 8 MiB.
            options: of each batch. `max_errors` is of the load: once more items have failed, it sends nothing more and
                cancels the batches under way. `atomic` makes one job of all items, which no other size may be said of.

        Raises:
            ApiError: the server refused a batch; those before are stored.
            TransportError: no answer came for as long as the client's `timeout`.
            UnsupportedValue: an item holds what JSON has not; the message has its index.
            LoadTooLarge: an atomic load has more items or bytes than one job may have.
            UnknownFormat: the name of a file says nothing that can be loaded, or the file is empty.
            UnreadableFile: a file is cut off or damaged, or has a record that no part can hold.
            OtherLoad: an earlier load of a file, which broke off, had other options.
            UnwritableFile: the journal of a file's load cannot be written.
            OSError: a file cannot be opened.
            ValueError: an atomic load is to be cut, or an argument is none that it may be.
            TypeError: an argument is of another type, or would have no effect on such a source.
        """
        sizes = {"batch_items": batch_items, "batch_bytes": batch_bytes, "in_flight": in_flight}
        if is_file(source):
            why = "a file is one job, whose items the server reads"
            arguments.left_out(why, **sizes, flush_seconds=flush_seconds, null_policy=null_policy)
            part_bytes = arguments.count("part_bytes", part_bytes) or PART_BYTES
            load = AsyncFileLoad(
                self._transport, self._kind, options, resume=resume is not False, part_bytes=part_bytes
            )
            async for event in load.events(source):
                yield event
            return
        shape = None
        if is_frame(source):
            constants = {camel(name): options.pop(name) for name in CONSTANTS if options.get(name) is not None}  # type: ignore[misc] # names of options
            source, shape = rows_of(source, self._kind, constants)
        if options.get("atomic") and (batch_items, batch_bytes, flush_seconds) != (None, None, None):
            raise ValueError("An atomic load is one job: leave batch_items, batch_bytes and flush_seconds out")
        arguments.left_out("only a file goes up in parts", resume=resume, part_bytes=part_bytes)
        arguments.many(source, "load")
        for name, value in sizes.items():
            arguments.count(name, value)
        if flush_seconds is not None:
            arguments.seconds("flush_seconds", flush_seconds, 0.001)
        max_errors = options.pop("max_errors", None)
        batches = AsyncLoad(
            self._transport,
            self._operation,
            options,
            encode=encoder(null_policy or self._null_policy, shape),
            item=shape.item if shape else None,
            sizes=Sizes(batch_items, batch_bytes, flush_seconds, _IN_FLIGHT if in_flight is None else in_flight),
            limits=await self._installation.limits(),
            max_errors=max_errors,
        )
        async with _aio.closing(batches.events(source)) as events:
            async for event in events:
                yield event

    async def upload(
        self,
        source: File | str | os.PathLike[str],
        *,
        resume: bool = True,
        part_bytes: int = PART_BYTES,
        parts_at_once: int = 2,
        **options: Unpack[BatchOptions],
    ) -> AsyncIterator[PartSent | Accepted]:
        """Send a file without waiting for its job, and yield its parts as they arrive, and the job at the end.

        The journal beside the file stays, so that the same call finds the same job, until
        `Journal(path).forget()` removes it.

        Args:
            source: a file.
            resume: go on where an earlier load of it was broken off.
            part_bytes: of a part.
            parts_at_once: so many are sent at the same time, and held in memory.
            options: of the batch.

        Raises:
            ApiError: the server refused the upload or a part.
            UnknownFormat: the name of the file says nothing that can be loaded, or the file is empty.
            UnreadableFile: the file is cut off or damaged, or has a record that no part can hold.
            OtherLoad: an earlier load of it, which broke off, had other options.
            UnwritableFile: its journal cannot be written.
            OSError: it cannot be opened.
        """
        file = source if isinstance(source, File) else file_at(Path(source), options.get("delimiter"))
        load = AsyncFileLoad(
            self._transport,
            self._kind,
            options,
            resume=resume,
            part_bytes=part_bytes,
            parts_at_once=parts_at_once,
        )
        async with _aio.closing(load.uploaded(file)) as events:
            async for event in events:
                yield event

    async def load(
        self,
        source: _aio.Source,
        *,
        on_error: Literal["raise", "collect"] = "raise",
        on_progress: Callable[[Progress], object] | None = None,
        progress: bool = False,
        **how: Any,
    ) -> Report:
        """Load items, wait for all of their jobs, and return the report.

        Args:
            source: as `stream` takes it.
            on_error: `raise` at the end if any item failed, or `collect` the errors in the report.
            on_progress: called at most five times a second, and at the end.
            progress: draw a bar on standard error, where rich is installed (`sluice-client[cli]`).
            **how: as `stream` takes it: the sizes of batches, and their options.

        Raises:
            ItemsFailed: items were refused; the error's `report` counts what became of all.
            JobFailed: a job could not be carried out.
            Exception: as `stream` raises it, or the source's own; its `report` tells what was accepted before.
        """
        if on_error not in {"raise", "collect"}:
            raise ValueError(f'on_error must be "raise" or "collect", not {on_error!r}')
        report, teller = Report(), Teller(on_progress, bar=progress)
        most = how.get("max_errors")
        try:
            async with _aio.closing(self.stream(source, **how)) as events:
                async for event in events:
                    teller.tell(report, event)
                    report.stopped = most is not None and report.failed > most
        except BaseException as error:
            teller.break_off(report, error)
            raise
        finally:
            teller.finish(report)
        if on_error == "raise" and not report.ok:
            failed = ItemsFailed(report) if report.failed else JobFailed(report.unfinished[0])
            failed.report = report
            raise failed
        return report
