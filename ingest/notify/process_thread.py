"""A thread of each process's own: a fork copies no thread, so that a child starts it anew."""

import os
import threading
from collections.abc import Callable


class ProcessThread:
    """A thread that the first use in a process starts.

    Args:
        name: the thread's.
        run: the thread's work.
        renew: makes anew what a fork has copied and the thread uses; called before the thread starts.
    """

    def __init__(self, name: str, run: Callable[[], None], renew: Callable[[], None]) -> None:
        self._name = name
        self._run = run
        self._renew = renew
        self._pid = 0
        self._lock = threading.Lock()

    @property
    def is_started(self) -> bool:
        """True if this process has started it."""
        return self._pid == os.getpid()

    def start(self) -> None:
        """Start the thread, unless this process has started it."""
        if self.is_started:
            return
        with self._lock:
            if not self.is_started:
                self._renew()
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
                self._pid = os.getpid()
