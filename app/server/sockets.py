"""Sockets that never block a thread: they keep what a slow client has not read, and the poller sends it."""

import math
import socket
from collections.abc import Callable
from contextlib import suppress

# A thread that goes on writing while more than this is unsent waits after all, as a stream must.
_MOST_UNSENT = 4 * 1024 * 1024
_PIECES_AT_ONCE = 64


class PatientSocket(socket.socket):
    """A blocking socket that keeps what its other end does not take.

    Attributes:
        unsent: what is left of the answers, in pieces.
        unsent_bytes: how much that is.
        on_wait: the app has this called, in the request's thread, once the thread has waited for the body too long.
        body_until: the app waits no longer for more of the body, by the monotonic clock.
    """

    on_wait: Callable[[], None] | None = None
    body_until = math.inf

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.unsent: list[memoryview] = []
        self.unsent_bytes = 0
        self._head_only = True

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override] # gunicorn sends bytes alone
        """Send what can be sent at once, and keep the rest; the head of an answer goes with the first of its body."""
        self.unsent.append(memoryview(data))
        self.unsent_bytes += len(data)
        if self._head_only:
            self._head_only = False
            return
        self.flush(flags)
        if self.unsent_bytes > _MOST_UNSENT:
            pieces, self.unsent, self.unsent_bytes = self.unsent, [], 0
            for piece in pieces:
                super().sendall(piece, flags)

    def end_answer(self) -> None:
        """Send what can be sent at once of an answer that is complete."""
        self._head_only = True
        self.flush()

    def flush(self, flags: int = 0) -> None:
        """Send what can be sent at once.

        Raises:
            OSError: the other end has left.
        """
        with suppress(BlockingIOError):
            while self.unsent:
                sent = self.sendmsg(self.unsent[:_PIECES_AT_ONCE], (), flags | socket.MSG_DONTWAIT)
                self.unsent_bytes -= sent
                while self.unsent and sent >= len(self.unsent[0]):
                    sent -= len(self.unsent.pop(0))
                if sent:
                    self.unsent[0] = self.unsent[0][sent:]
