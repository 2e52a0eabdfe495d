"""Rows of error files (docs/contracts/jobs.md section 4)."""

from typing import Any

import pytest

from ingest.intake.csv_errors import CsvErrors
from ingest.jobs import CsvFormat, ItemError

NOTE = b",3,7,C,/x,m\n"


def row(header: str, record: bytes | None) -> bytes:
    file = CsvErrors(CsvFormat(header=header))
    return file.row(ItemError(3, None, "C", "m", 7, field="/x", item=record, patched=False))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"1,2,3", b"1,2,3"),
        (b'"1",2,"a,""b"""', b'"1",2,"a,""b"""'),
        (b'1,"two\nlines",3', b'1,"two\nlines",3'),
        (b"1", b"1,,"),
        (b",,", b",,"),
        (b"1,2,3,4", b'1,2,"3,4"'),
        (b'1,2,"3",4,"5"', b'1,2,"""3"",4,""5"""'),
        (b"1,2,3\r", b"1,2,3"),
        (b"1,\xff", b"1,\xff,"),
        (None, b",,"),
    ],
    ids=range(10),
)
def test_a_row_has_the_sender_s_cells_as_they_were_sent(record: bytes | None, expected: bytes) -> None:
    assert row("a,b,c", record) == expected + NOTE


def test_the_columns_of_an_earlier_note_are_replaced() -> None:
    header = "a,sluice_code,b,sluice_message"
    assert CsvErrors(CsvFormat(header=header)).header().startswith(b"a,b,sluice_index,sluice_line,sluice_code,")
    assert row(header, b"1,OLD,2,old") == b"1,2" + NOTE


@pytest.mark.parametrize(
    "record",
    [b'1,"open', b'1,"2"x,3', b'1,"2"x,"open', b"1,a\rb,3", b'\xff,"open', b"1,2,\xff,4", b'"\xff",', b'"a,\xff"'],
    ids=range(8),
)
def test_a_row_that_cannot_be_cut_into_cells_is_the_first_cell(record: bytes) -> None:
    assert row("a,b,c", record) == b'"%b",,' % record.replace(b'"', b'""') + NOTE


def test_a_row_of_an_error_file_with_other_cells_than_its_header_is_the_first_cell() -> None:
    assert row("a,b,sluice_message", b"1,old") == b'"1,old",' + NOTE


def test_a_note_that_holds_the_delimiter_or_a_quote_is_quoted() -> None:
    file = CsvErrors(CsvFormat(header='"a"_b', delimiter="_"))
    assert file.header() == b'"a"_b_"sluice_index"_"sluice_line"_"sluice_code"_"sluice_field"_"sluice_message"\n'
    error = ItemError(0, None, "NOT_FOUND", 'say "x"\ny', item=b"1_2", patched=False)
    assert file.row(error) == b'1_2_0__"NOT_FOUND"__"say ""x""\ny"\n'


HEADER = "externalId,entityType,n:number,tags:json,a.b"


def patched(item: bytes, header: str = HEADER, **rules: Any) -> bytes:
    file = CsvErrors(CsvFormat(header=header, **rules))
    return file.row(ItemError(3, None, "C", "m", 7, field="/x", item=item, patched=True))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (b'{"entityType":"e","externalId":"p1","data":{"n":1.50,"a":{"b":"x"}}}', b"p1,e,1.50,,x"),
        (b'{"externalId":"p,1","data":{"tags":["a\\n",1]}}', b'"p,1",,,"[""a\\n"",1]",'),
        (b'{"externalId":"p\\"1","data":{"tags":"x"}}', b'"p""1",,,"""x""",'),
    ],
    ids=range(3),
)
def test_a_patched_item_has_the_cells_of_the_row_that_makes_it(item: bytes, expected: bytes) -> None:
    assert patched(item) == expected + NOTE


@pytest.mark.parametrize(
    "item",
    [
        b'{"externalId":"p1","data":{"other":1}}',
        b'{"externalId":"p1","data":{"n":"1"}}',
        b'{"externalId":"","data":{}}',
        b'{"externalId":null,"data":{}}',
        b'{"externalId":"p1"}',
        b'{"externalId":"p1","data":{"a":{}}}',
        b'{"externalId":"\\ud800","data":{}}',
        b'["p1"]',
        b"null",
    ],
    ids=range(9),
)
def test_a_patched_item_that_no_row_makes_is_the_first_cell_as_json_and_says_so(item: bytes) -> None:
    line = patched(item)
    assert line.startswith(b'"%b",,,,,3,7,C,/x,"No row of these columns' % item.replace(b'"', b'""'))
    assert line.endswith(b' JSON. m"\n')


def test_a_patched_item_may_be_null_or_empty_where_empty_cells_say_so() -> None:
    item = b'{"externalId":"p1","entityType":"e","data":{"a":null}}'
    assert patched(item, "externalId,entityType,a", empty="null") == b"p1,e," + NOTE
    item = item.replace(b"null", b'""')
    assert patched(item, "externalId,entityType,a", empty="string") == b"p1,e," + NOTE
