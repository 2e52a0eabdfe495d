"""The worker of gunicorn that serves the API: gthread, but for what gthread leaves to a proxy in front of it.

gunicorn runs `Worker` in each web process. This file, `connection.py` and `parsing.py` alone know gunicorn's insides
(version 27).

A thread is given to a connection when there is something to read, and not before: it takes the head of a request as far
as it is there, and gives the connection back to the poller where the head is not whole. Only a body is waited for in a
thread: what a client does not take of an answer, the poller sends on. An answer to a request whose body was not read is
followed by a while in which the poller throws away what still comes: a connection that is closed on unread bytes is
reset, and its client never reads the answer.
"""

import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import Any

from gunicorn.http import errors as http  # type: ignore[import-untyped] # it has no types
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker  # type: ignore[import-untyped]

from app.jobs.stream_events import HandedOver, JobStream
from app.server import parsing
from app.server.connection import UNSENT_SECONDS, Connection
from app.server.streams import Hub
from ingest.machine.parent import die_with_parent

# Beyond the time for requests under way, for a process that nobody is left to kill.
_SLACK_SECONDS = 5

# The longest that the head of a request may take from its first byte.
_HEAD_SECONDS = 10.0

# A process keeps so many bytes of answers that clients do not take; beyond it, it drops the client that has taken none
# for longest.
_MOST_UNSENT = 64 * 1024 * 1024

# A client may still send so much after its answer: well over the largest body, so that the client of a body that is too
# large reads the refusal.
_LINGER_SECONDS = 10.0
_LINGER_BYTES = 64 * 1024 * 1024
_DISCARDED_AT_ONCE = 256 * 1024

