"""Lines of error files (docs/contracts/jobs.md section 4) are read back as the items that they were made of."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.intake.blocks import blocks_of_lines, pack
from ingest.intake.error_files import line_of, shown
from ingest.intake.items import Items
from ingest.intake.payloads import items_of, kept_text
from ingest.intake.resent import corrected
from ingest.jobs import ItemError

ERROR = ItemError(3, "p1", "VALIDATION_FAILED", 'Missing "x"', 5, field="/data/x")
MOST = 20_000


def read_lines(body: bytes) -> Items:
    [block] = blocks_of_lines([body], longest_line=MOST)
    return items_of(block.payload, block.first_line)


def read_back(line: bytes) -> bytes | None:
    return kept_text(read_lines(line), 0, most_bytes=MOST)


_ITEMS = [
    b'{"a":1}',
    b'{ "a" : 1.50 , "b":[1, {"_sluice": 2}] }',
    b"{}",
    b"{ }",
    b'{"a":1,"a":2}',
    b'{"a\\u0062":"\\"}, \\u005f"}',
    b'{"_raw":"x","a":1}',
    b'{"_raw":"x"}',
    b'{"a":"\\ud800"}',
    '{"a":"é \N{LINE SEPARATOR}"}'.encode(),
    b"[1,2]",
    b"5",
    b'"_sluice"',
    b"null",
    b"{broken",
    b'{"a":1}}',
    b"\xff\xfe{}",
    b"\0" + b"5 6",
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
]


@pytest.mark.parametrize("item", _ITEMS, ids=range(len(_ITEMS)))
def test_a_line_of_an_error_file_is_read_back_as_its_item(item: bytes) -> None:
    line = line_of(ERROR, item)
    assert line.count(b"\n") == 1
    assert read_back(line) == item


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=4))
def test_any_object_is_read_back_as_it_was_sent(value: dict[str, Any]) -> None:
    item = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    assert read_back(line_of(ERROR, item)) == item


_TEXTS = st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.sampled_from(
    [b"\\udcff", b"\\", b'"', b"\xed\xb2\x80", b"\xf0\x9f", '{"a":"é☃"}'.encode()]
)
_ANY_LINE = st.lists(_TEXTS | st.binary(max_size=20), min_size=1, max_size=4).map(b"".join)


@given(_ANY_LINE.filter(lambda line: line != b"" and b"\n" not in line and line.strip() == line))
def test_any_line_is_read_back_as_it_was_sent(line: bytes) -> None:
    assert read_back(line_of(ERROR, line)) == line


def test_a_line_with_a_byte_that_is_no_utf_8_keeps_all_other_characters() -> None:
    assert line_of(ERROR, '{"é": "☃\U0001f600\\'.encode() + b"\xff\x00").startswith(
        '{"_raw":"{\\"é\\": \\"☃\U0001f600\\\\\\udcff\\u0000","_sluice":'.encode()
    )


def test_the_note_stands_beside_the_sender_s_own_members_unchanged() -> None:
    line = line_of(ERROR, b'{"n": 1.00, "b": null }')
    note = '{"index":3,"line":5,"code":"VALIDATION_FAILED","field":"/data/x","message":"Missing \\"x\\""}'
    assert line.decode() == f'{{"n": 1.00, "b": null,"_sluice":{note} }}\n'


def test_an_item_that_goes_on_over_lines_takes_one_in_an_error_file() -> None:
    line = line_of(ERROR, b'{\r\n  "a": "x\\ny"\r\n}')
    assert line.count(b"\n") == 1
    assert json.loads(line)["a"] == "x\ny"


def test_the_note_may_stand_anywhere_and_more_than_once() -> None:
    item = msgspec.Raw(b'{ "_sluice": {"a": [1, "}"]}, "b": 1,  "_sluice": null, "c": 1e2, "_sluice":1 }')
    assert bytes(corrected(item)) == b'{ "b": 1, "c": 1e2 }'  # type: ignore[arg-type] # Raw


def test_an_item_that_was_too_large_to_be_kept_says_so_when_it_comes_back() -> None:
    line = line_of(ERROR, None)
    assert json.loads(line)["_raw"] is None
    items = read_lines(line)
    assert items.unreadable[0].code == "ITEM_TOO_LARGE"
    assert '"_raw": null' in items.unreadable[0].message
    assert kept_text(items, 0, most_bytes=MOST) is None


def test_a_corrected_text_is_an_item() -> None:
    assert read_back(json.dumps({"_raw": '{"a": 1}', "_sluice": {}}).encode()) == b'{"a": 1}'


@pytest.mark.parametrize(
    "item", [b'{"_raw":"x","a":1}', b'{"_raw":"x"}', b'{"_raw":1}', b'{"data":{"_sluice":1}}', b'{"a":"_sluice"}']
)
def test_other_items_stay_as_they_are(item: bytes) -> None:
    assert read_back(item) == item


def test_arrays_take_lines_of_an_error_file_too() -> None:
    items = [msgspec.Raw(line_of(ERROR, item).strip()) for item in (b'{"a":1}', b"{broken", b"5")]
    [block] = pack([*items, msgspec.Raw(b"{}")], 10)
    read = items_of(block.payload)
    assert [kept_text(read, place, most_bytes=MOST) for place in range(4)] == [b'{"a":1}', b"{broken", b"5", b"{}"]
    assert {place: wrong.code for place, wrong in read.unreadable.items()} == {1: "INVALID_JSON"}


def test_a_text_beyond_the_largest_item_is_not_kept() -> None:
    items = Items([msgspec.Raw(b'"12345"')])
    assert kept_text(items, 0, most_bytes=7) == b'"12345"'
    assert kept_text(items, 0, most_bytes=6) is None
    assert kept_text(read_lines(b"x" * (MOST + 1)), 0, most_bytes=MOST) is None


@pytest.mark.parametrize(
    ("item", "as_text", "expected"),
    [
        (None, False, None),
        (b'{"n": 1.00}', False, b'{"n": 1.00}'),
        (b'{"n": 1.00}', True, '{"n": 1.00}'),
        (b"{broken", False, "{broken"),
        (b'"\\ud800"', False, '"\\ud800"'),
        (b"\xffx", False, "\N{REPLACEMENT CHARACTER}x"),
    ],
    ids=["none", "json", "row", "broken", "surrogate", "bytes"],
)
def test_an_answer_shows_json_as_it_is_and_all_else_as_text(
    item: bytes | None, *, as_text: bool, expected: bytes | str | None
) -> None:
    found = shown(item, as_text=as_text)
    assert (bytes(found) if isinstance(found, msgspec.Raw) else found) == expected
