"""A source that cannot be read again: it goes as batches, each a job under a key of its content and its number.

So the same pipe, run again after it broke off, makes no second job of a batch that had been accepted, for as long as
the server knows the keys (docs/contracts/operator.md section 6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple
from uuid import uuid4

import msgspec

from sluice_client._sync.client import Client
from sluice_client._sync.job import Job
from sluice_client.cli import rows
from sluice_client.cli.content import Source
from sluice_client.cli.errorfile import Shift
from sluice_client.cutting import CSV, cut
from sluice_client.errors import UnknownFormat


class Batch(NamedTuple):
    """A batch of a stream that was accepted; `size` is the bytes of the stream that it took."""

    job: Job
    shift: Shift
    size: int


def sent_batches(
    client: Client, source: Source, content: IO[bytes], options: Mapping[str, Any], *, part_bytes: int, anew: bool
) -> Iterator[Batch]:
    """Send a stream, and yield each batch that was accepted.

    Args:
        client: of the server.
        source: of the stream.
        content: decompressed.
        options: of each batch.
        part_bytes: of a batch.
        anew: make new jobs of batches that were accepted before.

    Raises:
        UnknownFormat: it is empty.
    """
    salt = [source.kind, sorted(options.items()), source.reading.plan(), uuid4().hex if anew else ""]
    header, items, lines = b"", 0, 0
    form = source.reading.form
    parts = cut(source.reading.opened(content), source.content_type, part_bytes, delimiter=form.delimiter)
    for number, part in enumerate(parts, 1):
        body = header + part
        if source.content_type == CSV and not header:
            header = _header_of(part, form.separator)
            if part.endswith(header):  # a part so small that no row is in it
                lines += part.count(b"\n") - header.count(b"\n")
                continue
        digest = hashlib.sha256(msgspec.json.encode([*salt, number]) + body).hexdigest()
        job = getattr(client, source.kind).send(body, content_type=source.content_type, key=digest, **options)
        total = job.refresh().total
        yield Batch(job, Shift(items, lines), len(part))
        items, lines = items + total, lines + body.count(b"\n") - header.count(b"\n")
    if not items:
        raise UnknownFormat("standard input is empty")


def _header_of(part: bytes, separator: str) -> bytes:
    """Return the header row of CSV, which each batch needs."""
    records = rows.records_of(part.splitlines(keepends=True), separator)
    header = next(record for record in records if record.strip())
    return header if header.endswith(b"\n") else header + b"\n"
