"""A row of CSV becomes the JSON that its sender would have sent; a bad one becomes an error, and sinks no neighbour."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.intake.blocks import blocks_of_rows
from ingest.intake.items import Unreadable
from ingest.intake.payloads import items_of as read
from ingest.jobs import CsvFormat
from tests.intake.test_csv_records import chunked

HEADER = "externalId,entityType,name,address.city,address.zip,at"


def items_of(body: str | bytes, csv_format: CsvFormat) -> list[Any]:
    """Each item decoded, or the error in its place; numbers as they are spelled."""
    sent = body.encode() if isinstance(body, str) else body
    found: list[Any] = []
    for block in blocks_of_rows([sent], csv_format.delimiter, longest=1_000_000):
        items = read(block.payload, block.first_line, csv_format)
        found += [
            items.unreadable.get(place) or json.loads(bytes(text), parse_float=str, parse_int=str)
            for place, text in enumerate(items.texts)
        ]
    return found


def data_of(body: str, header: str, **rules: Any) -> list[Any]:
    """The data of each item, or the message of its error."""
    return [
        item.message if isinstance(item, Unreadable) else item["data"]
        for item in items_of(body, CsvFormat(header, **rules))
    ]


def written(table: Sequence[Sequence[str]], **dialect: Any) -> str:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(table)
    return text.getvalue()


def nested(cells: Sequence[str], empty: str) -> dict[str, Any]:
    """The item of a row below HEADER."""
    given = {"absent": (), "null": (None,), "string": ("",)}[empty]
    names = HEADER.split(",")
    members = {name: cell or given[0] for name, cell in zip(names, cells, strict=True) if cell or given}
    item = {name: members[name] for name in names[:2] if name in members}
    data = {name: members[name] for name in ("name", "at") if name in members}
    address = {name.split(".")[1]: members[name] for name in names[3:5] if name in members}
    return {**item, "data": data | ({"address": address} if address else {})}


_CELLS = st.one_of(
    st.just(""), st.text(max_size=8), st.sampled_from(['"', "\\", "%s", "a,b", "\x01\x05", "\x00", "\u2028"])
)


@settings(deadline=None, max_examples=300)
@given(
    table=st.lists(st.lists(_CELLS, min_size=6, max_size=6), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|", "§"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    empty=st.sampled_from(["absent", "null", "string"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=4),
)
def test_any_table_of_texts_reads_as_the_json_that_says_the_same(
    table: list[list[str]], delimiter: str, quoting: int, empty: str, cuts: list[int]
) -> None:
    body = written(table, delimiter=delimiter, quoting=quoting).encode()
    csv_format = CsvFormat(HEADER.replace(",", delimiter), delimiter, empty)
    found = []
    for block in blocks_of_rows(chunked(body, cuts), delimiter, longest=100_000):
        items = read(block.payload, block.first_line, csv_format)
        assert items.unreadable == {}
        found += [json.loads(bytes(text)) for text in items.texts]
    assert found == [nested(row, empty) for row in table]


@pytest.mark.parametrize("number", ["0", "-0", "1", "-1.50", "1e5", "1E-05", "123456789012345678901234567890", "0.10"])
def test_a_number_is_stored_as_it_is_written(number: str) -> None:
    assert data_of(f"1,{number}\n", "externalId,n:number") == [{"n": number}]


@pytest.mark.parametrize(
    "cell",
    [
        "x",
        "01",
        "+1",
        "1.",
        ".5",
        " 1",
        "1 ",
        "NaN",
        "Infinity",
        "1,2",
        "1e",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "true",
        "1\n2",
    ],
)
def test_a_number_that_json_does_not_have_is_an_error_of_its_column(cell: str) -> None:
    [before, bad, after] = data_of(written([["1", "1"], ["2", cell], ["3", "3"]]), "externalId,n:number")
    assert (before, after) == ({"n": "1"}, {"n": "3"})
    assert bad == 'Column "n:number" must be a number as JSON writes it, such as 145.50'


@pytest.mark.parametrize("cell", ["True", "1", "yes", "null", " true"])
def test_booleans_are_true_and_false_alone(cell: str) -> None:
    [good, bad] = data_of(f"1,true\n2,{cell}\n", "externalId,b:boolean")
    assert good == {"b": True}
    assert bad == 'Column "b:boolean" must be true or false'


@pytest.mark.parametrize(
    ("cell", "value"),
    [("null", None), (' {"a": [1.50, "é"]} ', {"a": ["1.50", "é"]}), ('"\\n"', "\n"), ("[1,\n2]", ["1", "2"])],
)
def test_a_cell_of_json_is_the_value_itself(cell: str, value: object) -> None:
    assert data_of(written([["1", cell]]), "externalId,j:json") == [{"j": value}]


@pytest.mark.parametrize("cell", ["x", "{", "1 2", "[1,]", '"\x01"', "{}\x05{}", '{"a": 1}, "b": {}'])
def test_a_cell_that_is_not_one_json_value_is_an_error_of_its_column(cell: str) -> None:
    [good, bad] = data_of(written([["1", "{}"], ["2", cell]]), "externalId,j:json")
    assert (good, bad) == ({"j": {}}, 'Column "j:json" must be one JSON value')


TYPED = "externalId,t,n:number,b:boolean,j:json"


@pytest.mark.parametrize(("empty", "data"), [("absent", {}), ("null", dict.fromkeys("tnbj"))])
def test_an_empty_cell_of_any_type_is_absent_or_null(empty: str, data: dict[str, None]) -> None:
    full = {"t": "x", "n": "1", "b": False, "j": []}
    assert data_of("1,,,,\n2,x,1,false,[]\n", TYPED, empty=empty) == [data, full]


def test_an_empty_cell_that_is_a_text_is_an_error_in_a_typed_column() -> None:
    [text, number, all_of_them] = items_of('1,,1,true,1\n2,x,,true,1\n3,"",,,\n', CsvFormat(TYPED, empty="string"))
    assert text["data"]["t"] == ""
    assert number.message.startswith('Column "n:number" must be a number')
    assert number.message.endswith("it is empty, which is a text by ?empty=string")
    assert [f'"{name}"' in all_of_them.message for name in TYPED.split(",")] == [False, False, True, True, True]
    assert (number.code, number.external_id) == ("VALIDATION_FAILED", "2")


def test_an_object_whose_cells_are_all_absent_is_absent() -> None:
    header = "externalId,a.b.c,a.d,j:json"
    assert data_of("1,,,\n2,x,,{}\n3,,y,\n", header) == [{}, {"a": {"b": {"c": "x"}}, "j": {}}, {"a": {"d": "y"}}]
    assert data_of("1,,,\n", header, empty="null") == [{"a": {"b": {"c": None}, "d": None}, "j": None}]


def test_json_that_is_too_deep_to_be_read_takes_no_other_item_with_it() -> None:
    deep = "[" * 100_000 + "\x05" + "]" * 100_000
    assert data_of(written([["1", "1"], ["2", deep], ["3", "3"]]), "externalId,j:json") == [
        {"j": "1"},
        'Column "j:json" must be one JSON value',
        {"j": "3"},
    ]


def test_a_name_may_hold_what_formats_texts() -> None:
    assert data_of("1,x,y\n2,,z\n", "externalId,%s,100%") == [{"%s": "x", "100%": "y"}, {"100%": "z"}]


def test_columns_of_one_object_need_not_stand_side_by_side() -> None:
    assert data_of("1,x,2,y\n", "externalId,a.b,c:number,a.d") == [{"a": {"b": "x", "d": "y"}, "c": "2"}]


def test_a_ragged_row_names_a_column_and_sinks_no_neighbour() -> None:
    found = data_of("1,a,b\n2,a\n3\n4,a,b,c,d\n5,a,b\n", "externalId,one,two")
    assert found == [
        {"one": "a", "two": "b"},
        'The row has 2 cells where the header has 3: none for column "two"',
        'The row has 1 cells where the header has 3: none for column "one"',
        'The row has 5 cells where the header has 3: the last column is "two"',
        {"one": "a", "two": "b"},
    ]


def test_records_that_are_no_csv_are_told_apart_and_sink_no_neighbour() -> None:
    body = b'1,a\n2,"a"b\n3,a\rb\n4,\xff\n5,a\n6,"open\n7,a\n'
    found = items_of(body, CsvFormat("externalId,one"))
    assert [isinstance(item, Unreadable) for item in found] == [False, True, True, True, False, True]
    assert {item.code for item in found if isinstance(item, Unreadable)} == {"VALIDATION_FAILED"}
    assert "closing quote" in found[1].message
    assert "carriage return" in found[2].message
    assert "not valid UTF-8 (byte 2)" in found[3].message
    assert "never closed" in found[5].message


@pytest.mark.parametrize("row", [b"\x005 7", b"\x005 7\r", b"\0" + b"1" * 5_000 + b" 7"])
@pytest.mark.parametrize("good", [b"1,a\n", b'"1",a\n'])
def test_no_sent_row_is_taken_for_one_that_is_too_large(row: bytes, good: bytes) -> None:
    before, error, after = items_of(good + row + b"\n" + good, CsvFormat("externalId,one"))
    assert before == after == {"externalId": "1", "data": {"one": "a"}}
    assert error.code == "VALIDATION_FAILED"


def test_a_row_that_begins_with_a_nul_is_read_as_it_was_sent() -> None:
    assert items_of("\0a,b\n\0\0a,b\n", CsvFormat("externalId,one")) == [
        {"externalId": name, "data": {"one": "b"}} for name in ("\0a", "\0\0a")
    ]


def test_an_error_tells_ten_faults_of_a_row_and_how_many_more() -> None:
    header = ",".join(["externalId", *(f"n{n}:number" for n in range(1, 13))])
    [ten] = data_of("1" + ",x" * 10 + ",1,1\n", header)
    assert (ten.count("must be"), "more" in ten) == (10, False)
    [twelve] = data_of("1" + ",x" * 12 + "\n", header)
    assert (twelve.count("must be"), twelve.endswith("; and 2 more")) == (10, True)


def test_an_id_that_can_be_read_stands_in_the_error() -> None:
    csv_format = CsvFormat("n:number,externalId")
    found = items_of(f"x,p1\nx,{'p' * 501}\nx,\nx\n", csv_format)
    assert [item.external_id for item in found] == ["p1", None, None, None]


def test_constants_fill_all_rows_and_data_is_there_where_it_must_be() -> None:
    with_type = CsvFormat("externalId", constants=(("entityType", 'a "%s" b'),))
    assert items_of("1\n2\n", with_type) == [
        {"entityType": 'a "%s" b', "externalId": str(n), "data": {}} for n in (1, 2)
    ]
    state = CsvFormat("externalId,value", constants=(("stateKey", "balance"),), has_data=False)
    assert items_of("1,2\n3,\n", state) == [
        {"stateKey": "balance", "externalId": "1", "value": "2"},
        {"stateKey": "balance", "externalId": "3"},
    ]


def test_a_cell_larger_than_the_limit_of_python_s_reader_is_read() -> None:
    assert csv.field_size_limit() > 1_000_000
    assert data_of(f"1,{'x' * 90_000}\n" * 3, "externalId,x") == [{"x": "x" * 90_000}] * 3


def test_rows_of_100_000_columns_are_read() -> None:
    header = ",".join(["externalId", *(f"o{n % 1_000}.c{n}" for n in range(99_999))])
    [block] = blocks_of_rows([b"1" + b"," * 99_999 + b"\n" + b"2" + b",x" * 99_999], ",", longest=sys.maxsize)
    items = read(block.payload, 1, CsvFormat(header))
    assert bytes(items.texts[0]) == b'{"externalId":"1","data":{}}'
    assert len(json.loads(bytes(items.texts[1]))["data"]["o999"]) == 99


@settings(deadline=None, max_examples=200)
@given(
    table=st.lists(st.lists(st.text("ab é%,", max_size=3), min_size=1, max_size=4), min_size=1, max_size=8),
    delimiter=st.sampled_from([";", "\t", "§"]),
    end=st.sampled_from(["\n", "\r\n"]),
    empty=st.sampled_from(["absent", "null", "string"]),
)
def test_a_text_that_needs_no_quotes_reads_as_one_that_has_them(
    table: list[list[str]], delimiter: str, end: str, empty: str
) -> None:
    csv_format = CsvFormat(f"externalId{delimiter}a.b{delimiter}a.c", delimiter, empty)
    rows = [row for row in table if len(row) > 1 or row[0].strip()]
    bare, quoted = (
        items_of(written(rows, delimiter=delimiter, lineterminator=end, quoting=quoting), csv_format)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    assert bare == quoted


def test_rows_whose_cells_add_up_are_ragged_all_the_same() -> None:
    few, many = data_of("1,a\n2,b,c,d\n", "externalId,one,two")
    assert ("has 2 cells" in few, "has 4 cells" in many) == (True, True)
