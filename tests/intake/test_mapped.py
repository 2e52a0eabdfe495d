"""Files as people have them: other encodings, decimal commas and dates, columns of other names, arrays of any size."""

from collections.abc import Iterator

import pytest
from sluice_client.cli import rows as loading

from ingest.errors import InvalidInput
from ingest.intake.array_lines import lines_of_array
from ingest.intake.csv_header import read_header
from ingest.intake.csv_rows import items_of_rows, lenient_item
from ingest.intake.mapped import DATE_FORMATS, Reading, in_utf8, iso_date, mapped, with_point
from ingest.jobs import CsvFormat


def _split(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1.234,50", "1234.50"), ("-7,25", "-7.25"), ("1 234", "1234"), ("1.5", "1.5"), ("viel", "viel"), ("", "")],
)
def test_a_number_with_a_decimal_comma_is_read_and_any_other_cell_stays(cell: str, number: str) -> None:
    assert with_point(cell) == number


@pytest.mark.parametrize(
    ("cell", "date_format", "has_time", "date"),
    [
        ("6.4.1990", "dd.mm.yyyy", False, "1990-04-06"),
        ("6.4.1990", "dd.mm.yyyy", True, "1990-04-06T00:00:00Z"),
        ("04/06/1990 7:05", "mm/dd/yyyy", True, "1990-04-06T07:05:00Z"),
        ("06/04/1990 07:05:09", "dd/mm/yyyy", False, "1990-04-06T07:05:09Z"),
        ("19900406", "yyyymmdd", False, "1990-04-06"),
        ("1990-04-06", "dd.mm.yyyy", False, "1990-04-06"),
        ("31.02.1990", "dd.mm.yyyy", False, "31.02.1990"),
        ("04/13/1990", "dd/mm/yyyy", False, "04/13/1990"),
        ("06.04.1990 25:00", "dd.mm.yyyy", True, "06.04.1990 25:00"),
    ],
)
def test_a_date_is_read_in_its_format(cell: str, date_format: str, *, has_time: bool, date: str) -> None:
    assert iso_date(cell, date_format, has_time=has_time) == date


def _as_loaded(title: str, cell: str, *, date_format: str | None = None) -> str:
    """Return a cell as `sluice load` sends it."""
    file = [f"{title}\n{cell}\n".encode()]
    edited = loading.edited(
        file, ";", columns={}, null=None, decimal_comma=None if date_format else frozenset(), date_format=date_format
    )
    return b"".join(edited).decode().splitlines()[1]


@pytest.mark.parametrize("cell", ["1.234,50", "+7", "-7,25", "1 234", "1\u00a0234,5", "1.5", "1,2,3", "viel"])
def test_sluice_load_reads_a_number_as_the_console_does(cell: str) -> None:
    assert _as_loaded("n:number", cell) == with_point(cell)


@pytest.mark.parametrize("date_format", DATE_FORMATS)
@pytest.mark.parametrize("title", ["d:date", "d:datetime"])
def test_sluice_load_reads_a_date_as_the_console_does(title: str, date_format: str) -> None:
    assert loading.DATE_FORMATS == DATE_FORMATS
    for cell in ("6.4.1990", "06/04/1990", "04/06/1990 7:05", "19900406 07:05:09", "1990-04-06", "31.2.1990", "x"):
        expected = iso_date(cell, date_format, has_time=title == "d:datetime")
        assert _as_loaded(title, cell, date_format=date_format) == expected


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_cells_are_changed_and_rows_keep_their_lines_however_a_file_arrives(size: int) -> None:
    file = 'ID;Saldo;Text\r\na;1,5;"x;\ny"\n\nb;"2,5";z\nc;3,5\n"d;4,5'.encode("utf-16")
    header = read_header(in_utf8(_split(file, size), "utf-16"), ";", longest=100)
    reading = Reading(["externalId", "balance:number", "Text:ignore"], decimal_comma=[1])
    changed = mapped(header, reading, ";", longest=100)
    assert changed.text == "externalId;balance:number;Text:ignore"
    assert b"".join(changed.rows) == b'a;1.5;"x;\ny"\n\nb;2.5;z\nc;3.5\n"d;4,5'
    rows = items_of_rows(b'a;1.5;"x;\ny"\n', 2, CsvFormat(changed.text, ";"))
    assert bytes(rows.texts[0]) == b'{"externalId":"a","data":{"balance":1.5}}'


def test_a_file_that_is_not_in_its_encoding_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not in utf-16"):
        list(in_utf8([b"abc"], "utf-16"))


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_an_array_becomes_a_line_an_item_however_it_arrives(size: int) -> None:
    text = b'\xef\xbb\xbf [{"a": "x, ]\\"",\n "b": [1, {}]}, 2 ,"\\\\"]  '
    lines = list(lines_of_array(_split(text, size), longest=100))
    assert lines == [b'{"a": "x, ]\\"",  "b": [1, {}]}\n', b"2\n", b'"\\\\"\n']


@pytest.mark.parametrize("text", [b"", b"{}", b"[1, 2", b'["' + b"x" * 200])
def test_what_is_no_array_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        list(lines_of_array([text], longest=100))


def test_a_row_with_a_cell_of_a_wrong_type_is_read_as_far_as_it_can_be() -> None:
    csv = CsvFormat("externalId,n:number,b:boolean")
    assert lenient_item(b"a,x,true", csv) == b'{"externalId":"a","data":{"n":"x","b":true}}'
    assert lenient_item(b"a,1", csv) is None
