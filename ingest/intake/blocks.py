"""A request body becomes blocks of items: shape and count are judged here, the items themselves by the worker."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from ingest import json_text
from ingest.errors import InvalidInput, JobUnrunnable

# A block is one transaction; at this size checking and writing it stays far inside the guards of
# ingest/db/connection/pool.py.
_BLOCK_BYTES = 4 * 1024 * 1024

# Level 1: payloads are read once and thrown away, and the request waits for this.
_ZSTD_LEVEL = 1


class _Zstd(threading.local):
    """The (de)compressor of a thread: to make one for each payload costs more than to (de)compress a small one."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive items that one transaction processes.

    Attributes:
        first_index: 0-based, of its first item in the whole batch.
        items: how many it holds.
        payload: a JSON array of the items as they were sent, compressed with zstd.
    """

    first_index: int
    items: int
    payload: bytes


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
        items = json_text.split_array(body, most=limit)
    except json_text.NotAnArray:
        raise InvalidInput("The body must be a JSON array of items") from None
    except json_text.TooMany as error:
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


def items_of(payload: bytes) -> list[msgspec.Raw]:
    """Return the items of a block's payload, each as the bytes that were sent.

    Raises:
        JobUnrunnable: it is not what `cut` made, so somebody else has changed it.
    """
    try:
        return json_text.split_array(_zstd.decompress(payload), deep=True)
    except (zstandard.ZstdError, ValueError) as error:
        raise JobUnrunnable(f"The stored batch cannot be read: {error}") from None


def decoded_bytes(payload: bytes) -> int:
    """Return how long a block's payload is once it is read; 0 where it cannot be, which `items_of` tells."""
    try:
        return max(0, zstandard.frame_content_size(payload))
    except zstandard.ZstdError:
        return 0


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
