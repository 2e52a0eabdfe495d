import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import json_batch
from ingest.json_batch import NotAnArray
from ingest.json_text import NotAnObject
from tests.ingest.json_values import JSON


def texts(items: list[msgspec.Raw]) -> list[bytes]:
    return [bytes(item) for item in items]


@given(items=st.lists(JSON, max_size=6), indent=st.sampled_from([None, 2]))
def test_an_array_is_split_into_its_items(items: list[Any], indent: int | None) -> None:
    text = json.dumps(items, ensure_ascii=False, indent=indent).encode()
    assert [json.loads(item) for item in texts(json_batch.split_array(text))] == items


@given(items=st.lists(st.text(st.characters()) | st.floats(allow_nan=False, allow_infinity=False), max_size=6))
def test_an_array_with_any_escape_is_split_into_its_items(items: list[Any]) -> None:
    sent = [json.dumps(item).encode() for item in items]
    assert texts(json_batch.split_array(json.dumps(items).encode())) == sent


@given(items=st.lists(JSON, min_size=1, max_size=6))
def test_an_item_text_is_the_senders_own(items: list[Any]) -> None:
    sent = [json.dumps(item, separators=(" , ", " : ")).encode() for item in items]
    assert texts(json_batch.split_array(b" [ " + b" , ".join(sent) + b" ] \n")) == sent


@given(value=JSON)
def test_a_lone_surrogate_beside_it_changes_no_item(value: Any) -> None:
    sent = json.dumps(value).encode()
    lone = b'"\\ud800"'
    assert texts(json_batch.split_array(b"[" + lone + b" ,\t" + sent + b"\r\n]")) == [lone, sent]


@pytest.mark.parametrize("text", [b"[]", b" [ ] ", b"\n[\t]\r"])
def test_an_empty_array_has_no_items(text: bytes) -> None:
    assert json_batch.split_array(text) == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[",
        b"[1",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1]]",
        b"[1] x",
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b"[1e]",
        b"[0x1]",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[nan]",
        b"[True]",
        b"['a']",
        b'["a]',
        b'["\t"]',
        b'["\x00"]',
        b'["\\x41"]',
        b'["\\u12"]',
        b'[{"a":1,}]',
        b'[{"a" 1}]',
        b"[{a:1}]",
        b"[{1:1}]",
        b"[1] // comment",
        b"\xef\xbb\xbf[1]",  # RFC 8259 section 8.1: no byte order mark
        b"\x0b[1]",  # section 2: four characters are white space
        b"[\xa01]",
    ],
)
def test_what_rfc_8259_refuses_is_refused_with_and_without_a_lone_surrogate_in_it(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        json_batch.split_array(text)
    assert not isinstance(refused.value, NotAnArray)
    with pytest.raises(ValueError, match=r".+"):
        json_batch.split_array(text.replace(b"[", b'["\\ud800",', 1))


@pytest.mark.parametrize("text", [b"{}", b"1", b"null", b'"a"', b"true", b'{"a":[]}', b'"\\ud800"', b'{"a":"\\udc00"}'])
def test_other_json_is_no_array(text: bytes) -> None:
    with pytest.raises(NotAnArray):
        json_batch.split_array(text)


@pytest.mark.parametrize(
    "text", [b'["\xff"]', b'["\xed\xa0\x80"]', b'["\xc0\xaf"]', b'["\xf4\x90\x80\x80"]', b"\xff\xfe[\0]\0"]
)
def test_invalid_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        json_batch.split_array(text)


@pytest.mark.parametrize(
    "lone",
    [
        rb"\ud800",
        rb"\uDBFF",
        rb"\udc00",
        rb"\uDfFf",
        rb"\udc00\ud800",
        rb"\ud800\ud800",
        rb"\ud83dx\ude00",
        rb"\ud800\u0041",
        rb"\ud800\n",
        rb"\ud83d\ude00\ud83d",
    ],
)
@pytest.mark.parametrize("item", [b'"%s"', b'{"name": "%s"}', b'{"%s": 1}', b'[["%s"], 40.50]'])
def test_a_lone_surrogate_does_not_keep_its_batch_from_being_split(lone: bytes, item: bytes) -> None:
    item = item % lone
    assert texts(json_batch.split_array(b"[1, " + item + b', {"a": 2}]')) == [b"1", item, b'{"a": 2}']


def test_splitting_leniently_keeps_numbers_of_any_size() -> None:
    number = b"9" * 10_000 + b".50"
    assert texts(json_batch.split_array(b'["\\ud800",' + number + b"]")) == [b'"\\ud800"', number]


@pytest.mark.parametrize("lone", [b"", b'"\\ud800",'])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_refused_and_not_a_crash(lone: bytes, opening: bytes, closing: bytes) -> None:
    deep = b"[" + lone + opening * 100_000 + b"1" + closing * 100_000 + b"]"
    with pytest.raises(ValueError, match="nested too deeply"):
        json_batch.split_array(deep)
    unclosed = b"[" + lone + opening * 100_000
    with pytest.raises(ValueError, match=r".+"):
        json_batch.split_array(unclosed)


def test_depth_that_people_use_is_accepted() -> None:
    item = b"[" * 200 + b"]" * 200
    assert texts(json_batch.split_array(b"[" + item + b"]")) == [item]


@given(members=st.dictionaries(st.text(), JSON, max_size=6), indent=st.sampled_from([None, 2]))
def test_a_batchs_object_is_split_into_its_members_with_and_without_a_lone_surrogate(
    members: dict[str, Any], indent: int | None
) -> None:
    def split(text: str) -> dict[str, Any]:
        return {name: json.loads(bytes(value)) for name, value in json_batch.split_batch(text.encode()).items()}

    assert split(json.dumps(members, indent=indent)) == members
    assert split(json.dumps({**members, "\ud800": "\ud800"}, indent=indent)) == {**members, "\ud800": "\ud800"}


@pytest.mark.parametrize("lone", [b"", b'"more": "\\ud800",'])
def test_a_member_of_a_batch_is_the_senders_own_text(lone: bytes) -> None:
    value = b'[ {"a" : 1.50, "a": "}],{[\\"" } ,\t"\\\\"]'
    text = b" {\n" + lone + b' "\\u0065vents"\t:' + value + b" } "
    assert bytes(json_batch.split_batch(text)["events"]) == value


@pytest.mark.parametrize("lone", [b"1", b'"\\ud800"'])
def test_depth_in_a_batch_is_left_to_whoever_reads_the_item(lone: bytes) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    text = b'{"events": [' + lone + b", " + deep + b', {"a": 1}], "more": ' + deep + b"}"
    members = json_batch.split_batch(text)
    assert texts(json_batch.split_array(bytes(members["events"]), deep=True)) == [lone, deep, b'{"a": 1}']


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}}",
        b"{} x",
        b'{"a"}',
        b'{"a": }',
        b'{"a": 1,}',
        b'{,"a": 1}',
        b'{"a": 1 "b": 2}',
        b'{"a": 1]',
        b"{a: 1}",
        b'{"a": NaN}',
        b'{"a\t": 1}',
        b'{"a": "',
        b'{"a": "\\',
    ],
)
def test_a_broken_batch_is_a_value_error_with_and_without_a_lone_surrogate_or_depth(text: bytes) -> None:
    for broken in (
        text,
        text.replace(b"{", b'{"x": "\\ud800", ', 1),
        text.replace(b"{", b'{"x": ' + b"[" * 5_000 + b"]" * 5_000 + b", ", 1),
    ):
        with pytest.raises(ValueError, match=r".+") as refused:
            json_batch.split_batch(broken)
        assert not isinstance(refused.value, NotAnObject)


