"""Files that gzip or zstd has compressed, read as what they hold."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from sluice_client.errors import UnknownFormat, UnreadableFile

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_STEP_BYTES = 1024  # a few bytes can stand for 128 kB


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
