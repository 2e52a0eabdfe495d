"""Files of lines or CSV: what they are, and how they are read and cut.

A load that is begun again reads the file once more, compares the digest of each part with that of the part that
arrived, and sends what differs.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from sluice_client.compressed import decompressed, naming
from sluice_client.cutting import CSV, LINES, PART_BYTES, cut
from sluice_client.errors import UnknownFormat
from sluice_client.journal import Journal

_FORMATS = {".ndjson": LINES, ".jsonl": LINES, ".ldjson": LINES, ".csv": CSV, ".tsv": CSV}
_CODINGS = {".gz", ".zst"}


def is_file(source: object) -> bool:
    """True if the source of a load is a file, or the path of one."""
    return isinstance(source, (str, os.PathLike, File))


def digest_of(part: bytes) -> str:
    """Return the digest of a part, as RFC 9530 and the server spell it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(part).digest()).decode()}:"


def content_type_of(path: Path) -> tuple[str, dict[str, str]]:
    """Return the content type of a file by its name, and the options that go with it.

    Raises:
        UnknownFormat: the name says nothing that can be loaded.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _CODINGS:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in _FORMATS:
        raise UnknownFormat(f"{path} should end in {', '.join(_FORMATS)}, and may end in .gz or .zst after that")
    return _FORMATS[suffix], {"delimiter": "tab"} if suffix == ".tsv" else {}


def parts_of(
    path: Path,
    content_type: str,
    part_bytes: int = PART_BYTES,
    *,
    delimiter: str | None = None,
    file: IO[bytes] | None = None,
) -> Iterator[bytes]:
    """Yield the parts of a file, decompressed.

    Args:
        path: of the file.
        content_type: as `cut` takes it.
        part_bytes: likewise.
        delimiter: likewise.
        file: its content, where it is not read as it stands on the disk; it is closed.

    Raises:
        UnreadableFile: the file is cut off or damaged, or has a record that no part can hold.
    """
    with file or decompressed(path) as content, naming(path):
        yield from cut(content, content_type, part_bytes, delimiter=delimiter)


class File(NamedTuple):
    """A file to load, and the way to read it.

    Attributes:
        path: of it.
        content_type: of its parts.
        options: of the batch that the file implies, such as the delimiter of `.tsv`.
        parts: cuts it into parts of so many bytes, which are the same for the same bytes of the file.
        reading: all that changes what is sent of it, in the journal.
        journals: the folder of its journal, as `Journal` takes it.
    """

    path: Path
    content_type: str
    options: Mapping[str, Any]
    parts: Callable[[int], Iterator[bytes]]
    reading: Mapping[str, Any] = MappingProxyType({})
    journals: Path | None = None

    def journal(self) -> Journal:
        """Return the journal of its load."""
        return Journal(self.path, self.journals)


def file_at(path: Path, delimiter: str | None = None) -> File:
    """Return a file that is read as its name says.

    Args:
        path: of it.
        delimiter: of CSV, which wins over that of its name.

    Raises:
        UnknownFormat: the name says nothing that can be loaded.
    """
    content_type, options = content_type_of(path)
    cells = delimiter or options.get("delimiter")
    return File(path, content_type, options, lambda size: parts_of(path, content_type, size, delimiter=cells))
