"""Bodies of any bytes, in any chunks: the result is theirs alone, or one of the documented errors."""

import gzip
import json
import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import zstandard
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ingest.errors import InvalidInput, PayloadTooLarge, SluiceError
from ingest.intake.blocks import Block, blocks_of_lines, cut
from ingest.intake.codings import decoded
from ingest.intake.payloads import items_of

SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

# In `make fuzz` some hundred examples a second of the time that each API has.
EXAMPLES = settings(
    max_examples=100 + 100 * SECONDS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Pieces that readers look at, so that random bodies come near to good ones.
_TOKEN = st.sampled_from(
    [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\n", b"\r", b"1", b"-0", b"1e9", b"null", b"true", b'{"a":1}']
)
_BODIES = st.lists(_TOKEN | st.binary(max_size=6), max_size=30).map(b"".join)
_CUTS = st.lists(st.integers(0, 2_000), max_size=6)
_MOST_BYTES, _LONGEST = 4_000, 50


def chunked(body: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(body) + 1) for place in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


def outcome(read: Callable[[], bytes]) -> bytes | type[SluiceError]:
    """Return the bytes that are read, or the class of a documented error: libraries word theirs by the chunk."""
    try:
        return read()
    except (InvalidInput, PayloadTooLarge) as error:
        return type(error)


def decode(body: bytes, coding: str, cuts: list[int]) -> bytes:
    return b"".join(decoded(chunked(body, cuts), coding, most_bytes=_MOST_BYTES))


def texts_of(blocks: list[Block]) -> list[bytes]:
    return [bytes(text) for block in blocks for text in items_of(block.payload, block.first_line).texts]


@pytest.mark.timeout(120 + 20 * SECONDS)
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@seed(SEED)
@EXAMPLES
@given(
    content=st.binary(max_size=3_000),
    damage=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), max_size=4),
    end=st.integers(0, 4_000),
    cuts=_CUTS,
)
def test_a_damaged_body_has_one_result_in_all_chunks(
    coding: str, content: bytes, damage: list[tuple[int, int]], end: int, cuts: list[int]
) -> None:
    coded = bytearray(gzip.compress(content, mtime=0) if coding == "gzip" else zstandard.compress(content))
    for place, byte in damage:
        coded[place % len(coded)] = byte
    body = bytes(coded[: end or None])
    whole = outcome(partial(decode, body, coding, []))
    assert outcome(partial(decode, body, coding, cuts)) == whole
    assert not isinstance(whole, bytes) or len(whole) <= _MOST_BYTES


@pytest.mark.timeout(120 + 20 * SECONDS)
@seed(SEED)
@EXAMPLES
@given(body=_BODIES, block_items=st.integers(1, 4))
def test_an_array_is_cut_into_its_items_or_refused(body: bytes, block_items: int) -> None:
    try:
        texts = texts_of(cut(body, limit=10, block_items=block_items))
    except SluiceError:
        return
    assert json.loads(b"[" + b",".join(texts) + b"]") == json.loads(body)
    assert len(texts) <= 10


@pytest.mark.timeout(120 + 20 * SECONDS)
@seed(SEED)
@EXAMPLES
@given(body=_BODIES, cuts=_CUTS)
def test_lines_of_any_bytes_have_one_result_in_all_chunks(body: bytes, cuts: list[int]) -> None:
    whole = texts_of(list(blocks_of_lines([body], longest_line=_LONGEST)))
    assert texts_of(list(blocks_of_lines(chunked(body, cuts), longest_line=_LONGEST))) == whole
    assert len(whole) == sum(1 for line in body.split(b"\n") if line.strip(b" \t\r"))
