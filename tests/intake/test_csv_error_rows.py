"""Unchanged rows of an error file are read as the rows that were sent (docs/contracts/jobs.md section 4)."""

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.intake.blocks import blocks_of_rows
from ingest.intake.csv_errors import CsvErrors
from ingest.intake.csv_header import NOTE_COLUMNS, NUMBER, RowTypes, columns_of
from ingest.intake.items import Items, Unreadable
from ingest.intake.payloads import items_of, kept_text
from ingest.jobs import CsvFormat, ItemError

HEADERS = [
    ["externalId", "entityType", "n", "flag:boolean"],
    ["externalId"],
    ["sluice_message", "externalId", "sluice_code", "entityType", "n", "sluice_line"],
    ["externalId", "entityType", "sluice_message"],
    ["externalId", "sluice_index", "n"],
    ["externalId", "entityType", "n", *NOTE_COLUMNS],
]


def types_of(rules: CsvFormat) -> RowTypes | None:
    """Return types as of a template of two entity types, of which one has a number `n`."""
    titles = [column.title for column in columns_of(rules)]
    if "entityType" not in titles or "n" not in titles:
        return None
    return RowTypes("entityType", (("e", ((titles.index("n"), NUMBER),)), ("f", ())))


def read(rows: bytes, rules: CsvFormat, *, longest: int = 10_000) -> Items | None:
    """Return the items of a body below its header; None where it has none."""
    blocks = list(blocks_of_rows([rows], rules.delimiter, longest=longest))
    found = [items_of(block.payload, block.first_line, rules, types_of(rules)) for block in blocks]
    texts, unreadable, records = [], {}, []
    patched: set[int] = set()
    for items in found:
        unreadable |= {len(texts) + place: reason for place, reason in items.unreadable.items()}
        patched |= {len(texts) + place for place in items.patched}
        texts += items.texts
        records += items.records or []
    return Items(texts, unreadable, None, records, patched=patched) if texts else None


def meant(items: Items, *, with_widths: bool = True) -> list[Any]:
    """Return what is told of each row: its item, or what is wrong with it."""
    return [
        _told(items.unreadable[place], with_widths=with_widths) if place in items.unreadable else bytes(text)
        for place, text in enumerate(items.texts)
    ]


def _told(reason: Unreadable, *, with_widths: bool) -> tuple[Any, ...]:
    if reason.code == "ITEM_TOO_LARGE" or (reason.message.startswith("The row has ") and not with_widths):
        return (reason.code,)
    return reason[:4]


def error_of(items: Items, place: int) -> ItemError:
    text = kept_text(items, place, most_bytes=1_000)
    patched = place in items.patched
    if (reason := items.unreadable.get(place)) is None:
        return ItemError(place, None, "NOT_FOUND", "There is no such entity", 7, item=text, patched=patched)
    field = "".join(f"/{name}" for name in reason.path or ()) or None
    return ItemError(place, reason.external_id, reason.code, reason.message, 7, False, field, text, patched)


def file_of(items: Items, rules: CsvFormat) -> tuple[bytes, CsvFormat]:
    """Return the rows of an error file of all of these items, and the way to read it."""
    file = CsvErrors(rules, types_of(rules))
    header = file.header().decode().removesuffix("\n")
    rows = b"".join(file.row(error_of(items, place)) for place in range(len(items.texts)))
    return rows, CsvFormat(header=header, delimiter=rules.delimiter, empty=rules.empty, constants=rules.constants)


# "|" stands for the delimiter.
_BYTES = [bytes([byte]) for byte in b'|||"ef1x \r\0\xff\xc2']
_TEXTS = [
    b'""',
    b"\xc3\xa9",
    b"{}",
    b"p1",
    b"true",
    b"x" * 40,
    b"NOT_FOUND",
    b"ITEM_TOO_LARGE",
    b"The row has 3 cells where the header has 2: ",
    b"The row is not valid CSV: ",
    b"No row of these columns makes this item, so the first cell has it as JSON. ",
    b'"{""externalId"":""p"",""entityType"":""e"",""data"":{}}"',
]
_PARTS = st.sampled_from([*_BYTES, *_TEXTS])
_ROW = st.lists(_PARTS, min_size=1, max_size=12).map(b"".join)


