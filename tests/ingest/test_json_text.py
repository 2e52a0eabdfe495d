import json
import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given

from ingest import json_text
from ingest.json_text import NotAnObject
from tests.ingest.json_values import JSON


def test_an_object_is_split_into_its_members() -> None:
    members = json_text.split_object(b' {"a" : 1.50 , "\\u0062":[ null ], "a":2e0} ')
    assert {name: bytes(value) for name, value in members.items()} == {"a": b"2e0", "b": b"[ null ]"}


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"a"', b"false"])
def test_other_json_is_no_object(text: bytes) -> None:
    with pytest.raises(NotAnObject):
        json_text.split_object(text)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a"}', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":"\\udc00"}', b'{"\\ud800":1}']
)
def test_a_broken_object_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        json_text.split_object(text)
    assert not isinstance(refused.value, NotAnObject)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"145.50", Decimal("145.50")),
        (b"0.1", Decimal("0.1")),
        (b"1e400", Decimal("1e400")),
        (b"9" * 40, int("9" * 40)),
        (b"-123456789012345678901234567890.123456789", Decimal("-123456789012345678901234567890.123456789")),
        (b"18446744073709551616", 2**64),
    ],
)
def test_numbers_are_decoded_exactly(text: bytes, value: object) -> None:
    assert json_text.decode(text) == value
    assert str(json_text.decode(text)) == str(value)


@given(value=JSON)
def test_decoding_agrees_with_the_standard_library(value: Any) -> None:
    text = json.dumps(value).encode()
    assert json_text.decode(text) == json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b"9" * 5_000,
        b"1e1000000000000000000000",
        b"-1E-1000000000000000000000",
        b'"\\ud800"',
        b"[" * 100_000,
        b"",
    ],
)
def test_what_cannot_be_decoded_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_text.decode(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"a": null}', True),
        (b'{"a":1,"b":\tnull\n}', True),
        (b'{"a": [null], "b": {"c": null}}', False),
        (b'{"null": "null"}', False),
        (b'{"a": null, "a": 1}', False),
        (b"{}", False),
    ],
)
def test_only_a_top_level_null_counts(text: bytes, *, found: bool) -> None:
    assert json_text.has_null_member(msgspec.Raw(text)) is found


def test_no_number_ever_becomes_a_float() -> None:
    decoded = json_text.decode(b"[1.0, 1e5, -0.0, 123456789.123456789]")
    assert not any(isinstance(number, float) for number in decoded)
    assert math.isclose(decoded[3], 123456789.123456789)
