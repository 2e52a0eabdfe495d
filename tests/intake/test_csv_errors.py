"""Rows of error files (docs/contracts/jobs.md section 4)."""

import pytest

from ingest.intake.csv_errors import CsvErrors
from ingest.jobs import CsvFormat, ItemError

NOTE = b",3,7,C,/x,m\n"


def row(header: str, record: bytes | None, *, is_last: bool = False, delimiter: str = ",") -> bytes:
    file = CsvErrors(CsvFormat(header=header, delimiter=delimiter))
    return file.row(ItemError(3, None, "C", "m", 7, field="/x", item=record), is_last=is_last)


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
        (b'1,"2"x,3', b'1,"2"x,3'),
        (b"1,\xff", b"1,\xff"),
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


def test_a_row_in_an_open_quote_takes_no_rows_behind_it() -> None:
    assert row("a,b", b'1,"open') == b'"1,""open",' + NOTE
    assert row("a,b", b'1,"open', is_last=True) == b'1,"open' + NOTE


def test_a_note_that_holds_the_delimiter_or_a_quote_is_quoted() -> None:
    file = CsvErrors(CsvFormat(header='"a"_b', delimiter="_"))
    assert file.header() == b'"a"_b_"sluice_index"_"sluice_line"_"sluice_code"_"sluice_field"_"sluice_message"\n'
    error = ItemError(0, None, "NOT_FOUND", 'say "x"\ny', item=b"1_2")
    assert file.row(error, is_last=False) == b'1_2_0__"NOT_FOUND"__"say ""x""\ny"\n'
