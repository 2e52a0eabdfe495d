"""A payload of picked items reads as the items that were picked, each with its own index and line."""

import pytest

from ingest.intake.blocks import items_of, kept_text, pack_picked
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
    items = items_of(pack_picked([Picked(n, n, row) for n, row in enumerate(rows)]).payload, None, csv)
    assert bytes(items.texts[0]) == b'{"externalId":"p1","entityType":"player","data":{"n":1.50}}'
    assert bytes(items.texts[3]) == rows[3]
    assert [items.unreadable[place].message[:12] for place in (1, 2)] == ["The row has ", "The row is n"]
    assert [kept_text(items, place, most_bytes=99) for place in range(4)] == rows
