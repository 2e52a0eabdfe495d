"""Lines are cut as they arrive, however a body is split into chunks; a worker reads each as one JSON value or none."""

import json
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import InvalidInput
from ingest.intake.blocks import blocks_of_lines
from ingest.intake.items import Unreadable
from ingest.intake.lines import Lines, cut_lines
from ingest.intake.payloads import items_of

LONGEST = 100

_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    b"",
                    b" ",
                    b"\t\r",
                    b"\r",
                    b"{}",
                    b" {} ",
                    b'{"a": 1}\r',
                    b"null",
                    b"1 2",
                    b"{}{}",
                    b"1,2",
                    b"[1,",
                    b"2]",
                ),
                *(
                    b'"\\ud800"',
                    b'"a',
                    b"\xff",
                    b'"\xc3\xa9"',
                    b"\0",
                    b"\0" + b"5 4",
                    b"[" * 40,
                    b"x" * LONGEST,
                    b"x" * 101,
                    b" " * 150,
                    b"\t" * 102 + b"\r",
                    b" " * 150 + b"{}",
                ),
                *(b'{"a": "b', b'c"}', b"\x0b", b"\x0c{}"),
            ]
        ),
        st.binary(max_size=8).filter(lambda line: b"\n" not in line),
    ),
    max_size=12,
)


def chunked(body: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


def cut(body: bytes, cuts: list[int] | None = None, *, most_lines: int = 3, most_bytes: int = 1_000) -> list[Lines]:
    chunks = chunked(body, cuts or [])
    return list(cut_lines(chunks, most_lines=most_lines, most_bytes=most_bytes, longest_line=LONGEST))


def is_json(line: bytes) -> bool:
    try:
        json.loads(line.decode(), parse_constant=int)
    except ValueError:
        return False
    return True


@settings(deadline=None, max_examples=500)
@given(lines=_LINES, ends=st.booleans(), cuts=st.lists(st.integers(0, 10_000), max_size=6))
def test_each_line_that_is_not_blank_is_an_item_of_its_own_with_its_number(
    lines: list[bytes],
    ends: bool,  # noqa: FBT001 # hypothesis names it
    cuts: list[int],
) -> None:
    body = b"\n".join(lines) + (b"\n" if ends else b"")
    wanted = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    found: list[tuple[int, bytes | Unreadable]] = []
    for block in blocks_of_lines(chunked(body, cuts), longest_line=LONGEST):
        items = items_of(block.payload, block.first_line)
        assert block.first_index == len(found)
        assert block.items == len(items.texts)
        assert items.lines is not None
        found += [
            (number, items.unreadable.get(place, bytes(text)))
            for place, (number, text) in enumerate(zip(items.lines, items.texts, strict=True))
        ]
    assert [number for number, _ in found] == [number for number, _ in wanted]
    for (_, item), (_, line) in zip(found, wanted, strict=True):
        if isinstance(item, Unreadable):
            too_large = len(line.removesuffix(b"\r")) > LONGEST
            assert item.code == ("ITEM_TOO_LARGE" if too_large else "INVALID_JSON")
            assert too_large or not is_json(line)
        else:
            assert item == line.strip(b" \t\r")
            assert is_json(line) or line.startswith(b"[" * 40)


@given(lines=_LINES, cuts=st.lists(st.integers(0, 10_000), max_size=6), most=st.integers(1, 5))
def test_chunks_change_nothing_and_no_block_has_too_many_lines(lines: list[bytes], cuts: list[int], most: int) -> None:
    body = b"\n".join(lines)
    blocks = cut(body, cuts, most_lines=most)
    texts = [b"".join(block.parts) for block in blocks]
    assert texts == [b"".join(block.parts) for block in cut(body, most_lines=most)]
    assert all(text.count(b"\n") <= most for text in texts)
    assert [block.first for block in blocks] == [1 + most * number for number in range(len(blocks))]


def test_a_block_of_several_lines_is_cut_by_bytes_too() -> None:
    blocks = cut(b"x" * 50 + b"\n" + b"y" * 60 + b"\n" + b"z" * 10, most_bytes=100)
    assert [b"".join(block.parts).count(b"\n") for block in blocks] == [2, 1]


def test_no_block_keeps_a_piece_of_its_body_for_a_few_bytes_of_it() -> None:
    too_large = [b"{}\n" + b"x" * 1_000, b"x" * 1_000 + b"\n"]
    [block] = cut_lines(too_large * 100, most_lines=1_000, most_bytes=1_000_000, longest_line=LONGEST)
    kept = [part.obj if isinstance(part, memoryview) else part for part in block.parts]
    assert sum(map(len, kept)) <= 2 * sum(map(len, block.parts))


def test_values_that_hide_each_other_s_number_are_told_apart() -> None:
    [block] = blocks_of_lines([b'{"a":\n1}\n{"b": 2} {"c": 3}\n'], longest_line=LONGEST)
    assert block.items == 3
    items = items_of(block.payload, block.first_line)
    assert set(items.unreadable) == {0, 1, 2}


@pytest.mark.parametrize("line", [b"\x005 7", b"\x005 7\r", b"\0\x005 7", b"\0" + b"1" * 5_000 + b" 7"])
@pytest.mark.parametrize("cuts", [[], [4, 5, 6]])
def test_no_sent_line_is_taken_for_one_that_is_too_large(line: bytes, cuts: list[int]) -> None:
    [block] = blocks_of_lines(chunked(b"{}\n" + line + b"\n{}", cuts), longest_line=10_000)
    items = items_of(block.payload, block.first_line)
    assert {place: item.code for place, item in items.unreadable.items()} == {1: "INVALID_JSON"}
    assert [bytes(items.texts[place]) for place in (0, 2)] == [b"{}", b"{}"]


def test_a_fault_behind_a_nul_is_found_where_it_was_sent() -> None:
    [block] = blocks_of_lines([b"\0\xff"], longest_line=LONGEST)
    assert "(byte 1)" in items_of(block.payload, block.first_line).unreadable[0].message


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_is_refused(mark: bytes) -> None:
    with pytest.raises(InvalidInput, match="UTF-16"):
        cut(mark + b"{}")


def test_a_byte_order_mark_is_passed_over_even_in_three_chunks() -> None:
    assert cut(b"\xef\xbb\xbf{}\n", [1, 2]) == [Lines([b"{}\n"], 1, 1)]


def test_a_line_of_a_gigabyte_is_told_of_by_its_length() -> None:
    megabyte = b"x" * 1024 * 1024
    chunks = (chunk for chunk in [b"{}\n", *[megabyte] * 1024, b"\n{}\n"])
    [block] = blocks_of_lines(chunks, longest_line=LONGEST)
    items = items_of(block.payload, block.first_line)
    assert items.unreadable == {1: Unreadable("ITEM_TOO_LARGE", "The item has 1073741824 bytes; the most is 100")}
    assert len(zstandard.decompress(block.payload)) < LONGEST
