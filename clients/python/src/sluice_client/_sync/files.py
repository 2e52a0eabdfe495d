"""Made by make_sync.py of _async/files.py: change that file, then `make client`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sluice_client import _io
from sluice_client._sync.jobs import Job
from sluice_client._sync.load import failures
from sluice_client._sync.transport import Transport
from sluice_client._sync.uploads import Uploads
from sluice_client.errors import NotFound
from sluice_client.files import PART_BYTES, Journal, UnknownFormat, content_type_of, digest_of, parts_of
from sluice_client.models import Upload
from sluice_client.reports import Accepted, JobEnded, LoadEvent

_COMPLETED = "completed"


class FileLoad:
    """A load of files.

    Args:
        transport: to the server.
        kind: of the items.
        options: of the batch.
        resume: False begins anew whatever an earlier load has sent.
        part_bytes: of a part; the same file cut otherwise is sent again as a whole.
    """

    def __init__(
        self,
        transport: Transport,
        kind: str,
        options: Mapping[str, Any],
        *,
        resume: bool = True,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._transport, self._uploads = transport, Uploads(transport)
        self._kind, self._options = kind, options
        self._resume, self._part_bytes = resume, part_bytes
        self._callback_secret: str | None = None  # told when the upload begins, and to no load that goes on with it

    def events(self, source: Any) -> Iterator[LoadEvent]:
        """Yield what becomes of a file: Accepted, ItemFailed with the record as it was sent, JobEnded."""
        path = Path(source)
        job = self.upload(path)
        yield Accepted(job.id, 0, (job.refresh()).total, self._callback_secret)
        info = job.ended(check=False)
        for failed in failures(job, info):
            yield failed
        Journal(path).forget()  # before the last event, behind which a caller need not read on
        yield JobEnded(info)

    def upload(self, path: Path) -> Job:
        """Send what the server lacks of a file, and return the job of all of it.

        The journal beside the file stays until the job has ended: begun again before, the load finds the same job.

        Raises:
            UnknownFormat: it is no file of lines or CSV, or is empty.
            UnreadableFile: it is cut off or damaged, or has a record that no part can hold.
            OtherLoad: an earlier load of it, which broke off, had other options.
        """
        content_type, implied = content_type_of(path)
        options = {**implied, **self._options}
        parts = partial(parts_of, path, content_type, self._part_bytes, delimiter=options.get("delimiter"))
        plan = {"kind": self._kind, "contentType": content_type, "partBytes": self._part_bytes, "options": options}
        journal = Journal(path)
        upload = self._begun(journal.find(plan) if self._resume else None)
        if upload and upload.status == _COMPLETED:
            if upload.job_id and self._has_all(upload, parts):
                return Job(self._transport, upload.job_id)
            upload = None  # the file has become another since
        if upload is None:
            created = self._uploads.create(self._kind, content_type, **options)  # type: ignore[arg-type] # of the caller
            self._callback_secret = created.callback_secret
            journal.keep(plan, created.upload_id)
            upload = self._uploads.get(created.upload_id)
        count = self._send_parts(upload, parts)
        if not count:
            self._begin_anew(journal, upload)
            raise UnknownFormat(f"{path} is empty")
        if count < max((part.part for part in upload.parts), default=0):  # the file was longer before
            self._begin_anew(journal, upload)
            return self.upload(path)
        return self._uploads.complete(upload.upload_id, count)

    def _begun(self, upload_id: str | None) -> Upload | None:
        """Return the upload of an earlier load; None if there is none, or none any more."""
        if upload_id is None:
            return None
        try:
            return self._uploads.get(upload_id)
        except NotFound:
            return None

    def _has_all(self, upload: Upload, parts: Callable[[], Iterator[bytes]]) -> bool:
        """True if the parts of a completed upload are those of the file, byte by byte."""
        arrived = {part.part: part.digest for part in upload.parts}
        digests = _io.off_loop(lambda: dict(enumerate(map(digest_of, parts()), start=1)))
        return digests == arrived

    def _send_parts(self, upload: Upload, parts: Callable[[], Iterator[bytes]]) -> int:
        """Send the parts whose digest has not arrived, and return how many parts the file has."""
        arrived = {part.part: part.digest for part in upload.parts}
        count, following = 0, parts()
        while (part := _io.off_loop(lambda: next(following, b""))) != b"":
            count += 1
            if arrived.get(count) != digest_of(part):
                self._uploads.put(upload.upload_id, count, part, upload.content_type)
        return count

    def _begin_anew(self, journal: Journal, upload: Upload) -> None:
        self._uploads.delete(upload.upload_id)
        journal.forget()
