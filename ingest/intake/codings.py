"""Undo the content coding of a body while it arrives: gzip and zstd (RFC 9110 section 8.4.1, RFC 1952, RFC 8878).

A few bytes can stand for gigabytes, so each step of a decoder makes a bounded number of bytes.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import zstandard
from isal import igzip_lib

from ingest.errors import InvalidInput, PayloadTooLarge

# The codings that a batch call takes, in the words of Accept-Encoding.
ACCEPTED = "gzip, zstd"

# A body may expand as it likes up to here, and then so many times (docs/contracts/jobs.md section 1).
_EXPANDS_FREELY_BYTES = 10 * 1024 * 1024
_MOST_EXPANSION = 1_000

_GZIP_STEP_BYTES = 256 * 1024  # decoded: what stays in the processor's cache
_GZIP_READ_BYTES = 32 * 1024  # encoded: they count as read once ISA-L has them, which tells no more of its place
# Encoded: zstandard cannot bound what it makes of them, which is 128 kB for each 4 bytes at most.
_ZSTD_STEP_BYTES = 512
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # the most that a sender may assume (RFC 9659)
_ZSTD_HEAD_BYTES = 18  # the longest head of a frame (RFC 8878, section 3.1.1)

_GZIP = 16 + zlib.MAX_WBITS
_FLAGS_AT = 3
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16


class _Decoder(Protocol):
    def feed(self, encoded: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield decoded bytes, each with the number of encoded bytes that were read for them.

        Raises:
            ValueError: the bytes are not of the coding.
        """

    def end(self) -> bool:
        """True if what was fed is whole."""


class _Gzip:
    """Decodes gzip of one member or more."""

    def __init__(self) -> None:
        self._member: Any = None
        self._begin = b""  # of a member whose flags have not come
        self._fed = False

    def feed(self, encoded: bytes) -> Iterator[tuple[int, bytes]]:
        """As of _Decoder."""
        for start in range(0, len(encoded), _GZIP_READ_BYTES):
            step = encoded[start : start + _GZIP_READ_BYTES]
            read = len(step)
            while step:
                self._fed = True
                if self._member is None or self._member.eof:
                    step = self._begin + step
                    if len(step) <= _FLAGS_AT:
                        self._begin = step
                        yield read, b""
                        break
                    self._member, self._begin = _decompressor(step[_FLAGS_AT]), b""
                yield read, self._inflate(step)
                while not self._member.eof and (decoded := self._inflate(b"")):
                    yield 0, decoded
                step, read = self._member.unused_data, 0

    def _inflate(self, encoded: bytes) -> bytes:
        try:
            inflated: bytes = self._member.decompress(encoded, _GZIP_STEP_BYTES)
        except (igzip_lib.IsalError, zlib.error) as error:  # type: ignore[misc] # its stub takes the class for an instance
            raise ValueError(str(error)) from None
        return inflated

    def end(self) -> bool:
        """As of _Decoder."""
        return self._fed and not self._begin and bool(self._member.eof)


def _decompressor(flags: int) -> Any:
    """Return what decompresses a member of gzip.

    Args:
        flags: the byte of that name in the member's header (RFC 1952 section 2.3.1).
    """
    # ISA-L is faster, but loses its place in a header of several optional fields, or with a checksum, that comes in
    # several reads.
    optional = flags & (_FEXTRA | _FNAME | _FCOMMENT)
    if flags & _FHCRC or optional & (optional - 1):
        return _Zlib()
    return igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)


class _Zlib:
    """Decompresses a member of gzip by zlib, and keeps what it has not read yet, as ISA-L does."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def decompress(self, encoded: bytes, most: int) -> bytes:
        return self._member.decompress(self._member.unconsumed_tail + encoded, most)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data


class _Zstd:
    """Decodes zstd of one frame or more."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        self._fed = False
        self._begin()

    def _begin(self) -> None:
        self._frame = self._decompressor.decompressobj()
        self._head, self._made = b"", 0

    def feed(self, encoded: bytes) -> Iterator[tuple[int, bytes]]:
        """As of _Decoder."""
        for start in range(0, len(encoded), _ZSTD_STEP_BYTES):
            step = encoded[start : start + _ZSTD_STEP_BYTES]
            while step:
                if self._frame.eof:
                    self._begin()
                self._fed = True
                before = len(step)
                self._head += step[: _ZSTD_HEAD_BYTES - len(self._head)]
                try:
                    decoded = self._frame.decompress(step)
                except zstandard.ZstdError as error:
                    raise ValueError(str(error)) from None
                step = self._frame.unused_data
                self._made += len(decoded)
                self._check_length()
                yield before - len(step), decoded

    def _check_length(self) -> None:
        """Raise if the frame has ended and is not as long as its head says.

        The library itself does not look where the last block is empty, unless the whole frame came at once.
        """
        if self._frame.eof and zstandard.frame_content_size(self._head) not in {-1, self._made}:
            raise ValueError("it is not as long as its head says")

    def end(self) -> bool:
        """As of _Decoder."""
        return self._fed and self._frame.eof


_DECODERS: dict[str, type[_Decoder]] = {"gzip": _Gzip, "x-gzip": _Gzip, "zstd": _Zstd}


def is_known(coding: str) -> bool:
    """True if `decoded` knows the coding.

    Args:
        coding: in lower case, as of Content-Encoding.
    """
    return coding in _DECODERS or coding in {"", "identity"}


def plain_name(coding: str) -> str:
    """Return the usual name of a coding: `identity` for none, `gzip` for `x-gzip`."""
    return {"": "identity", "x-gzip": "gzip"}.get(coding, coding)


def decoded(chunks: Iterable[bytes], coding: str, *, most_bytes: int) -> Iterator[bytes]:
    """Decode a body piece by piece, some of which may be empty: the encoded bytes that came may stand for nothing.

    Args:
        chunks: the body as it was sent.
        coding: one that `is_known`.
        most_bytes: how many decoded bytes are taken.

    Raises:
        InvalidInput: the body is not of the coding, ends too early, or has something behind its end.
        PayloadTooLarge: it is longer, or expands too much.
    """
    sent, made = 0, 0
    for read, piece in _pieces(chunks, coding):
        sent += read
        made += len(piece)
        if made > most_bytes:
            raise PayloadTooLarge(f"The body is over {most_bytes} bytes, decoded; send it in several jobs")
        if made > _EXPANDS_FREELY_BYTES and made > _MOST_EXPANSION * sent:
            raise PayloadTooLarge(
                f"The body expands more than {_MOST_EXPANSION:,} times; send it with less compression"
            )
        yield piece


def _pieces(chunks: Iterable[bytes], coding: str) -> Iterator[tuple[int, bytes]]:
    if coding not in _DECODERS:
        yield from ((len(chunk), chunk) for chunk in chunks)
        return
    decoder = _DECODERS[coding]()
    try:
        for chunk in chunks:
            yield from decoder.feed(chunk)
    except ValueError as error:
        raise InvalidInput(f"The body is not {coding}, as Content-Encoding says, or is damaged: {error}") from None
    if not decoder.end():
        raise InvalidInput(f"The body ends in the middle of its {coding}, or has something else behind its end")
