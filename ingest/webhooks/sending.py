"""One try to send a message, over a connection to an address that was looked up once, and checked.

httpcore2 is the part of httpx2 that speaks HTTP. It follows no redirect, knows no proxy and keeps no cookie, and it
takes its connections from here: nothing looks the name up a second time, and what is left of the try bounds each wait.
TLS checks the certificate against the name all the same.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpcore2

from ingest.errors import WrongUrl
from ingest.webhooks import schedule, urls
from ingest.webhooks.addresses import is_public
from ingest.webhooks.urls import Target

# All of a try: the look-up of the name, connecting, TLS, sending, and the head of the answer.
TIMEOUT_SECONDS = 15.0

# Of an answer so much is read: a flood of answers `100 Continue`, which have no end, would keep a processor busy.
_MOST_READ_BYTES = 256 * 1024

# The network waits as often as the receiver makes room, each time anew. In pieces, each wait ends with the try.
_PIECE_BYTES = 4_096

# A name may have many addresses, of which the first ones are tried.
_MOST_ADDRESSES = 4

_SUCCESS = range(200, 300)

# Returns the addresses of a host and a port, in the order in which they are to be tried.
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a try.

    Attributes:
        status: of HTTP; None where there was no answer.
        milliseconds: how long it took.
        error: why it failed; None where it succeeded.
        retry_after: seconds that the receiver asked for.
    """

    status: int | None
    milliseconds: int
    error: str | None
    retry_after: float | None = None


class _Refused(Exception):
    """The try is refused before anything is sent; the message says why."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the resolver of this machine orders them.

    Raises:
        OSError: it knows none.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends messages.

    Attributes:
        allow_private: connect to addresses that are not public too, and without TLS.
        resolver: looks names up.
        network: makes the connections.
        tls: checks the receivers' certificates.
        timeout_seconds: the longest that a try may take.
    """

    allow_private: bool
    tls: ssl.SSLContext
    resolver: Resolve = resolve
    network: httpcore2.NetworkBackend = field(default_factory=httpcore2.SyncBackend)
    timeout_seconds: float = TIMEOUT_SECONDS

    def send(self, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """Send a message once, and return what came of it; whatever happens is an outcome.

        Args:
            url: where to.
            headers: of the message.
            content: its body.
        """
        began = time.monotonic()
        deadline = began + self.timeout_seconds

        def took() -> int:
            return round((time.monotonic() - began) * 1000)

        try:
            target = urls.parse(url, allow_private=self.allow_private)
            pinned = _Pinned(self.network, self._addresses(target, deadline), deadline)
            status, retry_after = self._exchange(target, pinned, headers, content)
        except WrongUrl as error:
            return Answer(None, took(), error.message)
        except _Refused as error:
            return Answer(None, took(), str(error))
        except httpcore2.TimeoutException:
            return Answer(None, took(), f"no answer within {self.timeout_seconds:g} s")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            return Answer(None, took(), f"{_WORDS.get(type(error), 'no answer')}: {_reason(error)}")
        if status in _SUCCESS:
            return Answer(status, took(), None)
        return Answer(status, took(), f"it answered {status}", schedule.retry_after(retry_after, datetime.now(UTC)))

    def _addresses(self, target: Target, deadline: float) -> list[str]:
        """Return the addresses of a target, if all of them may be connected to."""
        try:
            found = list(dict.fromkeys(_looked_up(self.resolver, target, deadline)))
        except TimeoutError:
            raise _Refused(f"the name was not found within {self.timeout_seconds:g} s") from None
        except OSError as error:
            raise _Refused(f"the name was not found: {error.strerror or type(error).__name__}") from None
        except UnicodeError:
            raise _Refused("the name cannot be looked up") from None
        if not found:
            raise _Refused("the name has no address")
        if not (self.allow_private or all(map(is_public, found))):
            raise _Refused("the name has an address that is not public")
        return found[:_MOST_ADDRESSES]

    def _exchange(
        self, target: Target, pinned: "_Pinned", headers: Mapping[str, str], content: bytes
    ) -> tuple[int, str | None]:
        """Return the status of the answer and its header Retry-After; its body is not read."""
        origin = httpcore2.Origin(target.scheme.encode(), target.host.encode(), target.port)
        sent = [("Host", target.authority), ("Content-Length", str(len(content))), ("Connection", "close")]
        request = httpcore2.Request(
            "POST",
            httpcore2.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target.path.encode()),
            headers=[*sent, *headers.items()],
            content=content,
            extensions={"timeout": {}},
        )
        connection = httpcore2.HTTPConnection(origin, ssl_context=self.tls, network_backend=pinned)
        try:
            answer = connection.handle_request(request)
            found = [value for name, value in answer.headers if name.lower() == b"retry-after"]
            return answer.status, found[0].decode("latin-1") if found else None
        finally:
            connection.close()


def _looked_up(resolver: Resolve, target: Target, deadline: float) -> Sequence[str]:
    """Look up the addresses of a target in a thread of its own: the system's resolver knows no deadline.

    A look-up that takes longer is left behind; its thread ends once the resolver gives up, and keeps no process alive.

    Raises:
        TimeoutError: there was no answer by the deadline.
    """
    answer: Future[Sequence[str]] = Future()

    def ask() -> None:
        try:
            answer.set_result(resolver(target.host, target.port))
        except Exception as error:  # noqa: BLE001 # raised again where it is waited for
            answer.set_exception(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return answer.result(max(0.0, deadline - time.monotonic()))


_WORDS: dict[type[Exception], str] = {
    httpcore2.ConnectError: "no connection",
    httpcore2.RemoteProtocolError: "its answer is no HTTP",
    httpcore2.ReadError: "the connection broke off",
    httpcore2.WriteError: "the connection broke off",
}
_LONGEST_REASON = 200


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:_LONGEST_REASON]


class _Pinned(httpcore2.NetworkBackend):
    """Connects to addresses that were looked up before, whatever host it is asked for.

    Args:
        network: makes the connections.
        addresses: at least one.
        deadline: when the try must be over, by the monotonic clock.
    """

    def __init__(self, network: httpcore2.NetworkBackend, addresses: Sequence[str], deadline: float) -> None:
        self._network = network
        self._addresses = addresses
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 # the addresses stand for it
        port: int,
        timeout: float | None = None,  # noqa: ARG002 # the deadline stands for it
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers; each gets an equal share of the time that is left."""
        for place, address in enumerate(self._addresses):
            others = len(self._addresses) - place - 1
            share = _left(self._deadline) / (others + 1)
            try:
                stream = self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if not others:
                    raise
            else:
                return _Bounded(stream, self._deadline)
        raise AssertionError("there is at least one address")


class _Bounded(httpcore2.NetworkStream):
    """A stream of which each wait ends with the try: to trickle bytes, or to read few, gains a receiver no time."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._read_bytes = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 # the deadline stands for it
        found = self._stream.read(max_bytes, _left(self._deadline))
        self._read_bytes += len(found)
        if self._read_bytes > _MOST_READ_BYTES:
            raise httpcore2.RemoteProtocolError("its head has no end")
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 # likewise
        for begin in range(0, len(buffer), _PIECE_BYTES):
            self._stream.write(buffer[begin : begin + _PIECE_BYTES], _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 # likewise
    ) -> httpcore2.NetworkStream:
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    """Return the seconds that are left of a try.

    Raises:
        ReadTimeout: none are.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left
