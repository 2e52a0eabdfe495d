"""Receive a part of an upload: its blocks are stored while it arrives, and it counts once all of it is there."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from flask import request
from werkzeug.http import parse_options_header

from app.http import body, content_digest, personal_data
from app.http.arrival import place, sent
from app.http.auth import caller
from app.http.services import services
from app.stores import check_atomic, touching
from ingest import faultpoints
from ingest.db.connection.confirmed import retry_until_known
from ingest.db.connection.pool import Connection, autocommit, transaction
from ingest.db.jobs import parts, uploads
from ingest.db.jobs.parts import Arrived, Attempt
from ingest.db.jobs.uploads import Sizes, Upload
from ingest.engine.kinds import KINDS
from ingest.engine.sealed_digests import place_of_part, sealed
from ingest.engine.sealing import Sealer
from ingest.errors import DatabaseError, InvalidInput, PayloadTooLarge, TryAgain, UnsupportedMediaType
from ingest.ids import uuid7
from ingest.intake import codings
from ingest.intake.blocks import Block, blocks_of_lines, blocks_of_rows
from ingest.intake.csv_header import judge, read_header, row_bytes
from ingest.intake.csv_parts import cut_rows
from ingest.items.schema import required_members
from ingest.jobs import CsvFormat

# docs/contracts/jobs.md section 1.
MOST_BYTES = 33_554_432


class _Measure:
    """Counts a part while it passes.

    Attributes:
        size: bytes, as they were sent.
        decoded: bytes without their content coding.
        lines: how many, blank ones included.
    """

    def __init__(self) -> None:
        self.size = self.decoded = self.lines = 0
        self._hash = hashlib.sha256()
        self._begun = False  # a line whose line feed has not come

    def sent(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size += len(chunk)
            if self.size > MOST_BYTES:
                raise _too_large()
            self._hash.update(chunk)
            yield chunk

    def text(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.decoded += len(chunk)
            self.lines += chunk.count(b"\n")
            if chunk:  # bytes that decode to nothing begin no line
                self._begun = not chunk.endswith(b"\n")
            yield chunk
        self.lines += self._begun

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes as they were sent."""
        return self._hash.digest()


def _body(upload: Upload, measure: _Measure) -> Iterator[bytes]:
    """Return the part that this request brings, which is yielded decoded while it arrives.

    Raises:
        UnsupportedMediaType: it has another type or coding than the upload says.
        PayloadTooLarge: it says that it has too many bytes; or, while it arrives, it has or expands too much.
    """
    media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
    if media_type.lower() != upload.content_type:
        raise UnsupportedMediaType(f"Send each part as {upload.content_type}: that is the contentType of this upload")
    body.check_charset(options)
    if codings.plain_name(body.coding()) != upload.coding:
        raise UnsupportedMediaType(
            f"Send each part with Content-Encoding {upload.coding}: that is the contentEncoding of this upload"
        )
    if (request.content_length or 0) > MOST_BYTES:
        raise _too_large()
    chunks = content_digest.checked(measure.sent(sent()))
    return measure.text(codings.decoded(chunks, upload.coding, most_bytes=services().settings.max_job_bytes))


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The part is over {MOST_BYTES} bytes; send it in several parts")


def receive(upload: Upload, part: int) -> Arrived:
    """Store a part of an upload, which this request brings.

    Args:
        upload: an open one of the caller's.
        part: the part's number, from 1.

    Raises:
        UnsupportedMediaType: it has another type or coding than the upload says.
        PayloadTooLarge: it has too many bytes.
        MasterKeyMissing: its items must be encrypted, and there is no key.
        InvalidInput: it has too many items or blocks, or cannot be decoded; and all that `app.http.arrival.sent` and
            `app.http.content_digest.checked` raise.
        WrongState: the upload was completed meanwhile; Gone and NotFound likewise.
        Busy: as many large bodies are being read as this process can.
        DatabaseError: the part is not stored.
    """
    measure = _Measure()
    text = _body(upload, measure)
    sealer = personal_data.sealer(upload.tenant_id, upload.template_id)
    with place():
        attempt = _begin(upload, part)
        faultpoints.passing("part.begun")
        try:
            cut = _cut(upload, part, touching(text, lambda conn: parts.touch(conn, attempt)))
            blocks, items = _append_all(upload, attempt, cut.blocks, sealer)
            arrived = Arrived(
                part,
                items,
                measure.size,
                measure.digest,
                blocks,
                measure.lines,
                measure.decoded,
                row_bytes=cut.row_bytes,
                csv=cut.csv,
            )
            faultpoints.passing("part.arrived")
            digest = sealed(sealer, arrived.digest, place_of_part(upload.id, part))
            _finish(upload, attempt, replace(arrived, digest=digest))
        except BaseException:
            # The sweeper removes the attempt if the database is away too, or this process dies.
            with suppress(DatabaseError), transaction(services().pool) as conn:
                parts.give_up(conn, attempt)
            raise
    faultpoints.passing("part.committed")
    return arrived


