"""The head of a pipe, whose sender may pause at any byte: read until its first record has come, and put back."""

from __future__ import annotations

from itertools import chain
from typing import IO

from sluice_client.cli.arrays import items_of
from sluice_client.cli.reading import PIECE_BYTES, buffered, pieces_of
from sluice_client.errors import UnreadableFile

_MARK = b"\xef\xbb\xbf"


def headed(file: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Return the head of a pipe, with its first record unless that is very large, and the whole pipe.

    Args:
        file: decompressed, from its beginning; closed with the one that is returned.
    """
    head = b""
    for piece in pieces_of(file):
        head += piece
        if _has_record(head) or len(head) >= PIECE_BYTES:
            break
    return head, buffered(chain([head], pieces_of(file)), file)


def _has_record(head: bytes) -> bool:
    """True if a head has a whole line, or the first item of an array, that is not blank."""
    text = head.removeprefix(_MARK).lstrip()
    if not text.startswith(b"["):
        return b"\n" in text
    try:
        return next(items_of([text]), None) is not None
    except UnreadableFile:
        return False