@given(
    rows=st.lists(_ROW, min_size=1, max_size=8),
    header=st.sampled_from(HEADERS),
    delimiter=st.sampled_from([",", ";", "\t", "§"]),
    empty=st.sampled_from(["absent", "null", "string"]),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
@example([b'p1|"open'], HEADERS[0], ",", "absent", b"\n")
@example([b"\xff"], HEADERS[0], ",", "absent", b"\n")
@example([b"\xff"], HEADERS[1], ",", "absent", b"\n")
@example([b"p1|e|x|y", b"p2|f|x|y"], HEADERS[0], ",", "absent", b"\n")
@example([b"p1"], HEADERS[5], ",", "absent", b"\n")
@example([b'p1|"open', b"p2|e"], HEADERS[0], ",", "absent", b"\n")
@example([b"p1|e|x|y\r"], HEADERS[0], ",", "absent", b"\r\n")
@example([b"p1|e|x|y|z", b"p2", b"p3|f|x|true"], HEADERS[0], ",", "absent", b"\n")
@example([b"x" * 70, b"p2|e|1|true"], HEADERS[0], ",", "absent", b"\n")
@example([b"\0p1|e", b"\0" + b"5 6"], HEADERS[0], ",", "absent", b"\n")
@example([b'p1|"e"|x|y'], HEADERS[0], ",", "absent", b"\n")
def test_rows_of_an_unchanged_error_file_are_the_rows_that_were_sent(
    rows: list[bytes], header: list[str], delimiter: str, empty: str, end: bytes
) -> None:
    constants = (("eventType", "t"),) if "entityType" in header else (("entityType", "f"),)
    rules = CsvFormat(delimiter.join(header), delimiter, empty, constants)
    first = read(end.join(rows).replace(b"|", delimiter.encode()), rules, longest=60)
    if first is None:
        return
    text, own = file_of(first, rules)
    again = read(text, own)
    assert again is not None
    # An error file has all columns of a note, so the width of a header that had some of them is another one.
    same_width = header[-5:] == [*NOTE_COLUMNS] or not set(header) & set(NOTE_COLUMNS)
    assert meant(again, with_widths=same_width) == meant(first, with_widths=same_width)
    text, own = file_of(again, own)
    once_more = read(text, own)
    assert once_more is not None
    assert meant(once_more) == meant(again)


_VALUE = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "e", "f", "1", 'a,"b"', "x\ny", "\r", "\0", "é"])
)
_PATCHED = st.fixed_dictionaries(
    {},
    optional={
        "externalId": _VALUE,
        "entityType": _VALUE,
        "data": _VALUE | st.dictionaries(st.sampled_from(["n", "flag", "x.y"]), _VALUE),
    },
)


@given(
    items=st.lists(_PATCHED | _VALUE, min_size=1, max_size=5),
    header=st.sampled_from(HEADERS),
    delimiter=st.sampled_from([",", "§"]),
    empty=st.sampled_from(["absent", "null", "string"]),
)
def test_rows_of_patched_items_are_the_items(items: list[Any], header: list[str], delimiter: str, empty: str) -> None:
    constants = () if "entityType" in header else (("entityType", "f"),)
    rules = CsvFormat(delimiter.join(header), delimiter, empty, constants)
    sent = Items([msgspec.Raw(msgspec.json.encode(item)) for item in items], indexes=range(len(items)))
    sent = sent._replace(records=[bytes(text) for text in sent.texts], patched=range(len(items)))
    text, own = file_of(sent, rules)
    again = read(text, own)
    assert again is not None
    assert again.unreadable == {}
    assert [msgspec.json.decode(text) for text in again.texts] == items
