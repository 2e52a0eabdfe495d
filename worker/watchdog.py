"""End a process that hangs in a block: once its transaction has timed out, it only keeps a slot."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def watchdog(seconds: int) -> Iterator[None]:
    """Have the kernel end this process by SIGALRM unless the `with` block is left in time.

    The kernel does it, since a check that hangs may never let the interpreter run anything else. An earlier alarm that
    is due first stays; one that is due later is set again.

    Args:
        seconds: at least 1.
    """
    began, former = time.monotonic(), signal.alarm(seconds)
    if 0 < former < seconds:
        signal.alarm(former)
    try:
        yield
    finally:
        left = former - (time.monotonic() - began)
        signal.alarm(max(1, math.ceil(left)) if former else 0)
