"""CSV is cut into records as it arrives, wherever a body is cut into chunks, by the rules of Python's own reader."""

import csv
import io
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.intake.blocks import blocks_of_rows
from ingest.intake.csv_header import row_bytes
from ingest.intake.csv_records import cut_records, grammar_of
from ingest.intake.csv_rows import items_of_rows
from ingest.intake.items import Unreadable
from ingest.intake.lines import Lines
from ingest.intake.payloads import items_of, json_bytes
from ingest.jobs import CsvFormat

LONGEST = 4  # so that many are too large
DELIMITERS = st.sampled_from([",", ";", "\t", "|", " ", ".", "§", "€", "\x01", "a"])

# All that decides where a record ends; and both bytes of a delimiter that has two.
_BODIES = st.text(st.sampled_from(list('""",;\n\n\r\t a.§\xa7')), max_size=80).map(str.encode)
_CUTS = st.lists(st.integers(0, 10_000), max_size=6)


def chunked(body: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


def records_of(body: bytes, delimiter: str) -> list[tuple[int, bytes]]:
    """Each record with the number of its first line, byte by byte: a field is new, bare, quoted or closed."""
    text, mark = body.decode(), delimiter
    found: list[tuple[int, bytes]] = []
    state, begun, line, first = "new", "", 1, 1
    for letter in text:
        if letter == "\n":
            line += 1
        if letter == "\n" and state != "quoted":
            found.append((first, begun.encode()))
            state, begun, first = "new", "", line
            continue
        begun += letter
        if state == "quoted":
            state = "closed" if letter == '"' else "quoted"
        elif letter == mark:
            state = "new"
        elif letter == '"' and state in {"new", "closed"}:
            state = "quoted"
        else:
            state = "bare"
    return [*found, (first, begun.encode())] if begun else found


def is_blank(record: bytes, delimiter: str) -> bool:
    return re.fullmatch(rb"[ \r\t]*", record) is not None and delimiter.encode() not in record


def cut(body: bytes, delimiter: str, cuts: list[int], *, piece: int, most: int = 3, longest: int) -> list[Lines]:
    return list(
        cut_records(
            chunked(body, cuts),
            grammar_of(delimiter),
            most_records=most,
            most_bytes=1_000,
            longest=longest,
            piece_bytes=piece,
        )
    )


@settings(deadline=None, max_examples=1_000)
@given(body=_BODIES, delimiter=DELIMITERS, cuts=_CUTS, piece=st.integers(1, 30), most=st.integers(1, 4))
@example(body=b"a\n" + b" " * 20 + b"\r\nb\n", delimiter=",", cuts=[], piece=3, most=2)
@example(body=b"a\n" + b" " * 20 + b"\nb\n", delimiter=".", cuts=[], piece=100, most=2)
@example(body=b"a\n" + b"\t" * 20 + b"\nb\n", delimiter="\t", cuts=[], piece=3, most=2)
@example(body=b"aaaaaaa," + b" " * 20 + b"\nb\n", delimiter=",", cuts=[], piece=8, most=2)
@example(body=b"a\n" + b" " * 20 + b"b\nb\n", delimiter=",", cuts=[], piece=3, most=2)
@example(body=b"a\n" + b" " * 20, delimiter=",", cuts=[], piece=3, most=2)
@example(body=b"\x005 4\n\0\nb\n", delimiter=",", cuts=[], piece=3, most=2)
def test_web_and_worker_find_the_same_records_whatever_a_body_holds(
    body: bytes, delimiter: str, cuts: list[int], piece: int, most: int
) -> None:
    wanted = [(line, record) for line, record in records_of(body, delimiter) if not is_blank(record, delimiter)]
    blocks = cut(body, delimiter, cuts, piece=piece, most=most, longest=LONGEST)
    found: list[tuple[int, Unreadable | None]] = []
    for block in blocks:
        items = items_of_rows(b"".join(block.parts), block.first, CsvFormat("x", delimiter))
        assert len(items.texts) == block.items
        assert items.lines is not None
        found += [(line, items.unreadable.get(place)) for place, line in enumerate(items.lines)]
    assert [line for line, _ in found] == [line for line, _ in wanted]
    for (_, fault), (_, record) in zip(found, wanted, strict=True):
        too_large = len(record.removesuffix(b"\r")) > LONGEST
        assert (fault is not None and fault.code == "ITEM_TOO_LARGE") == too_large
        assert not too_large or f"has {len(record)} bytes" in fault.message  # type: ignore[union-attr]


@settings(deadline=None, max_examples=300)
@given(body=_BODIES, delimiter=DELIMITERS, cuts=_CUTS, piece=st.integers(1, 30))
def test_chunks_and_pieces_change_nothing(body: bytes, delimiter: str, cuts: list[int], piece: int) -> None:
    assert cut(body, delimiter, cuts, piece=piece, longest=1_000) == cut(
        body, delimiter, [], piece=1_000, longest=1_000
    )


@settings(deadline=None, max_examples=1_000)
@given(body=_BODIES, delimiter=DELIMITERS, at=st.integers(0, 100), ends=st.booleans())
def test_what_stands_for_the_begin_of_a_record_goes_on_as_the_record_would(
    body: bytes,
    delimiter: str,
    at: int,
    ends: bool,  # noqa: FBT001 # hypothesis names it
) -> None:
    grammar = grammar_of(delimiter)
    place = at % (len(body) + 1)
    begun, tail = grammar.split(body[:place])[1], body[place:] + b'"\n' * ends
    whole, of_whole = grammar.split(begun + tail)
    short, of_short = grammar.split(grammar.shortened(begun) + tail)
    assert len(grammar.shortened(begun)) <= 4
    assert [len(record) for record in short[1:]] == [len(record) for record in whole[1:]]
    assert (len(short), of_short == of_whole or not whole) == (len(whole), True)


def test_lines_behind_a_large_record_keep_their_numbers() -> None:
    body = b'1\n"\n\nlarge"\n5\n6\n'
    [(before, _), (after, last)] = [
        (block, items_of_rows(b"".join(block.parts), block.first, CsvFormat("x")))
        for block in cut(body, ",", [], piece=3, most=10, longest=LONGEST)
    ]
    assert (before.first, after.first, list(last.lines or ())) == (1, 5, [5, 6])


def test_a_delimiter_that_is_cut_in_two_is_one_all_the_same() -> None:
    grammar = grammar_of("§")
    records, rest = grammar.split(grammar.shortened(b"large\xc2") + b'\xa7"a\nb"\n')
    assert (len(records), rest) == (1, b"")


def test_a_carriage_return_at_its_end_makes_no_record_too_large() -> None:
    [block] = blocks_of_rows([b"1234\r\n12345\r\n"], ",", longest=LONGEST)
    assert list(items_of(block.payload, 1, CsvFormat("x")).unreadable) == [1]


_TABLES = st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=4), max_size=8)


