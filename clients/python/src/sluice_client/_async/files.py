"""Load a file as one upload in parts, and as one job; a load that broke off goes on where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sluice_client import _aio
from sluice_client._async.job import AsyncJob
from sluice_client._async.load import failures
from sluice_client._async.transport import AsyncTransport
from sluice_client._async.uploads import AsyncUploads
from sluice_client.cutting import PART_BYTES
from sluice_client.errors import Invalid, NotFound, SluiceError, UnknownFormat, UnreadableFile
from sluice_client.files import File, digest_of, file_at
from sluice_client.journal import Journal
from sluice_client.models import Upload
from sluice_client.reports import Accepted, JobEnded, LoadEvent, PartSent

_COMPLETED = "completed"
_DAMAGED = "DIGEST_MISMATCH"  # on its way


class AsyncFileLoad:
    """A load of files.

    Args:
        transport: to the server.
        kind: of the items.
        options: of the batch.
        resume: False deletes what an earlier load has sent, unless it became a job, and begins anew.
        part_bytes: of a part; the same file cut otherwise is sent again as a whole.
        parts_at_once: so many are sent at the same time, and held in memory.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        kind: str,
        options: Mapping[str, Any],
        *,
        resume: bool = True,
        part_bytes: int = PART_BYTES,
        parts_at_once: int = 2,
    ) -> None:
        self._transport, self._uploads = transport, AsyncUploads(transport)
        self._kind, self._options = kind, options
        self._resume, self._part_bytes, self._parts_at_once = resume, part_bytes, parts_at_once
        self._callback_secret: str | None = None  # told when the upload begins, and to no load that goes on with it

    async def events(self, source: Any) -> AsyncIterator[LoadEvent]:
        """Yield what becomes of a file: PartSent, Accepted, ItemFailed with the record as it was sent, JobEnded."""
        file = source if isinstance(source, File) else file_at(Path(source), self._options.get("delimiter"))
        async with _aio.closing(self.uploaded(file)) as sent:
            async for event in sent:
                yield event
        job = AsyncJob(self._transport, event.job_id)
        info = await job.ended(check=False)
        async for failed in failures(job, info):
            yield failed
        file.journal().forget()  # before the last event, behind which a caller need not read on
        yield JobEnded(info)

    async def uploaded(self, file: File) -> AsyncIterator[PartSent | Accepted]:
        """Send what the server lacks of a file, and yield its parts as they have arrived, and the job of all of it.

        The journal beside the file stays until the caller removes it: begun again before, the load finds the same job.
        A load that could only be refused again leaves neither journal nor upload.

        Raises:
            UnknownFormat: it is no file of lines or CSV, or is empty.
            UnreadableFile: it is cut off or damaged, or has a record that no part can hold.
            OtherLoad: an earlier load of it, which broke off, had other options.
            UnwritableFile: its journal cannot be written.
        """
        options = {**file.options, **self._options}
        journal, plan = file.journal(), self._plan(file, options)
        upload = await self._begun(journal, plan)
        if upload and upload.status == _COMPLETED:
            if upload.job_id and await self._has_all(upload, file):
                yield await self._accepted(AsyncJob(self._transport, upload.job_id))
                return
            upload = None  # the file has become another since
        if upload is None:
            journal.require_writable()
            created = await self._uploads.create(self._kind, file.content_type, **options)  # type: ignore[arg-type] # of the caller
            self._callback_secret = created.callback_secret
            journal.keep(plan, created.upload_id)
            upload = await self._uploads.get(created.upload_id)
        count = 0
        try:
            async for part in self._sent_parts(upload, file):
                count = part.part
                yield part
            if not count:
                raise UnknownFormat(f"{file.path} is empty")
            is_shorter = count < max((part.part for part in upload.parts), default=0)  # than it was before
            job = None if is_shorter else await self._uploads.complete(upload.upload_id, count)
        except SluiceError as error:
            if _is_final(error, count):
                await self._begin_anew(journal, upload.upload_id)
            raise
        if job is None:
            await self._begin_anew(journal, upload.upload_id)
            async for event in self.uploaded(file):
                yield event
            return
        yield await self._accepted(job)

    def _plan(self, file: File, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that makes another upload of the same file, for the journal."""
        plan = {"kind": self._kind, "contentType": file.content_type, "partBytes": self._part_bytes, "options": options}
        return {**plan, "reading": file.reading} if file.reading else plan

    async def _accepted(self, job: AsyncJob) -> Accepted:
        return Accepted(job.id, 0, (await job.refresh()).total, self._callback_secret)

    async def _begun(self, journal: Journal, plan: Mapping[str, Any]) -> Upload | None:
        """Return the upload of an earlier load; None if there is none, or none any more, or the load begins anew."""
        if not self._resume:
            if former := journal.upload_id():
                await self._begin_anew(journal, former)
            return None
        upload_id = journal.find(plan)
        if upload_id is None:
            return None
        try:
            return await self._uploads.get(upload_id)
        except NotFound:
            return None

    async def _has_all(self, upload: Upload, file: File) -> bool:
        """True if the parts of a completed upload are those of the file, byte by byte."""
        arrived = {part.part: part.digest for part in upload.parts}
        digests = await _aio.off_loop(lambda: dict(enumerate(map(digest_of, file.parts(self._part_bytes)), start=1)))
        return digests == arrived

    async def _sent_parts(self, upload: Upload, file: File) -> AsyncIterator[PartSent]:
        """Send the parts whose digest has not arrived, some at once, and yield all of them in their order."""
        arrived = {part.part: part for part in upload.parts}
        count, following = 0, file.parts(self._part_bytes)
        under_way: deque[Any] = deque()
        async with _aio.Lanes(self._parts_at_once) as lanes:
            while (part := await _aio.off_loop(lambda: next(following, b""))) != b"":
                count += 1
                known = arrived.get(count)
                if known and known.digest == digest_of(part):
                    under_way.append(PartSent(count, len(part), known.items, skipped=True))
                else:
                    under_way.append(lanes.begin(self._put, upload, count, part))
                while len(under_way) >= self._parts_at_once:
                    yield await lanes.ended(under_way.popleft())
            while under_way:
                yield await lanes.ended(under_way.popleft())

    async def _put(self, upload: Upload, number: int, part: bytes) -> PartSent:
        sent = await self._uploads.put(upload.upload_id, number, part, upload.content_type)
        return PartSent(number, len(part), sent.items, skipped=False)

    async def _begin_anew(self, journal: Journal, upload_id: str) -> None:
        """Leave nothing of an upload, here or there: the next load of the file begins with the first part.

        One that became a job stays: the server refuses to delete it.
        """
        journal.forget()
        with suppress(SluiceError):  # the server removes by itself what nobody goes on with
            await self._uploads.delete(upload_id)


def _is_final(error: SluiceError, parts: int) -> bool:
    """True if there is nothing to go on with after an error.

    Args:
        error: the server refuses the upload for good, by its header row for one; or the file cannot be read.
        parts: that had arrived by then.
    """
    if isinstance(error, Invalid):
        return error.code != _DAMAGED
    return isinstance(error, (UnknownFormat, UnreadableFile)) and not parts
