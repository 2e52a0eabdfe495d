"""Ctrl-C, TERM and HUP, alike."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def orderly_end() -> Iterator[None]:
    """Let TERM and HUP end the body as Ctrl-C does, and let no second signal disturb what follows it.

    Ctrl-C is a KeyboardInterrupt, the others a SystemExit with 128 and the signal's number.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        for signum in former:
            signal.signal(signum, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    # A HUP that is ignored stays so, since `nohup` means it. An ignored INT is only a shell's way with `&`.
    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    former = {signum: signal.signal(signum, leave) for signum in wanted}
    try:
        yield
    finally:
        for signum, handler in former.items():
            signal.signal(signum, handler)
