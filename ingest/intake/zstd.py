"""Compress and decompress the payloads of blocks."""

import threading
from collections.abc import Sequence

import zstandard

from ingest.intake.lines import Part

# Level 1: payloads are read once and thrown away, and the request waits for this.
_LEVEL = 1


class _OfThread(threading.local):
    """The (de)compressor of a thread: to make one for each payload costs more than to (de)compress a small one."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.compress = self._compressor.compress
        self.decompress = zstandard.ZstdDecompressor().decompress

    def compress_parts(self, parts: Sequence[Part]) -> bytes:
        """Compress parts as if they were one."""
        # The frame tells its size, as `decoded_bytes` wants it.
        frame = self._compressor.compressobj(size=sum(map(len, parts)))
        return b"".join([*map(frame.compress, parts), frame.flush()])


_of_thread = _OfThread()


def compress(payload: bytes) -> bytes:
    """Return a payload compressed."""
    return _of_thread.compress(payload)


def compress_parts(parts: Sequence[Part]) -> bytes:
    """Return a payload compressed that is given in parts."""
    return _of_thread.compress_parts(parts)


def decompress(payload: bytes) -> bytes:
    """Return what was compressed.

    Raises:
        zstandard.ZstdError: it was not.
    """
    return _of_thread.decompress(payload)
