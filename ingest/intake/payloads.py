"""Read the payloads of blocks: the items that they hold, and the text that each was sent as."""

import msgspec
import zstandard

from ingest import json_batch
from ingest.errors import JobUnrunnable
from ingest.intake import picked, zstd
from ingest.intake.blocks import Block
from ingest.intake.csv_header import RowTypes, row_bytes
from ingest.intake.csv_rows import items_of_rows
from ingest.intake.items import NULL, Items, Unreadable
from ingest.intake.line_items import item_of_line, items_of_lines
from ingest.intake.lines import as_sent, guarded, lengths
from ingest.intake.picked import Picked
from ingest.intake.resent import corrected, may_be_resent
from ingest.jobs import CsvFormat


def items_of(
    payload: bytes,
    first_line: int | None = None,
    csv_format: CsvFormat | None = None,
    types: RowTypes | None = None,
) -> Items:
    """Read a block's payload.

    Args:
        payload: as of Block.
        first_line: likewise.
        csv_format: the way to read its lines, where these are rows of CSV.
        types: of the cells of these, where their header has none.

    Raises:
        JobUnrunnable: it is not what this file made, so somebody else has changed it.
    """
    try:
        text = zstd.decompress(payload)
        if text.startswith(picked.MARK):
            return _picked_items(text, csv_format, types)
        if first_line is not None and csv_format is not None:
            return items_of_rows(text, first_line, csv_format, types)
        items = (
            Items(json_batch.split_array(text, deep=True)) if first_line is None else items_of_lines(text, first_line)
        )
        return _corrected(items) if may_be_resent(text) else items
    except (zstandard.ZstdError, ValueError) as error:
        raise JobUnrunnable(f"The stored batch cannot be read: {error}") from None


def has_item(block: Block, index: int) -> bool:
    """True if a block has the item of this index: it may lack some where they were picked from another job."""
    text = zstd.decompress(block.payload) if block.payload else b""
    if text.startswith(picked.MARK):
        return index in picked.indexes(text)
    return block.first_index <= index < block.first_index + block.items


def last_index(payload: bytes, first_index: int, items: int) -> int:
    """Return the index of a block's last item.

    Args:
        payload: as of Block, like all else.
        first_index: of its first item.
        items: how many it holds.
    """
    text = zstd.decompress(payload)
    return max(picked.indexes(text)) if text.startswith(picked.MARK) else first_index + items - 1


def _picked_items(text: bytes, csv_format: CsvFormat | None, types: RowTypes | None) -> Items:
    sent = picked.split(text)
    read = [_item_of(found, csv_format, types) for found in sent]
    numbers = [found.line for found in sent]
    return Items(
        [NULL if isinstance(item, Unreadable) else item for item in read],
        {place: item for place, item in enumerate(read) if isinstance(item, Unreadable)},
        None if None in numbers else numbers,  # type: ignore[arg-type] # then they are integers
        [found.text for found in sent],
        [found.index for found in sent],
        {place for place, found in enumerate(sent) if found.patched},
    )


def _item_of(found: Picked, csv_format: CsvFormat | None, types: RowTypes | None) -> msgspec.Raw | Unreadable:
    text = guarded(found.text)
    if csv_format is None or found.patched:
        return item_of_line(text)
    read = items_of_rows(text + b"\n", 1, csv_format, types)
    return read.unreadable[0] if read.unreadable else read.texts[0]


def kept_text(items: Items, place: int, *, most_bytes: int) -> bytes | None:
    """Return the text of an item as its sender sent it; None where it was too large to be kept.

    Args:
        items: those of its block.
        place: its place among them.
        most_bytes: of an item.
    """
    if items.records is not None and items.indexes is not None:
        return items.records[place]
    if items.records is not None:
        record = items.records[place]
        return None if lengths(record) else as_sent(record).removesuffix(b"\r")
    text = items.unreadable[place].sent if place in items.unreadable else bytes(items.texts[place])
    return None if text is None or len(text) > most_bytes else text


def _corrected(items: Items) -> Items:
    """Return items of which some may come from an error file, each as what it stands for."""
    texts, unreadable = list(items.texts), dict(items.unreadable)
    for place, text in enumerate(items.texts):
        if not may_be_resent(bytes(text)):
            continue
        found = corrected(text)
        item = item_of_line(guarded(found)) if isinstance(found, bytes) else found
        if isinstance(item, Unreadable):
            texts[place], unreadable[place] = NULL, item
        else:
            texts[place] = item
    return items._replace(texts=texts, unreadable=unreadable)


def decoded_bytes(payload: bytes) -> int:
    """Return how long a block's payload is once it is read; 0 where it cannot be, which `items_of` tells."""
    try:
        return max(0, zstandard.frame_content_size(payload))
    except zstandard.ZstdError:
        return 0


def json_bytes(payload: bytes, items: int, csv_format: CsvFormat | None) -> int:
    """Return how many bytes the items of a block have as JSON, about; 0 where the payload cannot be read.

    Args:
        payload: as of Block, like `items`.
        items: how many it holds.
        csv_format: the way to read its lines, where these are rows of CSV.
    """
    return decoded_bytes(payload) + (0 if csv_format is None else items * row_bytes(csv_format))
