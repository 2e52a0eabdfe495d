"""Named points at which a test has this process killed or stopped. Without its variables in the environment: nothing.

`SLUICE_FAULT=block.written:3` sends this process SIGKILL when it passes that point for the third time, and
`block.written:3:STOP` SIGSTOP. `SLUICE_FAULT_ITEM=kill:player_7` has the check of each item that holds that text kill
its process; `hang:` has it never end, and `eat:` has it eat memory. tests/chaos sets them, and nobody else should.
"""

import itertools
import os
import signal
from collections.abc import Callable

import msgspec

# In the order in which a batch passes them. Each is named for what has just been done, and comes before the next thing.
POINTS = (
    "accept.begun",
    "receive.begun",
    "receive.appended",
    "part.begun",
    "part.appended",
    "part.arrived",
    "part.committed",
    "upload.numbered",  # not committed yet
    "upload.completed",
    "child.made",  # not committed yet
    "accept.committed",
    "accept.notified",
    "notify.begun",
    "notify.published",
    "job.begun",
    "block.read",
    "block.locked",
    "block.checked",
    "block.written",
    "atomic.rolled_back",
    "block.closed",  # not committed yet
    "block.committed",
    "job.changed",  # by a call that steers it; not committed yet
    "job.steered",
    "job.ended",
    "sweep.checked",
    "sweep.notified",
    "rescue.begun",
    "webhook.claimed",
    "webhook.sent",
)

_EATEN_AT_ONCE = 16 * 1024 * 1024


def _nothing(_met: object) -> None:
    return


def _at_point(fault: str) -> Callable[[str], None]:
    """Sends the signal at the n-th passing in this process; a fork counts on from its parent."""
    point, count, *names = fault.split(":")
    if point not in POINTS:
        raise ValueError(f"no such fault point: {point!r}")
    number = signal.Signals[f"SIG{names[0] if names else 'KILL'}"]
    passings = itertools.count(1)

    def passing(passed: str) -> None:
        if passed == point and next(passings) == int(count):
            os.kill(os.getpid(), number)

    return passing


def _at_item(fault: str) -> Callable[[msgspec.Raw], None]:
    how, marked = fault.split(":", 1)
    harm = {"kill": _die, "hang": _hang, "eat": _eat}[how]

    def meeting(text: msgspec.Raw) -> None:
        if marked.encode() in bytes(text):
            harm()

    return meeting


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_HANG_SECONDS = 0.2


def _hang() -> None:
    """Compute without end, since that is how a check can hang: it waits for nothing.

    Where a limit of processor time runs, only its end is waited for: to burn all of it costs a test half a minute.
    """
    if left := signal.getitimer(signal.ITIMER_PROF)[0]:
        signal.setitimer(signal.ITIMER_PROF, min(left, _HANG_SECONDS))
    while True:
        pass


def _eat() -> None:
    """Take address space alone: a limit of the process is met just so, and the machine's memory is left in peace."""
    eaten = []
    while True:
        eaten.append(bytes(_EATEN_AT_ONCE))


_fault, _item_fault = os.environ.get("SLUICE_FAULT"), os.environ.get("SLUICE_FAULT_ITEM")

passing: Callable[[str], None] = _at_point(_fault) if _fault else _nothing
meeting: Callable[[msgspec.Raw], None] = _at_item(_item_fault) if _item_fault else _nothing