_NOT_WHOLE = object()  # what `handle` returns of a head of which more must come
_TAKEN_OVER = object()  # likewise of a connection that has a stream


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A web process: it ends with its parent, and gives its port back as soon as it is to end."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # In the order in which their time ends.
        self.lingering: deque[Connection] = deque()
        self.sending: deque[Connection] = deque()
        self.streams = Hub()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """As of gunicorn; TLS is a proxy's."""
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise SystemExit("Sluice speaks plain HTTP: let a proxy in front of it speak TLS, and leave certfile out")

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
            self.streams.end()
            if (services := self.wsgi.extensions.get("sluice")) is not None:  # benchmarks serve another app
                services.end_watches()
            for listener in self.sockets:
                while self.accept(listener):
                    pass
                listener.close()

    def accept(self, listener: Any) -> bool:
        """Take in a connection, in the poller until it says something. Return True if there was one."""
        try:
            sock, client = listener.accept()
        except OSError:  # nobody, or one that has left already
            return False
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._drop_the_longest_silent()
        self._await_request(Connection(self.cfg, sock, client, listener.getsockname()))
        return True

    def handle(self, conn: Connection) -> object:
        """Handle a request, in a thread, if its head is whole.

        Returns:
            True to keep the connection for the next request, False to close it, `_NOT_WHOLE`, `_TAKEN_OVER`.
        """
        head: bytes | None = None
        try:
            if (head := conn.take_head()) is None:
                return _NOT_WHOLE
            conn.parser.unreader.unread(head)
            http_request = next(conn.parser)
            try:
                keep = self.handle_request(http_request, conn)
            except HandedOver as handed_over:
                self._stream(handed_over.stream, http_request, conn)
                return _TAKEN_OVER
            conn.sock.end_answer()
            return keep  # noqa: TRY300 # what it may raise is no fault of `keep`
        except (StopIteration, http.NoMoreData, OSError) as error:
            self.log.debug("Connection ended: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 # whatever it is, the client is answered
            self._refuse(conn, head or bytes(conn.received), error)
        return False

    def finish_request(self, conn: Connection, handled: "Future[object]") -> None:
        """Do, in the main thread, with a connection what `handle` said."""
        result = handled.exception() is None and handled.result()
        if result is _NOT_WHOLE:
            self._await_head(conn)
        elif result is not _TAKEN_OVER:
            self._finish(conn, keep=bool(result))

    def _stream(self, stream: JobStream, http_request: Any, conn: Connection) -> None:
        """Give a connection to the hub, which returns it to the main thread."""
        keep = not http_request.should_close()
        self.streams.serve(
            stream,
            conn.sock,
            is_chunked=http_request.version > (1, 0),
            on_end=partial(self.method_queue.defer, self._finish_stream, conn, keep),
        )

    def _finish_stream(self, conn: Connection, keep: bool, is_complete: bool) -> None:  # noqa: FBT001 # of a queue
        if is_complete:
            self._finish(conn, keep=keep and self.alive)
        else:
            self._forget(conn)

    def _finish(self, conn: Connection, *, keep: bool) -> None:
        """Do with a connection what comes after an answer."""
        conn.keep = keep
        if conn.sock.unsent and conn.sock.fileno() >= 0:
            self._await_room(conn)
        else:
            self._answered(conn)

    def _answered(self, conn: Connection) -> None:
        if conn.keep:
            conn.received += conn.parser.unreader.take_buffered()
            if conn.received:
                self.enqueue_req(conn)
            else:
                self._await_request(conn)
        else:
            self._linger(conn)

    def murder_pending(self) -> None:
        """Refuse the heads, and close the connections, whose time is over."""
        now = time.monotonic()
        for conn in [conn for conn in self.pending_conns if conn.timeout < now]:
            self.pending_conns.remove(conn)
            self.poller.unregister(conn.sock)
            self._refuse(conn, bytes(conn.received), TimeoutError())
            self._linger(conn)
        for left in (self.lingering, self.sending):
            while left and left[0].timeout < now:
                self._end(left[0], left)

    def _refuse(self, conn: Connection, head: bytes, error: Exception) -> None:
        conn.send(parsing.answer(head, error, self.wsgi.extensions["sluice"].origins))

    def _await_request(self, conn: Connection) -> None:
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        self._watch(conn, selectors.EVENT_READ, self.on_client_socket_readable)

    def _await_head(self, conn: Connection) -> None:
        """Wait for the rest of a head. Its time runs from its first bytes on; further bytes do not extend it."""
        conn.head_until = conn.timeout = conn.head_until or time.monotonic() + _HEAD_SECONDS
        self.pending_conns.append(conn)
        self._watch(conn, selectors.EVENT_READ, self.on_pending_socket_readable)

    def _linger(self, conn: Connection) -> None:
        """Say that nothing more will be said, and throw away what comes until the client leaves."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # it has left
            self._forget(conn)
            return
        conn.timeout = time.monotonic() + _LINGER_SECONDS
        self.lingering.append(conn)
        self._watch(conn, selectors.EVENT_READ, self._discard)

    def _discard(self, conn: Connection, _sock: object) -> None:
        data = conn.receive(_DISCARDED_AT_ONCE)
        conn.discarded += len(data or b"")
        if data == b"" or conn.discarded > _LINGER_BYTES:
            self._end(conn, self.lingering)

    def _await_room(self, conn: Connection) -> None:
        """Send the rest of an answer as its client takes it."""
        conn.timeout = time.monotonic() + UNSENT_SECONDS
        self.sending.append(conn)
        self._watch(conn, selectors.EVENT_WRITE, self._send_on)
        while sum(sending.sock.unsent_bytes for sending in self.sending) > _MOST_UNSENT and len(self.sending) > 1:
            self._end(self.sending[0], self.sending)

    def _send_on(self, conn: Connection, _sock: object) -> None:
        self.sending.remove(conn)
        self.poller.unregister(conn.sock)
        try:
            conn.sock.flush()
        except OSError:
            self._forget(conn)
            return
        if conn.sock.unsent:
            self._await_room(conn)
        else:
            self._answered(conn)

    def _watch(self, conn: Connection, event: int, ready: Callable[[Connection, socket.socket], None]) -> None:
        """Have the poller call `ready` at each such event, until it is told to stop.

        One look of the poller finds several events: the handler of an earlier one may have closed this connection.
        """

        def unless_closed(sock: socket.socket) -> None:
            if sock.fileno() >= 0:
                ready(conn, sock)

        self.poller.register(conn.sock, event, unless_closed)

    def _end(self, conn: Connection, queue: "deque[Connection]") -> None:
        queue.remove(conn)
        self.poller.unregister(conn.sock)
        self._forget(conn)

    def _forget(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _drop_the_longest_silent(self) -> None:
        if self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._forget(conn)