@pytest.mark.parametrize("text", [b"[]", b"1", b'"\\ud800"', b'["\\ud800"]', b"[" * 5_000 + b"]" * 5_000])
def test_other_json_is_no_batch(text: bytes) -> None:
    with pytest.raises(NotAnObject):
        json_batch.split_batch(text)


def test_text_that_is_never_closed_takes_no_more_than_one_look() -> None:
    hostile = b'{"x": "\\ud800", "y": "' + b'\\"' * 500_000
    with pytest.raises(ValueError, match=r".+"):
        json_batch.split_batch(hostile)


def test_an_object_with_lone_surrogates_is_cut_at_its_members() -> None:
    sent = b' {"a" : "\\ud800" , "b":[ {"}":1} ,"\\udfff"], "\\ud800": {"c": "\\\\\\""}, "d" :-1.50e3 } '
    expected = {"a": b'"\\ud800"', "b": b'[ {"}":1} ,"\\udfff"]', "\ud800": b'{"c": "\\\\\\""}', "d": b"-1.50e3"}
    assert {name: bytes(value) for name, value in json_batch.split_batch(sent).items()} == expected


@given(value=JSON)
def test_what_is_too_deep_to_be_read_changes_no_neighbour(value: Any) -> None:
    deep, sent = b"[" * 5_000 + b'"]\\"[,"' + b"]" * 5_000, json.dumps(value).encode()
    items = json_batch.split_array(b" [" + deep + b" ,\t" + sent + b"\r\n]", deep=True)
    assert texts(items) == [deep, sent]
    members = json_batch.split_batch(b'{"a" : ' + deep + b' , "b":' + sent + b"}\n")
    assert {name: bytes(text) for name, text in members.items()} == {"a": deep, "b": sent}


def test_an_array_of_too_many_items_is_counted_and_not_cut() -> None:
    for first in (b"0", b'"\\ud800"'):
        with pytest.raises(json_batch.TooMany) as refused:
            json_batch.split_array(b"[%s%s]" % (first, b",0" * 10), most=10)
        assert refused.value.count == "11"


@pytest.mark.parametrize("first", [b"0", b'"\\ud800"'])
def test_very_many_items_are_refused_before_they_take_memory(first: bytes) -> None:
    text = b"[%s%s]" % (first, b",0" * 1_000_001)
    tracemalloc.start()
    try:
        with pytest.raises(json_batch.TooMany, match="over 1000 items"):
            json_batch.split_array(text, most=1_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(text)
    nested = b"[[0%s]]" % (b",0" * 1_000_001)
    assert json_batch.split_array(nested, most=1) == [msgspec.Raw(nested[1:-1])]
