"""The worker of gunicorn that serves the API: gthread, but for what gthread leaves to a proxy in front of it.

gunicorn runs `Worker` in each web process; it is the one place that knows gunicorn's insides (version 27).
"""

import signal
from types import FrameType

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped] # it has no types

from ingest.parent import die_with_parent

# Beyond the time for requests under way, for a process that nobody is left to kill.
_SLACK_SECONDS = 5


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A web process: it ends with its parent, and gives its port back as soon as it is to end."""

    def init_signals(self) -> None:
        """As of gunicorn; and a parent that was killed asks this process to end, as one that is alive does."""
        super().init_signals()
        die_with_parent(signal.SIGTERM, self.ppid)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer what was asked, and end; by the kernel's hand where a request does not let it."""
        super().handle_exit(sig, frame)
        signal.alarm(self.cfg.graceful_timeout + _SLACK_SECONDS)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 # as of gunicorn
        """As of gunicorn; a process that ends takes in who waits at its port, and leaves the port to its successor.

        gunicorn would hold it until the last request is answered: with the parent gone no successor could listen there.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                self._accept_all(listener)
                listener.close()

    def _accept_all(self, listener: object) -> None:
        before = -1
        while before < self.nr_conns:
            before = self.nr_conns
            self.accept(listener)