@settings(deadline=None, max_examples=300)
@given(
    table=_TABLES,
    delimiter=DELIMITERS,
    end=st.sampled_from(["\r\n", "\n"]),
    cuts=_CUTS,
    piece=st.integers(1, 50),
)
def test_records_and_their_lines_are_those_of_python_s_reader(
    table: list[list[str]], delimiter: str, end: str, cuts: list[int], piece: int
) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    body = written.getvalue()
    reader = csv.reader(io.StringIO(body, newline="\n"), delimiter=delimiter, strict=True)
    wanted, line = [], 1
    for row in reader:
        wanted.append((line, row))
        line = reader.line_num + 1
    found = []
    for block in cut(body.encode(), delimiter, cuts, piece=piece, most=2, longest=10_000):
        line = block.first
        for record in grammar_of(delimiter).split(b"".join(block.parts))[0]:
            found.append((line, next(csv.reader([record.decode()], delimiter=delimiter, strict=True))))
            line += record.count(b"\n") + 1
    assert found == wanted


def test_a_quote_within_a_bare_field_opens_nothing() -> None:
    body = b'1,5" disk\n2,"five ""inch"" disk"\n3,disk 5"\n'
    records, rest = grammar_of(",").split(body)
    assert records == [b'1,5" disk', b'2,"five ""inch"" disk"', b'3,disk 5"']
    assert rest == b""


def test_a_tab_is_blank_unless_it_is_the_delimiter() -> None:
    assert grammar_of(",").is_blank(b" \t\r")
    assert not grammar_of("\t").is_blank(b" \t\r")
    assert grammar_of("\t").is_blank(b"  \r")
    assert not grammar_of(",").is_blank(b"\x0c")


@pytest.mark.parametrize("quote", [b'"', b""])
def test_a_record_of_a_gigabyte_is_told_of_by_its_length(quote: bytes) -> None:
    megabyte = (b"x" * 127 + (b"\n" if quote else b"x")) * 8 * 1024
    chunks = (chunk for chunk in [b"1\n", quote, *[megabyte] * 1024, quote, b"\n3\n"])
    blocks = list(blocks_of_rows(chunks, ",", longest=LONGEST))
    assert sum(len(block.payload) for block in blocks) < 1_000
    read = [items_of(block.payload, block.first_line, CsvFormat("externalId")) for block in blocks]
    length = 1024**3 + 2 * len(quote)
    [fault] = read[0].unreadable.values()
    assert fault.code == "ITEM_TOO_LARGE"
    assert fault.message.startswith(f"The item has {length} bytes; the most is {LONGEST}")
    last = read[-1]
    assert last.lines is not None
    assert last.lines[-1] == (3 + 8 * 1024 * 1024 if quote else 3)
    assert bytes(last.texts[-1]) == b'{"externalId":"3","data":{}}'


def test_long_names_make_small_blocks() -> None:
    rows = b"x\n" * 1_000
    [few] = blocks_of_rows([rows], ",", longest=100, row_bytes=500)
    assert few.items == 1_000
    assert [block.items for block in blocks_of_rows([rows], ",", longest=100, row_bytes=10_000)] == [420, 420, 160]


def test_the_items_of_a_block_are_not_much_larger_than_a_block_of_json() -> None:
    csv_format = CsvFormat(",".join(f"a_long_name_of_column_{number}" for number in range(30)), empty="string")
    blocks = list(blocks_of_rows([b"," * 29 + b"\n"] * 20_000, ",", longest=1_000, row_bytes=row_bytes(csv_format)))
    texts = items_of(blocks[0].payload, 2, csv_format).texts
    assert 3_000_000 < sum(map(len, texts)) < json_bytes(blocks[0].payload, blocks[0].items, csv_format) < 4_500_000
