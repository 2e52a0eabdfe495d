import json
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import InvalidInput, JobUnrunnable
from ingest.intake.blocks import Block, cut
from ingest.intake.payloads import items_of

_MEGABYTE = 1024 * 1024


def array(count: int, item: bytes = b"{}") -> bytes:
    return b"[" + b",".join([item] * count) + b"]"


def sent(blocks: list[Block]) -> list[bytes]:
    return [bytes(item) for block in blocks for item in items_of(block.payload).texts]


@pytest.mark.parametrize("count", [1, 1_000])
def test_a_body_up_to_the_limit_is_taken(count: int) -> None:
    blocks = cut(array(count), limit=1_000, block_items=1_000)
    assert [(block.first_index, block.items) for block in blocks] == [(0, count)]


def test_an_empty_array_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^The array is empty; send at least 1 item$"):
        cut(b" [ ] ", limit=1_000, block_items=1_000)


def test_an_item_too_many_is_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidInput, match=r"^The array has 1001 items; the most in one request is 1000$"):
        cut(array(1_001), limit=1_000, block_items=1_000)


@pytest.mark.parametrize("body", [b"{}", b'{"items": []}', b"null", b"1", b'"[]"', b'"\\ud800"'])
def test_a_body_of_another_type_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^The body must be a JSON array of items$"):
        cut(body, limit=10, block_items=10)


@pytest.mark.parametrize(
    "body", [b"", b"[", b"[1,]", b"[NaN]", b'[1] ["\\ud800"]', b"[" * 100_000, b"[" * 9_999 + b"]" * 9_999]
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^The body is not valid JSON: .+"):
        cut(body, limit=10, block_items=10)


def test_a_body_in_another_encoding_is_refused_and_the_byte_named() -> None:
    with pytest.raises(InvalidInput, match=r"^The body is not valid UTF-8 \(byte 3\)$"):
        cut(b'["a\xe9"]', limit=10, block_items=10)


def test_items_of_any_type_are_left_to_the_worker() -> None:
    body = b'[null, 1, "a", [], {}, true, "\\udc00"]'
    assert sent(cut(body, limit=10, block_items=10)) == [b"null", b"1", b'"a"', b"[]", b"{}", b"true", b'"\\udc00"']


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (9, [4, 4, 1])])
def test_a_block_holds_so_many_items_and_no_more(count: int, sizes: list[int]) -> None:
    blocks = cut(array(count), limit=100, block_items=4)
    assert [block.items for block in blocks] == sizes
    assert [block.first_index for block in blocks] == [sum(sizes[:place]) for place in range(len(sizes))]


def test_no_block_of_several_items_is_over_4_mb() -> None:
    item = json.dumps("x" * (_MEGABYTE - 2)).encode()
    blocks = cut(array(9, item), limit=100, block_items=100)
    assert [block.items for block in blocks] == [3, 3, 3]
    assert all(len(zstandard.decompress(block.payload)) <= 4 * _MEGABYTE for block in blocks)


def test_an_item_over_4_mb_has_a_block_of_its_own() -> None:
    large = json.dumps("x" * 5 * _MEGABYTE).encode()
    blocks = cut(b"[1," + large + b",2," + large + b"]", limit=100, block_items=100)
    assert [block.items for block in blocks] == [1, 1, 1, 1]
    assert sent(blocks) == [b"1", large, b"2", large]


_ITEM = (
    st.integers() | st.text(max_size=20) | st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False), max_size=3)
)


@given(items=st.lists(_ITEM, min_size=1, max_size=40), block_items=st.integers(1, 12))
def test_cutting_loses_nothing_adds_nothing_and_keeps_the_order(items: list[Any], block_items: int) -> None:
    texts = [json.dumps(item, allow_nan=True).replace("Infinity", "1e999").encode() for item in items]
    blocks = cut(b"[" + b",".join(texts) + b"]", limit=40, block_items=block_items)
    assert sent(blocks) == texts
    assert [block.items for block in blocks] == [len(items_of(block.payload).texts) for block in blocks]
    assert all(block.items == block_items for block in blocks[:-1])
    assert [block.first_index for block in blocks] == list(range(0, len(items), block_items))


@pytest.mark.parametrize(
    "payload", [b"", b"[1]", zstandard.compress(b"[1"), zstandard.compress(b"{}"), zstandard.compress(b"[\xff]")]
)
def test_a_payload_that_somebody_changed_makes_the_job_unrunnable(payload: bytes) -> None:
    with pytest.raises(JobUnrunnable, match="The stored batch cannot be read"):
        items_of(payload)


def test_half_of_a_payload_makes_the_job_unrunnable() -> None:
    payload = cut(array(1_000), limit=1_000, block_items=1_000)[0].payload
    with pytest.raises(JobUnrunnable):
        items_of(payload[: len(payload) // 2])
