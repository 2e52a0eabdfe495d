"""Make blocks of a request body: shape and count are judged here, the items themselves by the worker."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from ingest import json_batch
from ingest.errors import InvalidInput
from ingest.intake import picked, zstd
from ingest.intake.csv_records import cut_records, grammar_of
from ingest.intake.lines import Lines, cut_lines
from ingest.intake.picked import Picked

# A block is one transaction; at this size checking and writing it stays far inside the guards of
# ingest/db/connection/pool.py.
_BLOCK_BYTES = 4 * 1024 * 1024

# A block of lines may have more items than one of an array, because a job of millions of lines would spend its time on
# commits.
_BLOCK_LINES = 10_000


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
        return [Block(first_index=0, items=len(items), payload=zstd.compress(body))]
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
            yield Block(index, lines.items, zstd.compress_parts(lines.parts), lines.first)
            index += lines.items


def pack_picked(items: Sequence[Picked]) -> Block:
    """Return a block of items that were picked from another job, at least one, in the order of their indexes."""
    return Block(items[0].index, len(items), zstd.compress(picked.packed(items)))


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
    return Block(first_index=first, items=len(items), payload=zstd.compress(b"[" + b",".join(items) + b"]"))
