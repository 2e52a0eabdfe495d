"""Made by make_sync.py of _async/uploads.py: change that file, then `make client`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from sluice_client._sync.job import Job
from sluice_client._sync.jobs import job_of
from sluice_client._sync.transport import Transport
from sluice_client.files import digest_of
from sluice_client.models import CreatedUpload, SeenJob, Upload, UploadedPart
from sluice_client.options import BatchOptions, prefer, wire

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Uploads:
    """The uploads of the tenant."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        kind: Literal["entities", "events", "states"],
        content_type: str,
        *,
        content_encoding: str = "identity",
        key: str | None = None,
        **options: Unpack[BatchOptions],
    ) -> CreatedUpload:
        """Begin an upload.

        Args:
            kind: of its items.
            content_type: of all parts: `text/csv`, or `application/x-ndjson`.
            content_encoding: of each part by itself: `identity`, `gzip` or `zstd`.
            key: an idempotency key of the caller's own, so that another process begins the same upload.
            options: of the batch.

        Raises:
            Invalid: an argument or option is none that this upload takes, or the tenant has chosen no template.
            NotFound: there is no such job as `after` names, or retention has deleted it.
            Conflict: the tenant has as many open uploads as it may have.
            TypeError: there is no such option, or its value is of another type.
            ValueError: its value is none that it may have.
        """
        form = {"kind": kind, "contentType": content_type, "contentEncoding": content_encoding, **wire(options)}
        return self._transport.call(
            "createUpload", CreatedUpload, body=msgspec.json.encode(form), headers=prefer(options), key=key
        )

    def put(
        self, upload_id: str, part: int, body: bytes, content_type: str, *, content_encoding: str = "identity"
    ) -> UploadedPart:
        """Send a part, or send it again; parts may come in any order.

        Args:
            upload_id: of the upload.
            part: from 1.
            body: whole records; the header row of CSV stands in part 1 alone. The server checks its digest.
            content_type: as the upload says.
            content_encoding: likewise.

        Raises:
            NotFound: there is no such upload, or none any more.
            Invalid: the part is not what the upload says, or was damaged on its way.
            TooLarge: it has more bytes than a part may have.
            Conflict: the upload was completed.
        """
        headers = {"Content-Type": content_type, "Content-Digest": digest_of(body)}
        if content_encoding != "identity":
            headers["Content-Encoding"] = content_encoding
        return self._transport.call("putUploadPart", UploadedPart, upload_id, part, body=body, headers=headers)

    def get(self, upload_id: str) -> Upload:
        """Return an upload, and the parts that have arrived.

        Raises:
            NotFound: there is none, or none any more.
        """
        return self._transport.call("getUpload", Upload, upload_id)

    def delete(self, upload_id: str) -> None:
        """Delete an upload with all of its parts.

        Raises:
            NotFound: there is none, or none any more.
            Conflict: it was completed.
        """
        self._transport.send("deleteUpload", upload_id)

    def complete(self, upload_id: str, parts: int, *, wait: int | None = None) -> Job:
        """Make a job of all parts; a second time answers with the same job.

        Args:
            upload_id: of the upload.
            parts: how many there are.
            wait: seconds to wait for the end of the job, at most 30.

        Raises:
            NotFound: there is no such upload, or none any more.
            Conflict: a part is missing; the message lists which.
            Invalid: more parts have arrived, or they have no item.
            ValueError: `wait` is none that it may be.
        """
        body = msgspec.json.encode({"parts": parts})
        seen = self._transport.call("completeUpload", SeenJob, upload_id, body=body, headers=prefer({}, wait))
        job = job_of(self._transport, seen)
        if wait is not None:
            job.refresh()
        return job
