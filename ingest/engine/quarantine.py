"""Checking in a process of its own, for a block whose checking may have ended the processes that tried it before."""

import os
import resource
import signal
import struct
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from ingest.machine.parent import die_with_parent

# A child that dies at the same item so often, with nobody else's hand in it, was killed by that item.
_DEATHS = 3

# The child may compute for so long at one item, and grow by so much: an item that never ends, or eats memory, dies too.
# It is the child's own processor time, since an item is no worse on a machine that is busy; an item of the largest size
# takes a fraction of a second of it.
_SECONDS = 5
_GROWTH_BYTES = 1024**3

_INDEX = struct.Struct("=i")
_THROUGH = -1  # said after the last item; an exit status of 0 may be an item's doing too


def poisonous(check: Callable[[int, msgspec.Raw], object], items: Sequence[tuple[int, msgspec.Raw]]) -> set[int]:
    """Find the items whose checking ends the process that does it.

    Call it outside of any transaction, and with no connection in use: the child is a fork.

    Args:
        check: checks one item, by index and text.
        items: the block's, with their indexes.

    Returns:
        The indexes of those that ended three children each.
    """
    poison: set[int] = set()
    deaths: dict[int, int] = {}
    while (fatal := _first_death(check, [item for item in items if item[0] not in poison])) is not None:
        deaths[fatal] = deaths.get(fatal, 0) + 1
        if deaths[fatal] == _DEATHS:
            poison.add(fatal)
    return poison


def _first_death(check: Callable[[int, msgspec.Raw], object], items: Sequence[tuple[int, msgspec.Raw]]) -> int | None:
    """Return the index at which a child died; None where it came through."""
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        die_with_parent(signal.SIGKILL, parent)  # the fork holds a web process's port and the connections of all
        _check_all(check, items, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if not said:
        return None  # died before it began: then no item is to blame
    last: int = _INDEX.unpack_from(said, len(said) - len(said) % _INDEX.size - _INDEX.size)[0]
    return None if last == _THROUGH else last


def _check_all(
    check: Callable[[int, msgspec.Raw], object], items: Sequence[tuple[int, msgspec.Raw]], writer: int
) -> NoReturn:
    """Say each index before its check, in the child, and leave without any of the parent's clean-up."""
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        _limit_growth()
        for index, text in items:
            os.write(writer, _INDEX.pack(index))
            signal.setitimer(signal.ITIMER_PROF, _SECONDS)
            check(index, text)
        os.write(writer, _INDEX.pack(_THROUGH))
    except BaseException:  # noqa: BLE001 # whatever it is, it is the item's doing, and the parent counts it
        os._exit(1)
    os._exit(0)


def _limit_growth() -> None:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 # a kernel file
        pages = int(statm.read().split()[0])
    most = pages * resource.getpagesize() + _GROWTH_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    # A hard limit that is set from outside cannot be raised, and is met by itself.
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
