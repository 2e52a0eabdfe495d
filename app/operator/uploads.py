"""`/batch/uploads`: a batch that arrives in parts, in any order (docs/contracts/jobs.md section 1)."""

import base64
from typing import Any
from uuid import UUID

from flask import Blueprint, Response
from werkzeug.http import parse_options_header

from app import batches, parts
from app.batches import BatchOptions, require_template
from app.http import body, idempotency, prefer, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp
from app.http.services import services
from app.operator import batch, forms, options
from app.operator.envelope import success
from app.stores import count_accepted
from ingest import faultpoints, ids
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import autocommit, transaction
from ingest.db.jobs import uploads
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.parts import MOST_PARTS, Part, of_upload
from ingest.db.jobs.uploads import COMPLETED, Upload
from ingest.db.tenants.idempotency import Answer
from ingest.engine.sealed_digests import opened, place_of_part
from ingest.errors import (
    DigestMismatch,
    Gone,
    InvalidInput,
    LimitReached,
    MasterKeyMissing,
    NotFound,
    PartsMissing,
    SecretUnreadable,
    TemplateNotConfigured,
    UnsupportedMediaType,
    WrongState,
)
from ingest.ids import uuid7
from ingest.logs import bind_contextvars
from ingest.nearest import did_you_mean

bp = Blueprint("uploads", __name__)
bp.before_request(rate_limit.scope("ingest:batch"))

KIND_NAMES = ("entities", "events", "states")
CONTENT_TYPES = (*body.LINES, body.CSV)
CODINGS = ("identity", "gzip", "zstd")

# Members of the body that are parameters of a batch call, whatever its kind.
PARAMETERS = {parameter.name: parameter for kind in KIND_NAMES for parameter in options.of_kind(kind)}

_OWN_MEMBERS = ("kind", "contentType", "contentEncoding")


def _created(upload: Upload, callback_secret: str | None = None) -> Response:
    data = {
        "uploadId": ids.spell(ids.UPLOAD, upload.id),
        "partMaxBytes": parts.MOST_BYTES,
        "expiresAt": timestamp(upload.expires_at),
        **({} if callback_secret is None else {"callbackSecret": callback_secret}),
    }
    return success(data, 201, prefer.applied(handling=prefer.stated().handling))


def _created_again(answer: Answer, _sent: bytes) -> Response:
    with autocommit(services().pool) as conn:
        return _created(uploads.find(conn, caller().tenant_id, answer.public_id))  # type: ignore[arg-type] # of an upload


@bp.post("/batch/uploads")
@describe(
    "Begin a batch that arrives in parts",
    operation="createUpload",
    body="NewUpload",
    answers={201: "CreatedUpload"},
    faults=(NotFound, Gone, LimitReached, TemplateNotConfigured, MasterKeyMissing),
    headers={"Prefer": f"{prefer.HANDLING}: as in RFC 7240"},
    repeat=_created_again,
)
def create() -> Response:
    """Store an upload, and its job as receiving."""
    template_id = require_template(caller())
    members = forms.read_object()
    kind, content_type, coding = _form(members)
    said = _options(members, content_type)
    upload_id = uuid7()
    stored: list[Upload] = []

    def store(job: NewJob) -> bool:
        with confirmed_transaction(services().pool) as conn:
            idempotency.lock(conn)
            stored.append(uploads.create(conn, upload_id, job, content_type=content_type, coding=coding))
            idempotency.remember(conn, upload_id)
        return True

    batches.store(caller(), kind, store, said, awaited=False, template_id=template_id)
    return _created(stored[-1], said.callback_secret)


def _form(members: dict[str, Any]) -> tuple[str, str, str]:
    """Return kind, content type and coding of a new upload."""
    for name in ("kind", "contentType"):
        if name not in members:
            raise InvalidInput(f"{name}: Missing data for required field")
    kind = _one_of(members, "kind", KIND_NAMES)
    known = (*_OWN_MEMBERS, *(parameter.name for parameter in options.of_kind(kind)))
    for name in members:
        if name not in known:
            takes = f"an upload of {kind} takes {', '.join(known)}"
            raise InvalidInput(f'Unknown field "{name}"{did_you_mean(name, known)}: {takes}')
    coding = _one_of(members, "contentEncoding", CODINGS) if "contentEncoding" in members else CODINGS[0]
    return kind, _content_type(members["contentType"]), coding


def _one_of(members: dict[str, Any], name: str, words: tuple[str, ...]) -> str:
    value = members[name]
    if not isinstance(value, str) or value not in words:
        raise InvalidInput(f"{name}: Must be one of {', '.join(words)}")
    return value


def _content_type(value: object) -> str:
    media_type, parameters = parse_options_header(value) if isinstance(value, str) else ("", {})
    if media_type.lower() not in CONTENT_TYPES:
        raise InvalidInput(f"contentType: Must be one of {', '.join(CONTENT_TYPES)}")
    try:
        body.check_charset(parameters)
    except UnsupportedMediaType:
        raise InvalidInput("contentType: Must be in UTF-8") from None
    return media_type.lower()


def _options(members: dict[str, Any], content_type: str) -> BatchOptions:
    said = {name: value for name, value in members.items() if name in PARAMETERS}
    csv = content_type == body.CSV
    return options.parse(options.spell(said, PARAMETERS), strict=prefer.stated().strict, csv=csv)


