"""Content codings are undone while the body arrives: several members, no bomb, nothing cut off and nothing behind."""

import gzip
import io
import itertools
import os
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import InvalidInput, PayloadTooLarge
from ingest.intake.codings import decoded, is_known

MEGABYTE = 1024 * 1024
MOST = 64 * MEGABYTE


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd, "": bytes, "identity": bytes}
CODED = ["gzip", "zstd"]


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    source = io.BytesIO(body)
    while chunk := source.read(size):
        yield chunk


def undone(body: bytes, coding: str, *, size: int = 1_000, most_bytes: int = MOST) -> bytes:
    return b"".join(decoded(chunks(body, size), coding, most_bytes=most_bytes))


@pytest.mark.parametrize("coding", ENCODERS)
@given(parts=st.lists(st.binary(max_size=2_000), min_size=1, max_size=4), size=st.integers(1, 500))
def test_members_one_behind_the_other_decode_to_the_whole(coding: str, parts: list[bytes], size: int) -> None:
    body = b"".join(map(ENCODERS[coding], parts))
    assert undone(body, coding, size=size) == b"".join(parts)


@pytest.mark.parametrize("coding", CODED)
def test_a_body_that_was_cut_off_is_refused(coding: str) -> None:
    body = ENCODERS[coding](os.urandom(10_000))
    for end in (1, 5, len(body) // 2, len(body) - 1):
        with pytest.raises(InvalidInput, match="ends in the middle"):
            undone(body[:end], coding)
    with pytest.raises(InvalidInput, match="ends in the middle"):
        undone(b"", coding)


@pytest.mark.parametrize("coding", CODED)
def test_what_stands_behind_the_end_is_refused(coding: str) -> None:
    with pytest.raises(InvalidInput, match=f"is not {coding}"):
        undone(ENCODERS[coding](b"{}") + b"garbage, longer than the head of a member", coding)


@pytest.mark.parametrize("coding", CODED)
def test_a_damaged_body_is_refused(coding: str) -> None:
    with pytest.raises(InvalidInput, match=f"is not {coding}"):
        undone(b"plain text, and no coding", coding)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_zstd_frame_of_another_length_than_its_head_says_is_refused(size: int) -> None:
    # A head that says 201 bytes, and a last block without any.
    with pytest.raises(InvalidInput, match="is not zstd"):
        undone(bytes.fromhex("28b52ffd20c9010000"), "zstd", size=size)


def test_zstd_frames_that_say_no_length_or_are_skipped_are_read() -> None:
    skipped, unsaid = bytes.fromhex("502a4d1803000000616263"), zstandard.ZstdCompressor(write_content_size=False)
    assert undone(skipped + unsaid.compress(b"{}") + skipped, "zstd", size=3) == b"{}"


@pytest.mark.parametrize("coding", CODED)
def test_a_body_that_expands_too_much_is_refused_before_it_takes_memory(coding: str) -> None:
    zeros = b"\0" * (32 * MEGABYTE)
    body = ENCODERS[coding](zeros)
    pieces: list[int] = []
    with pytest.raises(PayloadTooLarge, match=r"expands more than 1,000 times"):
        pieces += map(len, decoded(chunks(body * 40, 65_536), coding, most_bytes=2**40))
    assert max(pieces, default=0) <= 17 * MEGABYTE
    assert sum(pieces) <= 48 * MEGABYTE


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_body_over_the_limit_is_refused(coding: str) -> None:
    body = ENCODERS[coding](os.urandom(5_000))
    assert len(undone(body, coding, most_bytes=5_000)) == 5_000
    with pytest.raises(PayloadTooLarge, match="over 4999 bytes"):
        undone(body, coding, most_bytes=4_999)


def test_a_window_beyond_that_of_the_rfc_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    coder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = coder.compress(os.urandom(16 * MEGABYTE)) + coder.flush()
    with pytest.raises(InvalidInput, match="is not zstd"):
        undone(body, "zstd", size=65_536)


def test_other_codings_are_not_known() -> None:
    assert [is_known(coding) for coding in ("gzip", "x-gzip", "zstd", "", "identity", "br", "gzip, gzip")] == [
        *[True] * 5,
        False,
        False,
    ]


def _member(flags: int) -> bytes:
    """A member of gzip with these optional fields in its header (RFC 1952 section 2.3)."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(5) + b"\xff"
    head += b"\x04\0extr" if flags & 4 else b""
    head += b"name\0" if flags & 8 else b""
    head += b"a comment\0" if flags & 16 else b""
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") if flags & 2 else b""
    return head + gzip.compress(b"member\n", mtime=0)[10:]


@pytest.mark.parametrize("flags", range(0, 32, 2))
def test_a_header_of_gzip_may_be_cut_anywhere(flags: int) -> None:
    member = _member(flags)
    assert gzip.decompress(member) == b"member\n"
    for sent in (member, member * 2):
        whole = gzip.decompress(sent)
        for cut in range(len(sent) + 1):
            assert b"".join(decoded([sent[:cut], sent[cut:]], "gzip", most_bytes=1_000)) == whole
        assert b"".join(decoded([bytes([byte]) for byte in sent], "gzip", most_bytes=1_000)) == whole


@pytest.mark.parametrize("sent", [b"x", gzip.compress(b"a", mtime=0) + b"xyz", gzip.compress(b"a", mtime=0)[:-1]])
def test_the_refusal_of_a_body_that_is_not_whole_says_what_is_true_of_each(sent: bytes) -> None:
    for size in (1, 1_000):
        with pytest.raises(InvalidInput, match="in the middle of its gzip, or has something else behind its end"):
            undone(sent, "gzip", size=size)


@pytest.mark.parametrize(
    ("coding", "begin", "more"),
    [
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\0\0\0\xff\xff"),
        ("zstd", b"", b"\x50\x2a\x4d\x18\x01\0\0\0\0"),
    ],
)
def test_bytes_that_decode_to_nothing_are_told_of_as_they_come(coding: str, begin: bytes, more: bytes) -> None:
    """A body's reader keeps its job alive with each piece, and ends a body that takes too long."""
    pieces = decoded(itertools.chain([begin], itertools.repeat(more)), coding, most_bytes=MOST)
    assert [next(pieces) for _ in range(100)] == [b""] * 100
