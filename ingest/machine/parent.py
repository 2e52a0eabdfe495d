"""Linux's parent-death signal: a child is told at once that its parent is gone, and leaves it neither port nor lock."""

import ctypes
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(number: signal.Signals, parent: int | None = None) -> None:
    """Have the kernel send the calling process a signal when the thread that forked it is gone.

    A fork of this process does not inherit that, and a later change of user clears it. It takes no lock and imports
    nothing, so it may be called between fork and exec.

    Args:
        number: the signal.
        parent: whose child this process was when it was forked: if that one is gone by now, the signal comes at once.

    Raises:
        OSError: the kernel refuses.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if parent is not None and os.getppid() != parent:
        signal.raise_signal(number)
