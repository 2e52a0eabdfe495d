"""Group item errors that are alike, so that a client sees ten reasons rather than a million items."""

import dataclasses
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import errors as stored_errors
from ingest.db.jobs.errors import Alike
from ingest.jobs import ItemError

# A page of groups is of so many errors: it takes hundredths of a second, whatever the size of the job.
GROUPED_AT_ONCE = 20_000

# A group names the first so many runs of indexes.
MOST_RANGES = 100

_ID_DIGITS = 16

_PLACE = re.compile(r"/\d+(?=/|$)")
_HINT = re.compile(r'(\(did you mean "[^"]*"\?\))')
_QUOTED = re.compile(r'"([^"]*)"')
# Numbers of messages that differ from item to item, as against those that state a rule.
_COUNTED = re.compile(r"\b(has|have|byte|line|column|char|and) \d+")


@dataclasses.dataclass(slots=True)
class Group:
    """Item errors that are alike.

    Attributes:
        code: theirs.
        field: as a JSON Pointer, `*` in the place of an index of an array.
        message: theirs, `…` in the place of what differs from item to item.
        sample: the first of them.
        count: how many they are.
        ranges: the first runs of their indexes, each its first and last one.
    """

    code: str
    field: str | None
    message: str
    sample: ItemError
    count: int = 0
    ranges: list[list[int]] = dataclasses.field(default_factory=list)

    @property
    def id(self) -> str:
        """A name by which an address tells it from other groups."""
        return _id(self.code, self.field, self.message)

    def add(self, index: int) -> None:
        """Count an error behind those of the group.

        Args:
            index: greater than those before.
        """
        self.count += 1
        if self.ranges and self.ranges[-1][1] == index - 1:
            self.ranges[-1][1] = index
        elif len(self.ranges) < MOST_RANGES:
            self.ranges.append([index, index])


def id_of(error: ItemError) -> str:
    """Return the id of the group that an error belongs to."""
    return _id_of_alike(error.code, error.field, error.message)


# Errors of one job are mostly alike; those that quote what differs are a bounded number.
@lru_cache(1_000)
def _id_of_alike(code: str, field: str | None, message: str) -> str:
    return _id(code, field_pattern(field), message_pattern(message, field))


def _id(*pattern: str | None) -> str:
    return sha256(repr(pattern).encode(errors="replace")).hexdigest()[:_ID_DIGITS]


class Groups(NamedTuple):
    """The groups of the errors of a page.

    Attributes:
        groups: the largest first.
        looked_at: errors.
        after: the index behind which the next page begins; None: there is none.
    """

    groups: list[Group]
    looked_at: int
    after: int | None


def read(
    conn: Connection, job_id: UUID, *, after: int = -1, code: str | None = None, most: int | None = None
) -> Groups:
    """Return the groups of a job's item errors, of GROUPED_AT_ONCE errors a page.

    Args:
        conn: an open transaction.
        job_id: whose.
        after: only errors with a greater index.
        code: only those with this one.
        most: the most groups to return; None: all of the page.
    """
    page = stored_errors.alike(conn, job_id, limit=GROUPED_AT_ONCE, after=after, code=code)
    groups = grouped(page.errors)
    shown = groups[:most]
    samples = stored_errors.of_items(conn, job_id, [group.sample.index for group in shown])
    for group in shown:
        group.sample = samples.get(group.sample.index, group.sample)
    return Groups(shown, sum(group.count for group in groups), page.after)


def grouped(found: Iterable[Alike]) -> list[Group]:
    """Return the groups of errors, the largest first; their samples lack the item's id and line."""
    members: dict[tuple[str, str | None, str], list[Alike]] = {}
    for same in found:
        pattern = (same.code, field_pattern(same.field), message_pattern(same.message, same.field))
        members.setdefault(pattern, []).append(same)
    groups = [_group(pattern, alike) for pattern, alike in members.items()]
    return sorted(groups, key=lambda group: (-group.count, group.sample.index))


def _group(pattern: tuple[str, str | None, str], alike: list[Alike]) -> Group:
    first = min(alike, key=lambda same: min(same.indexes))
    sample = ItemError(min(first.indexes), None, first.code, first.message, field=first.field)
    group = Group(*pattern, sample=sample)
    for index in sorted(chain.from_iterable(same.indexes for same in alike)):
        group.add(index)
    return group


def field_pattern(pointer: str | None) -> str | None:
    """Return a field with `*` in the place of each index of an array."""
    return None if pointer is None else _PLACE.sub("/*", pointer)


def message_pattern(message: str, pointer: str | None) -> str:
    """Return a message with `…` in the place of values; names of the field, and hints, stay.

    Args:
        message: of an item error.
        pointer: its field.
    """
    names = {part.replace("~1", "/").replace("~0", "~") for part in (pointer or "").split("/")}

    def masked(quoted: "re.Match[str]") -> str:
        return quoted[0] if quoted[1] in names else '"…"'

    parts = _HINT.split(message)
    parts[::2] = [_COUNTED.sub(r"\1 …", _QUOTED.sub(masked, part)) for part in parts[::2]]
    return "".join(parts)
