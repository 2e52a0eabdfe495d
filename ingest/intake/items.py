"""The items of a block, as they are once its payload has been read."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

NULL = msgspec.Raw(b"null")


class Unreadable(NamedTuple):
    """The reason for which an item is nothing that could be checked: an ItemError but for its index.

    Attributes:
        path: the names on the way to the member that is wrong; None where all of the item is.
        sent: the line as it was sent; None where it was too large to be kept, and for a row of CSV.
    """

    code: str
    message: str
    external_id: str | None = None
    path: tuple[str, ...] | None = None
    sent: bytes | None = None


class Items(NamedTuple):
    """The items of a block.

    Attributes:
        texts: as they were sent; `null` in the place of an unreadable one.
        unreadable: what is wrong with those, by their place.
        lines: the number of each one's line in the body; None where the body has no lines.
        records: of CSV, each as it is kept; None where the items came as JSON.
        indexes: in the batch, of items that were picked from another job, whose texts `records` has then; None where
            they follow one another.
        patched: places of items that a retry has patched: each one's record is JSON, also among rows of CSV.
    """

    texts: list[msgspec.Raw]
    unreadable: Mapping[int, Unreadable] = {}
    lines: Sequence[int] | None = None
    records: Sequence[bytes] | None = None
    indexes: Sequence[int] | None = None
    patched: Collection[int] = frozenset()
