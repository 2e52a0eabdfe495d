"""A connection of a client: what has come of its next request, and what it is sent at last."""

import re
import socket
import struct
from contextlib import suppress

from gunicorn.http import errors as http  # type: ignore[import-untyped] # it has no types
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped] # it has no types

from app.server import parsing
from app.server.sockets import PatientSocket

# The most bytes of the head of a request.
_HEAD_BYTES = 64 * 1024
# A line feed alone ends nothing, and the parser says so.
_WHOLE_HEAD = re.compile(rb"\r\n\r\n|(?<!\r)\n")

# A thread waits so long for the next bytes of a body, and for a client that takes nothing of an answer; for the kernel
# as struct timeval.
_RECEIVE_TIMEOUT = struct.pack("ll", 10, 0)
UNSENT_SECONDS = 30
_SEND_TIMEOUT = struct.pack("ll", UNSENT_SECONDS, 0)


class Connection(TConn):  # type: ignore[misc] # gunicorn has no types
    """A connection.

    Attributes:
        received: what has come of the next request, as long as its head is not whole.
        head_until: when its head must be whole; None while nothing has come.
        keep: the connection is for further requests.
        discarded: bytes that came after the last answer.
    """

    def __init__(self, cfg: object, sock: socket.socket, client: object, server: object) -> None:
        sock = PatientSocket(sock)
        super().__init__(cfg, sock, client, server)
        self.parser = parsing.Parser(cfg, sock, client)
        self.received = bytearray()
        self.head_until: float | None = None
        self.keep = False
        self.discarded = 0
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _RECEIVE_TIMEOUT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)

    def take_head(self) -> bytes | None:
        """Take what has come of a request, without waiting. Return it if its head is whole.

        Raises:
            NoMoreData: the client has left.
            LimitRequestLine, LimitRequestHeaders: the head is too long.
        """
        if not _WHOLE_HEAD.search(self.received):  # else it came together with the request before
            seen = max(0, len(self.received) - 3)
            data = self.receive(_HEAD_BYTES)
            if data == b"":
                raise http.NoMoreData
            self.received += data or b""
            if not _WHOLE_HEAD.search(self.received, seen):
                if len(self.received) > _HEAD_BYTES:
                    raise http.LimitRequestHeaders("") if b"\r\n" in self.received else http.LimitRequestLine(0)
                return None
        head = bytes(self.received)
        self.received.clear()
        self.head_until = None
        return head

    def receive(self, most: int) -> bytes | None:
        """Return what has come, without waiting: None if nothing has, empty if the client has left."""
        try:
            return bytes(self.sock.recv(most, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def send(self, answer: bytes) -> None:
        """Send a last answer, without waiting: a client that has not taken those before gets none."""
        with suppress(OSError):
            self.sock.send(answer, socket.MSG_DONTWAIT)
