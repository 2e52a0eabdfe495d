"""A request body becomes blocks of items: shape and count are judged here, the items themselves by the worker."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from ingest import json_batch
from ingest.errors import InvalidInput, JobUnrunnable
from ingest.intake import picked
from ingest.intake.csv_header import RowTypes, row_bytes
from ingest.intake.csv_records import cut_records, grammar_of
from ingest.intake.csv_rows import items_of_rows
from ingest.intake.items import NULL, Items, Unreadable
from ingest.intake.line_items import item_of_line, items_of_lines
from ingest.intake.lines import Lines, Part, as_sent, cut_lines, guarded, lengths
from ingest.intake.picked import Picked
from ingest.intake.resent import corrected, may_be_resent
from ingest.jobs import CsvFormat

# A block is one transaction; at this size checking and writing it stays far inside the guards of
# ingest/db/connection/pool.py.
_BLOCK_BYTES = 4 * 1024 * 1024

# A block of lines may have more items than one of an array, because a job of millions of lines would spend its time on
# commits.
_BLOCK_LINES = 10_000

# Level 1: payloads are read once and thrown away, and the request waits for this.
_ZSTD_LEVEL = 1


class _Zstd(threading.local):
    """The (de)compressor of a thread: to make one for each payload costs more than to (de)compress a small one."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self.compress = self._compressor.compress
        self.decompress = zstandard.ZstdDecompressor().decompress

    def compress_parts(self, parts: Sequence[Part]) -> bytes:
        """Compress parts as if they were one."""
        # The frame tells its size, as `decoded_bytes` wants it.
        frame = self._compressor.compressobj(size=sum(map(len, parts)))
        return b"".join([*map(frame.compress, parts), frame.flush()])


_zstd = _Zstd()


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive items that one transaction processes.

    Attributes:
        first_index: 0-based, of its first item in the whole batch.
        items: how many it holds.
        payload: the items as they were sent, compressed with zstd: a JSON array, or lines.
        first_line: where it is lines, the number of the first one in the body, from 1.
    """

    first_index: int
    items: int
    payload: bytes
    first_line: int | None = None


def cut(body: bytes, *, limit: int, block_items: int) -> list[Block]:
    """Cut the body of a batch call into blocks.

    Args:
        body: a JSON array of 1 to `limit` items, in UTF-8.
        limit: the most items that the call takes.
        block_items: the most items of one block; no block of several items is over 4 MB either.

    Returns:
        The blocks, in the order of their items; at least one.

    Raises:
        InvalidInput: the body is not JSON, not an array, empty, or over the limit.
    """
    try:
        items = json_batch.split_array(body, most=limit)
    except json_batch.NotAnArray:
        raise InvalidInput("The body must be a JSON array of items") from None
    except json_batch.TooMany as error:
        raise InvalidInput(f"The array has {error.count} items; the most in one request is {limit}") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The body is not valid UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}") from None
    if not items:
        raise InvalidInput("The array is empty; send at least 1 item")
    if len(items) <= block_items and len(body) <= _BLOCK_BYTES:
        return [Block(first_index=0, items=len(items), payload=_zstd.compress(body))]
    return pack(items, block_items)


def blocks_of_lines(chunks: Iterable[bytes], *, longest_line: int) -> Iterator[Block]:
    """Cut a body of lines into blocks while it arrives.

    Args:
        chunks: the body, in UTF-8.
        longest_line: in bytes; a longer one is an item that is too large.

    Raises:
        InvalidInput: the body is in UTF-16.
    """
    return _packed(cut_lines(chunks, most_lines=_BLOCK_LINES, most_bytes=_BLOCK_BYTES, longest_line=longest_line))


def blocks_of_rows(
    chunks: Iterable[bytes], delimiter: str, *, longest: int, first_line: int = 1, row_bytes: int = 1
) -> Iterator[Block]:
    """Cut rows of CSV into blocks while they arrive.

    Args:
        chunks: the rows, in UTF-8, without their header.
        delimiter: one character.
        longest: the most bytes of a row; a longer one is an item that is too large.
        first_line: the number of the first line in the body.
        row_bytes: how many an item has as JSON beside those of its row, as of `ingest.intake.csv_header.row_bytes`.
    """
    records = cut_records(
        chunks,
        grammar_of(delimiter),
        most_records=_BLOCK_LINES,
        most_bytes=_BLOCK_BYTES,
        longest=longest,
        first_line=first_line,
        row_bytes=row_bytes,
    )
    return _packed(records)


def _packed(blocks: Iterable[Lines]) -> Iterator[Block]:
    index = 0
    for lines in blocks:
        if lines.items:
            yield Block(index, lines.items, _zstd.compress_parts(lines.parts), lines.first)
            index += lines.items


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
        text = _zstd.decompress(payload)
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


def pack_picked(items: Sequence[Picked]) -> Block:
    """Return a block of items that were picked from another job, at least one, in the order of their indexes."""
    return Block(items[0].index, len(items), _zstd.compress(picked.packed(items)))


def has_item(block: Block, index: int) -> bool:
    """True if a block has the item of this index: it may lack some where they were picked from another job."""
    text = _zstd.decompress(block.payload) if block.payload else b""
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
    text = _zstd.decompress(payload)
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


def pack(items: Sequence[msgspec.Raw], block_items: int) -> list[Block]:
    """Pack items that have been split already, at least one.

    Args:
        items: each one JSON text.
        block_items: the most items of one block; no block of several items is over 4 MB either.

    Returns:
        The blocks, in the order of their items.
    """
    blocks: list[Block] = []
    first, size = 0, 0
    for index, item in enumerate(items):
        if index > first and (index - first == block_items or size + len(item) > _BLOCK_BYTES):
            blocks.append(_block(first, items[first:index]))
            first, size = index, 0
        size += len(item) + 1
    blocks.append(_block(first, items[first:]))
    return blocks


def _block(first: int, items: Sequence[msgspec.Raw]) -> Block:
    return Block(first_index=first, items=len(items), payload=_zstd.compress(b"[" + b",".join(items) + b"]"))
