"""Files of lines or CSV: what they are, where they are cut, and the journal of a load that may break off.

A file is cut on borders of records, always at the same places for the same bytes. So a load that is begun again reads
the file once more, compares the digest of each part with that of the part that arrived, and sends what differs.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple, cast

import msgspec

from sluice_client.errors import SluiceError

LINES, CSV = "application/x-ndjson", "text/csv"
PART_BYTES = 8 * 1024**2
_MOST_PART_BYTES = 32 * 1024**2  # that the server takes: docs/contracts/jobs.md section 1

_FORMATS = {".ndjson": LINES, ".jsonl": LINES, ".ldjson": LINES, ".csv": CSV, ".tsv": CSV}
_CODINGS = {".gz", ".zst"}
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_STEP_BYTES = 1024  # a few bytes can stand for 128 kB


class UnknownFormat(SluiceError, ValueError):
    """A file is of no form that can be loaded."""


class UnreadableFile(SluiceError, ValueError):
    """A file ends in the middle of its compression, is damaged, or has a record that no part can hold."""


class OtherLoad(SluiceError):
    """The journal beside a file is of a load with other options."""


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


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Raise what is wrong with the content of a file as an error that names the file.

    Raises:
        UnreadableFile: it is cut off or damaged, or cannot be cut.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"{path} is cut off or damaged, and nothing of it was loaded: {error}") from error
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from None


def decompressed(path: Path, file: IO[bytes] | None = None) -> IO[bytes]:
    """Open a file, and decompress it if its first bytes say that it is compressed.

    Args:
        path: of the file.
        file: the same, where it is open already; it can be peeked into.
    """
    raw = cast("io.BufferedReader", file or path.open("rb"))
    magic = raw.peek(4)[:4]
    if magic.startswith(_GZIP):
        return cast("IO[bytes]", _Members(raw))
    if magic != _ZSTD:
        return raw
    try:
        import zstandard  # noqa: PLC0415 # an extra
    except ModuleNotFoundError:
        raw.close()
        raise UnknownFormat(f"{path} is compressed with zstd: pip install 'sluice-client[zstd]'") from None
    return cast("IO[bytes]", io.BufferedReader(_Frames(raw, zstandard)))


class _Members(gzip.GzipFile):
    """The content of a file of gzip, which is closed with it."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw = raw

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Frames(io.RawIOBase):
    """The content of a file of zstd. The library's own reader takes one that was cut off for a whole one.

    Args:
        file: of one frame or more.
        zstandard: the library.
    """

    def __init__(self, file: IO[bytes], zstandard: Any) -> None:
        self._file, self._library = file, zstandard
        self._frame: Any = None
        self._encoded, self._decoded = b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._decoded:
            encoded = self._encoded or self._file.read(_ZSTD_STEP_BYTES)
            if not encoded:
                if not self._frame.eof:
                    raise EOFError("it ends in the middle of its zstd")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._library.ZstdDecompressor().decompressobj()
            try:
                self._decoded = memoryview(self._frame.decompress(encoded))
            except self._library.ZstdError as error:
                raise UnreadableFile(f"its zstd cannot be read: {error}") from None
            self._encoded = self._frame.unused_data
        count = min(len(buffer), len(self._decoded))
        buffer[:count], self._decoded = self._decoded[:count], self._decoded[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def cut(
    file: IO[bytes], content_type: str, part_bytes: int = PART_BYTES, *, delimiter: str | None = None
) -> Iterator[bytes]:
    """Yield the parts of a file, each of whole records.

    Args:
        file: from its beginning.
        content_type: a line feed in the quotes of CSV ends no record.
        part_bytes: a part has at most so many, unless a record of it has more.
        delimiter: of CSV, as `BatchOptions` has it.

    Raises:
        UnreadableFile: a record is larger than the server takes a part.
    """
    quotes = _Quotes(delimiter or ",") if content_type == CSV else None
    rest, room, line = b"", part_bytes, 1
    while block := file.read(room - len(rest)):
        rest += block
        if len(rest) < room:
            continue
        end = _border(rest, quotes)
        if end:
            yield rest[:end]
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        room = min(max(part_bytes, 2 * len(rest)), _MOST_PART_BYTES)
        if len(rest) == room:
            hint = "; is a quote in it never closed?" if quotes else ""
            raise UnreadableFile(f"the record that begins at line {line} has more than 32 MiB{hint}")
    if rest:
        yield rest


class _Quotes:
    """The quotes of CSV. One opens a field at its start alone, as the server reads CSV: `5" disk` opens none.

    Args:
        delimiter: as `BatchOptions` has it.

    Attributes:
        opening: matches a quote that opens a field.
        cells: matches whole cells, many at once, from the start of one on; its group is the last line feed behind one.
    """

    def __init__(self, delimiter: str) -> None:
        between = re.escape(b"\t" if delimiter == "tab" else delimiter.encode())
        before = (rb"\n", between, rb"\A", rb"\A" + codecs.BOM_UTF8)
        self.opening = re.compile(rb'"(?:%b)' % b"|".join(rb'(?<=%b")' % one for one in before))
        cell = rb'(?:"[^"]*(?:""[^"]*){0,100}"|[^"\n%b]*)' % between
        self.cells = re.compile(rb"(?:%b(?:%b|\r?(\n))){1,1000}" % (cell, between))


def _border(data: bytes, quotes: _Quotes | None) -> int:
    """Return the end of the last whole record in data that begins with one; 0 if it has none.

    Args:
        data: each byte is looked at a few times.
        quotes: of CSV; None if no line feed stands in quotes.
    """
    if quotes is None:
        return data.rfind(b"\n") + 1
    border = place = 0  # outside of quotes
    while opened := quotes.opening.search(data, place):
        border = max(border, data.rfind(b"\n", place, opened.start()) + 1)
        if cells := quotes.cells.match(data, opened.start()):
            border, place = max(border, cells.end(1)), cells.end()
            continue
        place = opened.end()
        while True:
            closed = data.find(b'"', place)
            if closed < 0:
                return border
            place = closed + 1
            if not data.startswith(b'"', place):
                break
            place += 1  # a quote that is doubled
    return max(border, data.rfind(b"\n", place) + 1)


class File(NamedTuple):
    """A file to load, and the way to read it.

    Attributes:
        path: of it; its journal stands beside it.
        content_type: of its parts.
        options: of the batch that the file implies, such as the delimiter of `.tsv`.
        parts: cuts it into parts of so many bytes, which are the same for the same bytes of the file.
        reading: all that changes what is sent of it, in the journal.
    """

    path: Path
    content_type: str
    options: Mapping[str, Any]
    parts: Callable[[int], Iterator[bytes]]
    reading: Mapping[str, Any] = MappingProxyType({})


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


class _Entry(msgspec.Struct):
    """The content of a journal."""

    plan: dict[str, Any]
    upload_id: str
    seen: tuple[int, int] | None = None  # size and time of the file, when its load began


class Journal:
    """The file beside a loaded one that says which upload it goes to; the server knows all else.

    Args:
        path: of the loaded file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.sluice-journal")
        self._loaded = path

    def begun(self) -> bool:
        """True if an earlier load of the file has not come to its end."""
        return self._read() is not None

    def is_of_the_file_as_it_is(self) -> bool:
        """True if size and time of the file are those of when the earlier load began."""
        entry = self._read()
        return entry is not None and entry.seen == self._seen()

    def find(self, plan: Mapping[str, Any]) -> str | None:
        """Return the id of the upload that an earlier load has begun; None if there was none.

        Args:
            plan: what is loaded, and how.

        Raises:
            OtherLoad: the earlier load had another plan.
        """
        entry = self._read()
        if entry is None:
            return None
        wanted = msgspec.json.decode(msgspec.json.encode(plan))
        if entry.plan != wanted:
            differ = sorted(name for name in {*entry.plan, *wanted} if entry.plan.get(name) != wanted.get(name))
            raise OtherLoad(
                f"{self.path} is of a load that was begun with another {', '.join(differ)}: say the same again to go "
                "on with it, or resume=False to begin anew"
            )
        return entry.upload_id

    def keep(self, plan: Mapping[str, Any], upload_id: str) -> None:
        """Write down which upload a load goes to, before any part of it is sent."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode({"plan": plan, "upload_id": upload_id, "seen": self._seen()}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def forget(self) -> None:
        """Remove the journal: the load has ended, or cannot go on."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> _Entry | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Entry)
        except (FileNotFoundError, msgspec.MsgspecError):  # one that was cut off knows nothing
            return None

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = self._loaded.stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns
