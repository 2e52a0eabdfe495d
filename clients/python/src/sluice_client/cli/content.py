"""A source whose form and kind are known, as the client loads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from sluice_client.cli.reading import Reading
from sluice_client.compressed import decompressed
from sluice_client.cutting import CSV, LINES
from sluice_client.files import File, parts_of


class Source(NamedTuple):
    """A source that is about to be loaded: its form and kind are known."""

    path: Path
    kind: str
    reading: Reading

    @property
    def content_type(self) -> str:
        """The content type as it is sent."""
        return CSV if self.reading.form.content_type == CSV else LINES


class Content:
    """The content of a file, which knows how much of the file has been read.

    Args:
        source: the file.
        journals: the folder of its journal, as `Journal` takes it.
    """

    def __init__(self, source: Source, journals: Path | None = None) -> None:
        self._source, self._journals = source, journals
        self._raw: IO[bytes] | None = None

    def file(self) -> File:
        """Return the file as the client loads it."""
        source = self._source
        return File(source.path, source.content_type, {}, self._parts, source.reading.plan(), self._journals)

    def place(self) -> int:
        """Return how many bytes have been read, on the disk."""
        if self._raw is None or self._raw.closed:
            return self._source.path.stat().st_size
        return self._raw.tell()

    def _parts(self, part_bytes: int) -> Iterator[bytes]:
        path, reading = self._source.path, self._source.reading
        self._raw = path.open("rb")
        content = reading.opened(decompressed(path, self._raw))
        return parts_of(path, self._source.content_type, part_bytes, delimiter=reading.form.delimiter, file=content)