@bp.put("/batch/uploads/<text:upload_id>/parts/<text:part>")
@describe(
    "Send a part, or send it again",
    operation="putUploadPart",
    path={"part": {"type": "integer", "minimum": 1, "maximum": MOST_PARTS}},
    lines=True,
    csv=True,
    answers={200: "UploadedPart"},
    faults=(NotFound, Gone, WrongState, DigestMismatch, MasterKeyMissing),
    headers={
        "Content-Encoding": "the one that the upload says",
        "Content-Digest": "sha-256=:…: or sha-512=:…:, of the part as it is sent: as in RFC 9530",
    },
)
def put(upload_id: str, part: str) -> Response:
    """Store one part while it arrives."""
    number = _part(part)
    with autocommit(services().pool) as conn:
        upload = uploads.find_open(conn, caller().tenant_id, ids.parse(ids.UPLOAD, upload_id))
    _bind(upload)
    arrived = parts.receive(upload, number)
    return success(_part_shape(arrived, arrived.digest))


def _part(text: str) -> int:
    good = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_PARTS)) and 1 <= int(text) <= MOST_PARTS
    if not good:
        raise InvalidInput(f"The number of a part must be a whole number from 1 to {MOST_PARTS}")
    return int(text)


def _bind(upload: Upload) -> None:
    """Let the lines that this request logs name the job."""
    if upload.job_id is not None:
        bind_contextvars(job_id=ids.spell(ids.JOB, upload.job_id))


@bp.get("/batch/uploads/<text:upload_id>")
@describe(
    "The parts of an upload that have arrived",
    operation="getUpload",
    answers={200: "Upload"},
    faults=(NotFound, Gone, SecretUnreadable),
)
def get(upload_id: str) -> Response:
    """Answer with an upload and its parts."""
    with transaction(services().pool) as conn:
        upload = uploads.find(conn, caller().tenant_id, ids.parse(ids.UPLOAD, upload_id))
        arrived = of_upload(conn, upload.id)
    completed = upload.status == COMPLETED
    data = {
        "uploadId": ids.spell(ids.UPLOAD, upload.id),
        "kind": upload.kind,
        "contentType": upload.content_type,
        "contentEncoding": upload.coding,
        "status": upload.status,
        "expiresAt": None if completed else timestamp(upload.expires_at),
        "jobId": ids.spell(ids.JOB, upload.job_id) if completed and upload.job_id else None,
        "parts": [_part_shape(part, _digest(upload, part)) for part in arrived],
    }
    return success(data)


def _digest(upload: Upload, part: Part) -> bytes:
    """Return SHA-256 of a part as it was sent.

    Raises:
        SecretUnreadable: a master key is not configured any more.
    """
    return opened(services().master_keys, upload.tenant_id, part.digest, place_of_part(upload.id, part.part))


def _part_shape(part: Part, digest: bytes) -> dict[str, Any]:
    spelled = base64.b64encode(digest).decode()
    return {"part": part.part, "items": part.items, "bytes": part.size, "digest": f"sha-256=:{spelled}:"}


@bp.delete("/batch/uploads/<text:upload_id>")
@describe(
    "Delete an upload with all its parts",
    operation="deleteUpload",
    answers={200: "DeletedUpload"},
    faults=(NotFound, Gone, WrongState),
)
def delete(upload_id: str) -> Response:
    """Delete an upload that was not completed."""
    known = ids.parse(ids.UPLOAD, upload_id)
    with confirmed_transaction(services().pool) as conn:
        uploads.delete(conn, caller().tenant_id, known)
    return success({"uploadId": ids.spell(ids.UPLOAD, known), "deleted": True})


def _completed_again(answer: Answer, _sent: bytes, *, upload_id: str) -> Response:  # noqa: ARG001 # of the path
    return batch.answer_present(answer.job_id)  # type: ignore[arg-type] # the key of a batch names its job


@bp.post("/batch/uploads/<text:upload_id>/complete")
@describe(
    "Make a job of all parts",
    operation="completeUpload",
    body="CompletedUploadForm",
    answers={202: "AcceptedBatch", 200: "EndedBatch"},
    faults=(NotFound, Gone, PartsMissing),
    headers={"Prefer": f"wait=N (0 to {prefer.LONGEST_WAIT_SECONDS} seconds); respond-async: as in RFC 7240"},
    repeat=_completed_again,
)
def complete(upload_id: str) -> Response:
    """Number the blocks of all parts into the job, which then is as that of any batch call."""
    sent = forms.read(forms.CompletedUploadForm)["parts"]
    known = ids.parse(ids.UPLOAD, upload_id)
    job_id = _complete(known, sent)
    return batch.answer_present(job_id)


def _complete(upload_id: UUID, parts_sent: int) -> UUID:
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        completed = uploads.complete(
            conn,
            caller().tenant_id,
            upload_id,
            parts_sent=parts_sent,
            check=parts.check_sizes,
            awaited=prefer.stated().seconds(caller().batch_wait_seconds) > 0,
        )
        idempotency.remember(conn, job_id=completed.job_id)
        faultpoints.passing("upload.numbered")
    faultpoints.passing("upload.completed")
    bind_contextvars(job_id=ids.spell(ids.JOB, completed.job_id))
    if completed.newly:
        count_accepted(completed.kind, completed.items)
        services().notifier.notify(completed.job_id)
    return completed.job_id
