"""The Python client cuts files of CSV where the server's records end."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice_client.cutting import CSV, cut

from tests.intake.test_csv_records import DELIMITERS, records_of

_BODIES = st.text(st.sampled_from(list('""",;\n\n\r\t a.§')), max_size=80).map(str.encode)


def ends_of_records(body: bytes, delimiter: str) -> set[int]:
    """The places behind the records of a body, byte by byte."""
    ends, place = {len(body)}, 0
    for _, record in records_of(body, delimiter):
        place += len(record) + 1
        ends.add(place)
    return ends


def check(body: bytes, delimiter: str, part_bytes: int) -> None:
    ends, place = ends_of_records(body, delimiter), 0
    for part in cut(io.BytesIO(body), CSV, part_bytes, delimiter=delimiter):
        place += len(part)
        assert place in ends
    assert place == len(body)


@given(body=_BODIES, delimiter=DELIMITERS, part_bytes=st.integers(1, 40))
def test_parts_end_where_records_of_the_server_do(body: bytes, delimiter: str, part_bytes: int) -> None:
    check(body, delimiter, part_bytes)


@pytest.mark.parametrize("delimiter", [",", "\t", "§"])
@pytest.mark.parametrize(
    "row",
    [
        b'1,"two\nlines",3\n',
        b'"two\nlines",1\r\n',
        b'5" disk,"two\n""lines""\n",6" disk\n',
        b'"x" y "z,1\n',
        b"1," + b'"' + b'""\n' * 150 + b'"\n',
    ],
)
def test_no_part_ends_within_a_field(row: bytes, delimiter: str) -> None:
    body = b"a,b\n" + 3 * row + b"1,2\n"
    for part_bytes in range(1, len(body), 1 + len(body) // 100):
        check(body.replace(b",", delimiter.encode()), delimiter, part_bytes)


@pytest.mark.parametrize("spelled", ["tab", "\t"])
def test_the_client_cuts_at_the_delimiter_as_the_server_spells_it(spelled: str) -> None:
    body = b'a\tb\n1\t"x\nyz"\n2\tz\n'
    assert list(cut(io.BytesIO(body), CSV, 8, delimiter=spelled)) == [b"a\tb\n", b'1\t"x\nyz"\n2\tz\n']


def test_a_mark_of_utf_8_hides_no_quote_that_opens_a_field() -> None:
    body = b'\xef\xbb\xbf"a\nb"\n1\n'
    assert list(cut(io.BytesIO(body), CSV, 8)) == [body]


def test_rows_of_nothing_but_quoted_fields_are_cut_as_finely_as_others() -> None:
    assert max(map(len, cut(io.BytesIO(b'"a","b"\n' * 1000), CSV, 100))) <= 100
