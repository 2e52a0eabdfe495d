"""Streams: answers that go on for minutes. One thread of the process serves all of them, however many there are.

A request begins its stream in its own thread and raises `HandedOver` (`app/jobs/stream_events.py`). gunicorn's worker
(`connections.py`) gives the connection to the `Hub` until the stream is over, and the thread to the next request.
"""

import math
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from app.jobs.resource import LOOK_EVERY_SECONDS
from app.jobs.stream_events import Event, JobStream, next_events
from app.server.connection import UNSENT_SECONDS
from app.server.sockets import PatientSocket
from ingest.ids import JOB, spell
from ingest.logs import Logger, get_logger
from ingest.notify.process_thread import ProcessThread

# At most two events a second for each stream, of the four that the contract allows: more cost, and tell nobody more.
_BETWEEN_EVENTS_SECONDS = 0.5

# A comment tells proxies and clients that the stream lives.
_COMMENT_EVERY_SECONDS = 15.0
_COMMENT = b": the job has not changed\n\n"

# Hints that come together share a look at the jobs.
_BETWEEN_LOOKS_SECONDS = 0.05

log: Logger = get_logger("app.server.streams")


class _Client:
    """The client of a stream. The hub's thread alone uses it, but for `is_hinted`, which any thread may set.

    Args:
        stream: what it is told.
        sock: its connection.
        is_chunked: the answer is sent in chunks (RFC 9112 section 7.1), else it ends with the connection.
        on_end: called at the end: with True if the answer is complete, with False if the client is lost.

    Attributes:
        is_hinted: the job may have moved.
        rests_until: the client gets no event before, by the monotonic clock.
        has_failed: nothing can be told of the job.
    """

    def __init__(
        self, stream: JobStream, sock: PatientSocket, *, is_chunked: bool, on_end: Callable[[bool], None]
    ) -> None:
        self.stream, self._sock = stream, sock
        self._is_chunked, self._on_end = is_chunked, on_end
        self.is_hinted = True
        self.rests_until = 0.0
        self.has_failed = False
        self._comment_at = time.monotonic() + _COMMENT_EVERY_SECONDS
        self._unsent_since: float | None = None

    @property
    def due_at(self) -> float:
        """When the job is to be looked at, by the monotonic clock; never while the client has not taken its last event.

        So what the process keeps for it stays small, and the next event shows the job as it stands then.
        """
        return self.rests_until if self.is_hinted and not self._sock.unsent else math.inf

    def tell(self, event: Event | None, now: float) -> None:
        """Send an event, or a comment if there is none and was nothing for long."""
        if event is not None:
            self._send(event.text)
            self.stream.note(event)
            self.rests_until = now + _BETWEEN_EVENTS_SECONDS
        elif now >= self._comment_at:
            self._send(_COMMENT)
        else:
            return
        self._comment_at = now + _COMMENT_EVERY_SECONDS

    def is_lost(self, now: float) -> bool:
        """True if the client has left, or has taken nothing for too long. Send what it takes of the rest."""
        try:
            self._sock.flush()
            if self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        if not self._sock.unsent:
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        return self._unsent_since is not None and now - self._unsent_since >= UNSENT_SECONDS

    def is_over(self, now: float) -> bool:
        """True if there is nothing more to tell, or the client shall connect again."""
        return self.stream.has_ended or self.has_failed or now >= self.stream.until

    def end(self, *, is_lost: bool) -> None:
        """End the answer, and return the connection."""
        if not is_lost:
            if self._is_chunked:
                self._send(b"")
            with suppress(OSError):
                self._sock.end_answer()
        self.stream.close()
        self._on_end(not is_lost)

    def _send(self, message: bytes) -> None:
        with suppress(OSError):  # the next look finds that the client has left
            self._sock.sendall(b"%x\r\n%b\r\n" % (len(message), message) if self._is_chunked else message)


class Hub:
    """Serves the streams of a process, from a thread of its own.

    Args:
        read: returns the next event of each stream, or None, in their order.
    """

    def __init__(self, read: Callable[[Sequence[JobStream]], Sequence[Event | None]] = next_events) -> None:
        self._read = read
        self._thread = ProcessThread("streams", self._run, lambda: None)
        self._arrived: queue.SimpleQueue[_Client] = queue.SimpleQueue()
        self._clients: list[_Client] = []
        self._woken = threading.Event()
        self._look_at = 0.0
        self._is_ending = False

    def serve(
        self, stream: JobStream, sock: PatientSocket, *, is_chunked: bool, on_end: Callable[[bool], None]
    ) -> None:
        """Take over a connection whose answer has begun, until the stream is over.

        Args:
            stream: what to tell the client.
            sock: its connection. Nothing may be done with it until `on_end`.
            is_chunked: the answer is sent in chunks.
            on_end: is called in the hub's thread at the end, with True if the answer is complete, with False if the
                client has left or takes nothing.
        """
        client = _Client(stream, sock, is_chunked=is_chunked, on_end=on_end)
        stream.watch(partial(self._hint, client))
        self._arrived.put(client)
        self._thread.start()
        self._woken.set()

    def end(self) -> None:
        """End all streams, those to come too, because the process is to end: their clients connect to another one.

        The lock of an event is taken for this, so that no signal handler may call it.
        """
        self._is_ending = True
        self._woken.set()

    def _hint(self, client: _Client) -> None:
        client.is_hinted = True
        self._woken.set()

    def _run(self) -> None:
        while True:
            self._woken.wait(self._seconds_to_next_look())
            self._woken.clear()
            while not self._arrived.empty():
                self._clients.append(self._arrived.get())
            if not self._is_ending:
                self._look(time.monotonic())
            self._end_those_over(time.monotonic())
            time.sleep(_BETWEEN_LOOKS_SECONDS)

    def _seconds_to_next_look(self) -> float | None:
        if not self._clients:
            return None
        return max(0.0, min([self._look_at, *(client.due_at for client in self._clients)]) - time.monotonic())

    def _look(self, now: float) -> None:
        """Look at all jobs that may have moved, and once a second at all others, since a hint may be lost."""
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_SECONDS
            for client in self._clients:
                client.is_hinted = True
        due = [client for client in self._clients if client.due_at <= now]
        for client in due:
            client.is_hinted = False  # from here on a hint is of something that this look may not see
        if due:
            self._tell(due, now)

    def _tell(self, clients: Sequence[_Client], now: float) -> None:
        try:
            events = self._read([client.stream for client in clients])
        except Exception as error:  # noqa: BLE001 # one job that cannot be told of is no reason to end other streams
            if len(clients) > 1:
                for client in clients:
                    self._tell([client], now)
                return
            clients[0].has_failed = True
            job_id = spell(JOB, clients[0].stream.job_id)
            log.error("stream_failed", job_id=job_id, error=type(error).__name__)  # noqa: TRY400 # its text may hold data
            return
        for client, event in zip(clients, events, strict=True):
            client.tell(event, now)

    def _end_those_over(self, now: float) -> None:
        going_on = []
        for client in self._clients:
            is_lost = client.is_lost(now)
            if is_lost or self._is_ending or client.is_over(now):
                client.end(is_lost=is_lost)
            else:
                going_on.append(client)
        self._clients = going_on
