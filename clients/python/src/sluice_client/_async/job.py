"""One job: watch it, read what became of its items, and steer it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal

from sluice_client import _aio
from sluice_client._async.following import ended, moves
from sluice_client._async.transport import AsyncTransport
from sluice_client.models import (
    ErrorGroup,
    ItemError,
    ItemResult,
    ItemWarning,
    JobInfo,
    JobItem,
    TimelineEntry,
)
from sluice_client.values import exact_json

Select = Literal["failed", "retryable", "unprocessed"] | Sequence[int]


class AsyncJob:
    """A job of the server's.

    Attributes:
        id: the job's, as in `job_…`.
        info: the job as it was last seen; None until the first look.
        callback_secret: of the callback that its batch asked for.
    """

    def __init__(self, transport: AsyncTransport, job_id: str, info: JobInfo | None = None) -> None:
        self._transport = transport
        self.id, self.info = job_id, info
        self.callback_secret: str | None = None

    def __repr__(self) -> str:
        seen = f" {self.info.status} {self.info.progress}%" if self.info else ""
        return f"<{type(self).__name__} {self.id}{seen}>"

    async def refresh(self) -> JobInfo:
        """Look at the job, and return what it shows.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
        """
        self.info = await self._transport.call("getJob", JobInfo, self.id)
        return self.info

    async def wait(
        self,
        timeout: float | None = None,
        *,
        on_progress: Callable[[JobInfo], object] | None = None,
        check: bool = True,
    ) -> JobInfo:
        """Wait for the end of the job, and return what it shows then.

        A server that cannot answer for a while is waited for, too.

        Args:
            timeout: seconds; None waits for as long as it takes.
            on_progress: called with the job whenever it has moved.
            check: raise if it could not be carried out; items that failed raise nothing.

        Raises:
            WaitTimeout: the time is up, and the job goes on.
            JobFailed: it ended as failed or cancelled.
            NotFound: there is no such job, or retention has deleted it.
            SluiceError: the time is up, and no answer came in all of it.
        """
        return await self.ended(timeout, on_progress=on_progress, check=check, patient=True)

    async def ended(
        self,
        timeout: float | None = None,
        *,
        on_progress: Callable[[JobInfo], object] | None = None,
        check: bool = True,
        patient: bool = False,
    ) -> JobInfo:
        """Wait as `wait` does, but raise the error of a server that does not answer in the time of a call.

        Args:
            timeout: as `wait` takes it.
            on_progress: likewise.
            check: likewise.
            patient: go on after such an error, as `wait` does.

        Raises:
            WaitTimeout: the time is up, and the job goes on.
            JobFailed: it ended as failed or cancelled.
            NotFound: there is no such job, or retention has deleted it.
            Unavailable: the server could not answer in the time of a call.
            RateLimited: the tenant's limit was used up for as long.
            TransportError: no answer came in that time.
        """
        return await ended(self, self._transport, timeout, on_progress=on_progress, check=check, patient=patient)

    async def errors(
        self, *, code: str | None = None, first: int | None = None, items: bool = False, page: int = 1_000
    ) -> AsyncIterator[ItemError]:
        """Yield the errors of the job's items, in the order of their indexes.

        Args:
            code: only those of this code.
            first: only those of items from this index on.
            items: each with its item, as it was sent.
            page: how many to read at a time, 1,000 at most.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Forbidden: `items` may hold personal data, and the key has not the scope `admin`.
            Invalid: an argument is none that it may be.
        """
        query = {"code": code, "from": first, "items": items or None, "limit": page}
        async for error in self._transport.pages("listJobErrors", ItemError, self.id, query=query):
            error.job_id = self.id
            yield error

    async def error_groups(self) -> AsyncIterator[ErrorGroup]:
        """Yield errors that are alike as one, in groups of at most 20,000 errors a page.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
        """
        async for group in self._transport.pages("listJobErrors", ErrorGroup, self.id, query={"group": True}):
            yield group

    async def warnings(self) -> AsyncIterator[ItemWarning]:
        """Yield the warnings about the job's items.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
        """
        async for warning in self._transport.pages("listJobWarnings", ItemWarning, self.id, query={"limit": 1_000}):
            yield warning

    async def results(self, *, effect: str | None = None) -> AsyncIterator[ItemResult]:
        """Yield the outcome of each item that was taken, of a job with `keep_results`.

        Args:
            effect: only items that were `created`, `updated`, `unchanged` or `duplicate`.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: it kept no results.
            Invalid: there is no such effect.
        """
        query = {"effect": effect, "limit": 1_000}
        async for result in self._transport.pages("listJobResults", ItemResult, self.id, query=query):
            yield result

    async def timeline(self) -> AsyncIterator[TimelineEntry]:
        """Yield what happened to the job.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
        """
        query = {"limit": 1_000}
        async for entry in self._transport.pages("listJobTimeline", TimelineEntry, self.id, query=query):
            yield entry

    async def item(self, index: int) -> JobItem:
        """Return what became of one item; a member that is not known is None.

        Args:
            index: of the item in its batch, from 0.

        Raises:
            NotFound: there is no such item, or no such job any more.
        """
        return await self._transport.call("getJobItem", JobItem, self.id, index)

    async def error_file(self, form: Literal["ndjson", "csv"] = "ndjson") -> AsyncIterator[bytes]:
        """Yield the file of the job's bad items, each with what is wrong; corrected, it loads as it is.

        The answer is read while it comes, and is not asked for again.

        Args:
            form: `ndjson`, a line for each item, or `csv`, a row for each, of a job that came as CSV.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: the job did not come as CSV.
            Forbidden: its items may hold personal data, and the key has not the scope `admin`.
            Unavailable: the server sends as many files as it can; ask again.
            TransportError: no answer came, or it broke off.
        """
        operation = "downloadJobErrorsAsCsv" if form == "csv" else "downloadJobErrors"
        async with self._transport.streamed(operation, self.id, headers={}) as response:
            async for part in response.aiter_bytes():
                yield part

    async def stream(self) -> AsyncIterator[JobInfo]:
        """Yield the job, without its errors, as it moves, until it has ended.

        A stream that breaks is taken up again behind its last event, unless none comes for the time of a call.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            SluiceError: no event came for the time of a call; as Unavailable, RateLimited or TransportError.
        """
        async with _aio.closing(moves(self, self._transport)) as infos:
            async for info in infos:
                yield info

    async def cancel(self) -> JobInfo:
        """End the job; what it has done stands.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: it has ended already.
        """
        return await self._steered("cancelJob")

    async def pause(self) -> JobInfo:
        """Have no further block of the job begun until it is resumed.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: it has ended already.
        """
        return await self._steered("pauseJob")

    async def resume(self) -> JobInfo:
        """Let a paused job go on, in its former place.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: it has ended already.
        """
        return await self._steered("resumeJob")

    async def relabel(self, label: str | None) -> JobInfo:
        """Give the job another label.

        Args:
            label: 1 to 200 characters; None takes the label away.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Invalid: it may be no label.
        """
        return await self._steered("relabelJob", exact_json({"label": label}))

    async def retry(self, select: Select = "failed", *, patch: Mapping[int, Any] | None = None) -> AsyncJob:
        """Send items of the job again, and return their job.

        Args:
            select: `failed`, `retryable`, `unprocessed`, or indexes of items that failed.
            patch: by index, a merge patch (RFC 7396) of the item, as in `{17: {"data": {"email": "a@example.com"}}}`.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: it has not ended, or has no such items that were not sent again already.
            Invalid: an index did not fail, or a patch is of no item that is sent.
            UnsupportedValue: a patch holds what JSON has not.
        """
        chosen = select if isinstance(select, str) else [*select]
        body = {"select": chosen, "patch": {str(index): change for index, change in (patch or {}).items()}}
        return await self._child("retryJob", exact_json(body))

    async def commit(self) -> AsyncJob:
        """Write what a job of `validate_only` has checked, and return the job that does.

        Raises:
            NotFound: there is no such job, or retention has deleted it.
            Conflict: it was no such job, has not completed, or its items are not kept any more.
        """
        return await self._child("commitJob", None)

    async def _steered(self, operation: str, body: bytes | None = None) -> JobInfo:
        self.info = await self._transport.call(operation, JobInfo, self.id, body=body)
        return self.info

    async def _child(self, operation: str, body: bytes | None) -> AsyncJob:
        info = await self._transport.call(operation, JobInfo, self.id, body=body)
        return AsyncJob(self._transport, info.id, info)