def _begin(upload: Upload, part: int) -> Attempt:
    most_bytes = services().settings.max_job_bytes

    def begin(conn: Connection) -> Attempt | None:
        with conn.transaction():
            return parts.begin(conn, upload.id, uuid7(), part=part, most_bytes=most_bytes)

    attempt = retry_until_known(services().pool, begin)
    if attempt is None:
        raise _removed(upload)
    return attempt


class _Cut(NamedTuple):
    """A part that is being cut.

    Attributes:
        blocks: its blocks, while it arrives.
        row_bytes: CSV: by which its rows are cut.
        csv: of part 1 of CSV: the way to read rows.
    """

    blocks: Iterator[Block]
    row_bytes: int = 0
    csv: CsvFormat | None = None


def _cut(upload: Upload, part: int, chunks: Iterator[bytes]) -> _Cut:
    """Begin to cut a part; of CSV, read the header in part 1, and the first row in the others.

    Raises:
        InvalidInput: the header is none that rows can be read by.
    """
    longest = services().settings.max_item_bytes
    wishes = upload.options.csv
    if wishes is None:
        return _Cut(blocks_of_lines(chunks, longest_line=longest))
    if part == 1:
        header = read_header(chunks, wishes.delimiter, longest=longest)
        csv = judge(wishes, header.text, required_members(KINDS[upload.kind or ""].schema))
        by = row_bytes(csv)
        first = header.first_line
        rows = blocks_of_rows(header.rows, csv.delimiter, longest=longest, first_line=first, row_bytes=by)
        return _Cut(rows, by, csv)
    with autocommit(services().pool) as conn:
        known = parts.header(conn, upload.id)
    by_known = None if known is None else row_bytes(known)
    by, rows = cut_rows(chunks, wishes.delimiter, longest=longest, row_bytes=by_known)
    return _Cut(rows, by)


def _append_all(upload: Upload, attempt: Attempt, cut: Iterator[Block], sealer: Sealer) -> tuple[int, int]:
    """Store the blocks of a part. Return how many blocks and items it has."""
    settings = services().settings
    blocks = items = 0
    for block in cut:
        items += block.items
        if items > settings.max_job_items:
            raise InvalidInput(f"The part has over {settings.max_job_items} items; the most in one job")
        if blocks == parts.MOST_BLOCKS:
            raise InvalidInput("The part has too many lines; send it in several parts")
        _append(upload, attempt, blocks, sealer.block(block))
        blocks += 1
        faultpoints.passing("part.appended")
    return blocks, items


def _append(upload: Upload, attempt: Attempt, place: int, block: Block) -> None:
    if not retry_until_known(services().pool, lambda conn: parts.append(conn, attempt, place, block)):
        raise _removed(upload)


def _finish(upload: Upload, attempt: Attempt, arrived: Arrived) -> None:
    def finish(conn: Connection) -> bool:
        with conn.transaction():
            return parts.finish(conn, attempt, arrived)

    if not retry_until_known(services().pool, finish):
        raise _removed(upload)


def _removed(upload: Upload) -> Exception:
    """Return the reason for which an upload takes a part no more."""
    with autocommit(services().pool) as conn:
        uploads.find_open(conn, caller().tenant_id, upload.id)
    return TryAgain(None, reason="the sweeper has removed the attempt while its part arrived")


def check_sizes(upload: Upload, sizes: Sizes) -> None:
    """Refuse an upload that is too large for a job.

    Args:
        upload: the upload.
        sizes: those of its parts together.

    Raises:
        InvalidInput: these are too many items, or too much for an atomic job.
        PayloadTooLarge: these are too many bytes.
    """
    settings = services().settings
    items, decoded, as_json = sizes
    if items > settings.max_job_items:
        raise InvalidInput(f"The parts have {items} items; the most in one job is {settings.max_job_items}")
    if decoded > settings.max_job_bytes:
        raise PayloadTooLarge(
            f"The parts have {decoded} bytes, decoded; the most in one job is {settings.max_job_bytes}"
        )
    if upload.options.atomic:
        check_atomic(items, as_json)
