"""Files of lines or CSV: what they are, where they are cut, and the journal of a load that may break off.

A file is cut on borders of records, always at the same places for the same bytes. So a load that is begun again reads
the file once more, compares the digest of each part with that of the part that arrived, and sends what differs.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from sluice_client.errors import SluiceError

LINES, CSV = "application/x-ndjson", "text/csv"
PART_BYTES = 8 * 1024**2

_FORMATS = {".ndjson": LINES, ".jsonl": LINES, ".ldjson": LINES, ".csv": CSV, ".tsv": CSV}
_CODINGS = {".gz", ".zst"}
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class UnknownFormat(SluiceError, ValueError):
    """A file is of no form that can be loaded."""


class OtherLoad(SluiceError):
    """The journal beside a file is of a load with other options."""


def is_file(source: object) -> bool:
    """True if the source of a load is the path of a file."""
    return isinstance(source, (str, os.PathLike))


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


def decompressed(path: Path) -> IO[bytes]:
    """Open a file, and decompress it if its first bytes say that it is compressed."""
    with path.open("rb") as head:
        magic = head.read(4)
    if magic.startswith(_GZIP):
        return cast("IO[bytes]", gzip.open(path))
    if magic != _ZSTD:
        return path.open("rb")
    try:
        import zstandard  # noqa: PLC0415 # an extra
    except ModuleNotFoundError:
        raise UnknownFormat(f"{path} is compressed with zstd: pip install 'sluice-client[zstd]'") from None
    reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
    return cast("IO[bytes]", io.BufferedReader(cast(io.RawIOBase, reader)))


def cut(file: IO[bytes], content_type: str, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """Yield the parts of a file, each of whole records.

    Args:
        file: from its beginning.
        content_type: a line feed in the quotes of CSV ends no record.
        part_bytes: a part has at most so many, unless one record alone has more.
    """
    rest = b""
    while block := file.read(max(part_bytes - len(rest), part_bytes // 2, 1)):
        rest += block
        end = _border(rest, quoted=content_type == CSV)
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _border(data: bytes, *, quoted: bool) -> int:
    """Return the end of the last whole record in data that begins with one; 0 if it has none."""
    end = data.rfind(b"\n")
    if quoted:
        odd = data.count(b'"', 0, end + 1) % 2
        while odd and end >= 0:
            before = data.rfind(b"\n", 0, end)
            odd = (odd + data.count(b'"', before + 1, end)) % 2
            end = before
    return end + 1


class _Entry(msgspec.Struct):
    """The content of a journal."""

    plan: dict[str, Any]
    upload_id: str


class Journal:
    """The file beside a loaded one that says which upload it goes to; the server knows all else.

    Args:
        path: of the loaded file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.sluice-journal")

    def find(self, plan: Mapping[str, Any]) -> str | None:
        """Return the id of the upload that an earlier load has begun; None if there was none.

        Args:
            plan: what is loaded, and how.

        Raises:
            OtherLoad: the earlier load had another plan.
        """
        try:
            entry = msgspec.json.decode(self.path.read_bytes(), type=_Entry)
        except (FileNotFoundError, msgspec.MsgspecError):  # one that was cut off knows nothing
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
            file.write(msgspec.json.encode({"plan": plan, "upload_id": upload_id}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def forget(self) -> None:
        """Remove the journal: the load has ended, or cannot go on."""
        self.path.unlink(missing_ok=True)
