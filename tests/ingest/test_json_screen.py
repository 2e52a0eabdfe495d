"""Screens: numbers that read back as more than was sent, U+0000, and depth."""

import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given

from ingest import json_screen
from tests.ingest.json_values import JSON

MEGABYTE = 1024 * 1024


def item(numbers: bytes) -> msgspec.Raw:
    return msgspec.Raw(b'{"data": [%s]}' % numbers)


def times(count: int, number: bytes) -> msgspec.Raw:
    return item(b",".join([number] * count))


@pytest.mark.parametrize(
    "text",
    [
        times(65, b"1e999"),  # what is spare
        times(65, b"-1.5E-998"),
        times(100_000, b"1e9"),
        times(100_000, b"1e+9"),
        times(100_000, b"2e-9"),
        times(50_000, b"1e15"),
        times(100_000, b"0e99"),  # is zero
        times(10_000, b"0.0e+999"),
        times(1_000, b"1." + b"0" * 900 + b"e900"),  # was as long before
        times(100_000, b'"1e999"'),
        times(100_000, b'"1e999 , 1e999, 1e999 "'),
        item(b'"\\"" ,' + b'"\\\\\\"[1e999, 1e999]"' + b',"1e999,"' * 10_000),
        times(100_000, b"12345"),
    ],
    ids=range(13),
)
def test_an_item_that_reads_back_as_little_does_not_grow(text: msgspec.Raw) -> None:
    assert not json_screen.grows(text)


@pytest.mark.parametrize(
    "number",
    [b"1e999", b"1E+0999", b"-1e-999", b"1e99", b"1.5e-99", b"0e-999", b"0.00e-98", b"1e000000000999"],
)
@pytest.mark.parametrize("space", [b"", b" ", b"\n", b"\t", b"\r"])
@pytest.mark.parametrize("shape", [b"%s", b"[%s]", b'{"a":%s}'])
def test_an_item_of_many_exponents_grows_however_they_are_written(number: bytes, space: bytes, shape: bytes) -> None:
    assert json_screen.grows(times(10_000, shape % (space + number + space)))


def test_the_bound_is_four_times_the_bytes_and_64_kb() -> None:
    for count in range(60, 80):
        text = times(count, b"1e999")
        assert json_screen.grows(text) is (1_000 * count > 4 * len(text) + 64 * 1024)
    assert json_screen.grows(times(79, b"1e999"))


def test_hexadecimal_ids_do_not_look_like_exponents() -> None:
    numbers = (uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128) for number in range(2_500))
    block = b",".join(b'{"id": "%s", "of": "%s"}' % (str(one).encode(), one.hex.encode()) for one in numbers)
    assert not json_screen.may_grow(b"[%s]" % block)


def test_a_huge_exponent_is_found_behind_very_many_that_look_like_one() -> None:
    text = msgspec.Raw(b'["%s", 1e1000]' % (b"1e9999" * 20_000))
    assert json_screen.has_huge_exponent(text)
    assert not json_screen.has_huge_exponent(msgspec.Raw(b'["%s", 1e999]' % (b"1e9999" * 20_000)))


@given(value=JSON)
def test_a_nul_is_found_wherever_it_stands(value: Any) -> None:
    def holds(part: Any) -> bool:
        match part:
            case str():
                return "\0" in part
            case list():
                return any(map(holds, part))
            case dict():
                return any(map(holds, part)) or any(map(holds, part.values()))
        return False

    assert json_screen.has_nul(msgspec.Raw(json.dumps(value).encode())) == holds(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (rb'"\u0000"', True),
        (rb'"\\u0000"', False),
        (rb'"\\\u0000"', True),
        (rb'"\\\\u0000"', False),
        (rb'{"a\u0000": 1}', True),
        (rb'[[{"a": ["\n\u0000"]}]]', True),
        (rb'["\\u0000", "\u0000"]', True),
        (rb'["\u00000"]', True),
        (rb'["\u0001", "u0000"]', False),
        (rb'{"text": "\\u0000", "number": ' + b"9" * 5_000 + b"}", False),
        (rb'{"text": "\\u0000", "number": 1e1000000000000000000000}', False),
    ],
)
def test_an_escaped_backslash_makes_no_nul(text: bytes, *, found: bool) -> None:
    assert json_screen.has_nul(msgspec.Raw(text)) is found


@pytest.mark.parametrize(
    ("text", "levels"),
    [(b"1", 0), (b'"[[["', 0), (b"[]", 1), (b'{"a": [1, {"b": {}}], "c": "[[[[[["}', 4), (b"[[],[],[[]]]", 3)],
)
def test_depth_counts_brackets_outside_of_strings(text: bytes, levels: int) -> None:
    assert json_screen.is_deep(msgspec.Raw(text), levels) is False
    if levels:
        assert json_screen.is_deep(msgspec.Raw(text), levels - 1) is True


@pytest.mark.parametrize("filling", [b"[],", b'{"":0},', b'"[",', b'"\\"[",', b'"\\ud800[[[",'])
def test_depth_counts_brackets_outside_of_strings_alone(filling: bytes) -> None:
    shallow = filling * 2_000
    for levels in (1, 10, 500):
        text = b"[" * levels + shallow + b"0" + b"]" * levels
        deepest = levels + (filling[:1] in b"[{")
        assert not json_screen.is_deep(msgspec.Raw(text), deepest)
        assert json_screen.is_deep(msgspec.Raw(text), deepest - 1)
