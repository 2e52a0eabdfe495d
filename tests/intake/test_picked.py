"""A payload of picked items reads as the items that were picked, each with its own index and line."""

import json

import msgspec
import pytest
import zstandard

from ingest.intake.blocks import Block, pack, pack_picked
from ingest.intake.payloads import has_item, items_of, kept_text
from ingest.intake.picked import Picked
from ingest.jobs import CsvFormat

TEXTS = [
    b'{"a": 1.0}',
    b"{}",
    b"5",
    b"{broken",
    b"\xff\xfe",
    b'{"a":"\\ud800"}',
    b'{"_raw":"x","_sluice":1}',
    b"\0" + b"1 2",
]


@pytest.mark.parametrize("lines", [True, False])
def test_picked_items_keep_index_line_and_text(*, lines: bool) -> None:
    picked = [Picked(10 * n, n + 7 if lines else None, text) for n, text in enumerate(TEXTS)]
    block = pack_picked(picked)
    items = items_of(block.payload)
    assert (block.first_index, block.items) == (0, len(TEXTS))
    assert items.indexes == [item.index for item in picked]
    assert items.lines == ([item.line for item in picked] if lines else None)
    assert [kept_text(items, place, most_bytes=99) for place in range(len(TEXTS))] == TEXTS
    assert {place: wrong.code for place, wrong in items.unreadable.items()} == dict.fromkeys((3, 4, 7), "INVALID_JSON")


def test_picked_rows_are_read_by_their_header_and_patched_ones_as_json() -> None:
    csv = CsvFormat(header="externalId,entityType,n:number")
    rows = [b"p1,player,1.50", b"p2", b'p3,"open', b'{"externalId":"p4"}']
    block = pack_picked([Picked(n, n, row, patched=n == 3) for n, row in enumerate(rows)])
    items = items_of(block.payload, None, csv)
    assert bytes(items.texts[0]) == b'{"externalId":"p1","entityType":"player","data":{"n":1.50}}'
    assert bytes(items.texts[3]) == rows[3]
    assert [items.unreadable[place].message[:12] for place in (1, 2)] == ["The row has ", "The row is n"]
    assert [kept_text(items, place, most_bytes=99) for place in range(4)] == rows
    assert [place in items.patched for place in range(4)] == [False, False, False, True]


def test_a_row_that_looks_like_an_object_stays_a_row() -> None:
    csv = CsvFormat(header="externalId", constants=(("entityType", "player"),))
    row = b'{"externalId":"p1"}'
    items = items_of(pack_picked([Picked(0, None, row), Picked(1, None, row, patched=True)]).payload, None, csv)
    found = [json.loads(bytes(text)) for text in items.texts]
    assert found == [{"entityType": "player", "externalId": row.decode(), "data": {}}, {"externalId": "p1"}]


def test_a_payload_of_before_is_read_as_it_was() -> None:
    lines = [
        b'{"_raw":"p1,player","_sluice":null}',
        b'{"externalId":"p4","_sluice":null}',
        b'{"_raw":"{x","_sluice":null}',
    ]
    payload = zstandard.compress(b"\0picked\n[[0,2],[7,9],[8,null]]\n" + b"\n".join([*lines, b""]))
    items = items_of(payload, None, CsvFormat(header="externalId,entityType"))
    assert items.indexes == [0, 7, 8]
    assert items.records == [b"p1,player", b'{"externalId":"p4"}', b"{x"]
    assert [bytes(text) for text in items.texts[:2]] == [
        b'{"externalId":"p1","entityType":"player","data":{}}',
        b'{"externalId":"p4"}',
    ]
    assert items.unreadable[2].message.startswith("The row has 1 cells")
    assert [has_item(Block(0, 3, payload), index) for index in (0, 1, 7, 8, 9)] == [True, False, True, True, False]
    read = items_of(payload)
    assert list(read.unreadable) == [0, 2]


def test_a_block_of_any_items_has_those_that_follow_its_first() -> None:
    [block] = pack([msgspec.Raw(b"5")] * 3, 10)
    assert [has_item(block, index) for index in (0, 2, 3)] == [True, True, False]
