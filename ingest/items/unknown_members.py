"""Members that an item should not have: its sender is warned of them, or the item is refused."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ingest.items.pointers import Fault, Path, pointer
from ingest.items.templates import unknown
from ingest.jobs import MOST_WARNINGS_KEPT, ItemWarning

# The most unknown members of an item, and their longest, that are compared with the known ones to name the nearest.
_MOST_COMPARED = 3
_LONGEST_COMPARED = 40


class UnknownMembers(NamedTuple):
    """The members that an item should not have. An item of a megabyte may hold 100,000 of them.

    Attributes:
        total: of all of them.
        first: at most MOST_WARNINGS_KEPT of them.
    """

    total: int
    first: list[Fault]

    @property
    def texts(self) -> list[str]:
        """Return the messages for the members in `first`."""
        return [fault.text for fault in self.first]


NO_MEMBERS = UnknownMembers(0, [])


def among(names: Sequence[str], known: Iterable[str], path: Path = (), *, because: str = "") -> UnknownMembers:
    """Return what is to be said of unknown members, the nearest known name included.

    Args:
        names: of the unknown members.
        known: the names that members may have.
        path: the way to the object that holds them.
        because: what becomes of each, for the end of its message.
    """
    known = tuple(known)
    first = [
        Fault((*path, name), _text(name, known if place < _MOST_COMPARED else ()) + because)
        for place, name in enumerate(islice(names, MOST_WARNINGS_KEPT))
    ]
    return UnknownMembers(len(names), first)


def warnings_of(index: int, members: UnknownMembers) -> list[ItemWarning]:
    """Return a warning for each unknown member of an accepted item.

    A job keeps only the first warnings but counts all, so repeat the last kept warning for the rest.
    """
    told = [ItemWarning(index, "UNKNOWN_FIELD", fault.text, pointer(fault.path)) for fault in members.first]
    return told + told[-1:] * (members.total - len(told))


def _text(name: str, known: tuple[str, ...]) -> str:
    return _compared(name, known) if known and len(name) <= _LONGEST_COMPARED else f'Unknown field: "{name}"'


@lru_cache(10_000)  # to compare costs more than all else that an item does, and a sender's items mostly are alike
def _compared(name: str, known: tuple[str, ...]) -> str:
    return unknown("field", name, known)
