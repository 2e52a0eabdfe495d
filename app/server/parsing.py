"""HTTP messages: gunicorn's parser, held to RFC 9112 where it is lax, and the answers to what is no message."""

import re
import select
import time
from http import HTTPStatus

from gunicorn.http import errors as http  # type: ignore[import-untyped] # it has no types
from gunicorn.http.body import ChunkedReader  # type: ignore[import-untyped] # it has no types
from gunicorn.http.message import Request  # type: ignore[import-untyped] # it has no types
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped] # it has no types
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped] # it has no types

from app import ENVELOPES
from app.http import errors, headers
from app.http.errors import Fault
from ingest.ids import uuid7
from ingest.logs import Logger, get_logger
from ingest.origins import Origins

# A body may come as slowly as that, after its first seconds: a thread waits for it.
_BODY_SECONDS = 20.0
_SLOWEST_BYTES_A_SECOND = 16 * 1024

# After so much waiting for a body, in all, its request counts as one of a slow client.
_PROMPT_SECONDS = 1.0

# A refusal waits this long for the rest of the body: bytes that were sent with the head have arrived by then.
_SKIP_SECONDS = 0.05
_SKIPPED_BYTES = 64 * 1024

# As it stands in a head that may be malformed in other places.
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*([!-~]+)[ \t]*\r", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")

log: Logger = get_logger("app.server.parsing")


class Refused(http.ParseException):  # type: ignore[misc] # gunicorn has no types
    """A message that is not taken.

    Args:
        message: for the client; it quotes nothing of what was sent.
        status: of HTTP.
    """

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        self.message, self.status = message, status


class _Unreader(SocketUnreader):  # type: ignore[misc] # gunicorn has no types
    """Reads a connection for a bounded time; each byte of a body buys some more of it.

    Attributes:
        until: when to stop, by the monotonic clock.
        prompt_seconds: seconds that this thread may still wait for the body before the app is told that it is slow;
            None where that does not count: in the head, and once the app was told.
        to_continue: the client waits for a 100 before it sends the body.
    """

    # No more than the app reads at once (app/http/arrival.py): gunicorn keeps the surplus of a read, and copies all of
    # it anew for each piece that the app takes: 300 MB would cost 1.1 s of a processor, and cost 0.1 s.
    max_body_chunk = 128 * 1024

    until = 0.0
    prompt_seconds: float | None = None
    to_continue = False

    def chunk(self, size_hint: int | None = None) -> bytes:
        """As of gunicorn.

        Raises:
            TimeoutError: it comes too slowly.
            Busy: it comes slowly, and so do many others.
        """
        if time.monotonic() > min(self.until, self.sock.body_until):
            raise TimeoutError
        if self.to_continue:
            self.to_continue = False
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.prompt_seconds is not None:
            self._wait(self.prompt_seconds)
        try:
            data: bytes = super().chunk(size_hint)
        except BlockingIOError:  # the socket's own timeout
            raise TimeoutError from None
        self.until += len(data) / _SLOWEST_BYTES_A_SECOND
        return data

    def _wait(self, seconds: float) -> None:
        """Wait for the next bytes for the prompt seconds that are left; tell the app if none have come by then.

        Bytes that are there are none to wait for, however late a busy machine lets this thread look.
        """
        began = time.monotonic()
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(seconds * 1000):
            self.prompt_seconds = max(0.0, seconds - (time.monotonic() - began))
            return
        self.prompt_seconds = None
        if self.sock.on_wait is not None:
            self.sock.on_wait()


class _Request(Request):  # type: ignore[misc] # gunicorn has no types
    """A request whose body may stay unread: the connection is kept where the rest of it is there, to be skipped."""

    _skipped: bool | None = None
    _expected_100_continue: bool

    def set_body_reader(self) -> None:
        """As of gunicorn, which lets a message without Host pass, and does not look what else encodes a chunked body.

        Raises:
            Refused: the message is not HTTP/1.1 (RFC 9112 sections 3.2 and 6.1), or encoded as none is taken.
        """
        hosts = [value for name, value in self.headers if name == "HOST"]
        if not hosts and self.version >= (1, 1):
            raise Refused("HTTP/1.1 needs a Host header (RFC 9112 section 3.2)")
        if not all(_HOST.fullmatch(host) for host in hosts):
            raise Refused("The Host header is no host and port (RFC 9112 section 3.2)")
        # The app sees equal headers as one, with a comma between, which may as well stand in a key.
        if sum(name == "IDEMPOTENCY-KEY" for name, _ in self.headers) > 1:
            raise Refused("The header Idempotency-Key stands more than once; send one key")
        sent = [value for name, value in self.headers if name == "TRANSFER-ENCODING"]
        codings = [coding.strip(" \t").lower() for value in sent for coding in value.split(",")]
        if codings[-1:] == ["chunked"] and set(codings) != {"chunked"}:
            raise http.UnsupportedTransferCoding("")
        super().set_body_reader()
        # gunicorn would send the 100 before anybody has looked at the key.
        self.unreader.to_continue, self._expected_100_continue = self._expected_100_continue, False
        self.unreader.until = time.monotonic() + _BODY_SECONDS
        self.unreader.prompt_seconds = _PROMPT_SECONDS

    def should_close(self) -> bool:
        """As of gunicorn, asked when the answer begins; or the rest of the body is not there to be skipped."""
        if self._skipped is None and self.body is not None:
            self._skipped = self._skip_body()
        return not self._skipped or bool(super().should_close())

    def _skip_body(self) -> bool:
        """Skip what was not read of the body, without waiting for more. Return True if that was all of it."""
        reader = self.body.reader
        left = reader.parser if isinstance(reader, ChunkedReader) else reader.length
        if not left or self.body.failed or self.unreader.to_continue:
            return not left
        sock = self.unreader.sock
        self.unreader.until, self.unreader.prompt_seconds = time.monotonic() + _SKIP_SECONDS, 0
        sock.settimeout(_SKIP_SECONDS)
        try:
            return len(self.body.read(_SKIPPED_BYTES)) < _SKIPPED_BYTES
        except (OSError, http.ParseException):
            return False
        finally:
            sock.settimeout(None)


class Parser(RequestParser):  # type: ignore[misc] # gunicorn has no types
    """The requests of a connection, one after the other."""

    mesg_class = _Request

    def __init__(self, cfg: object, sock: object, client: object) -> None:
        super().__init__(cfg, sock, client)
        self.unreader = _Unreader(sock)


_NAMED = {"HOST": "Host", "CONTENT-TYPE": "Content-Type", "CONTENT-LENGTH": "Content-Length"}
_NAMED["TRANSFER-ENCODING"] = "Transfer-Encoding"
_REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (TimeoutError, HTTPStatus.REQUEST_TIMEOUT, "The head of the request came too slowly"),
    (http.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is over 8,190 bytes"),
    (
        http.LimitRequestHeaders,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers are over 100 lines, 8,190 bytes a line, or 64 KiB in all",
    ),
    (http.UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED, "Transfer-Encoding takes chunked, and nothing else"),
    (http.ExpectationFailed, HTTPStatus.EXPECTATION_FAILED, "Expect takes 100-continue, and nothing else"),
    (http.InvalidRequestMethod, HTTPStatus.BAD_REQUEST, "The method is not valid: methods are upper-case words"),
    (http.InvalidHTTPVersion, HTTPStatus.BAD_REQUEST, "The request line names another version than HTTP/1.1"),
    (
        http.InvalidRequestLine,
        HTTPStatus.BAD_REQUEST,
        "The request line is malformed: characters other than printable ASCII must be percent-encoded",
    ),
    (http.ParseException, HTTPStatus.BAD_REQUEST, "A header is malformed, or holds control characters"),
)


def answer(head: bytes, error: Exception, origins: Origins) -> bytes:
    """Return the answer to what is no request, in the envelope of the API whose address it names, as bytes to send.

    Args:
        head: the beginning of what was sent; the log is told nothing of it.
        error: what the parser raised, or anything that came past the app.
        origins: whose pages may read the answer in a browser.
    """
    fault = _fault(error)
    method, _, target = head.partition(b"\r\n")[0].partition(b" ")
    path = re.sub(rb"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/]*", b"", target.partition(b" ")[0])
    response = ENVELOPES.at("/" + path.partition(b"?")[0].decode("latin-1").lstrip("/"))(fault)
    request_id = uuid7().hex
    log.info("request_refused", request_id=request_id, error=type(error).__name__, status=fault.status)
    origin = _ORIGIN.search(head)
    headers.complete(response.headers, request_id, origins, origin[1].decode() if origin else None)
    response.headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in response.headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else response.get_data())


def _fault(error: Exception) -> Fault:
    if isinstance(error, Refused):
        return errors.of_status(error.status, error.message)
    if isinstance(error, http.InvalidHeader) and error.hdr in _NAMED:
        message = f"The header {_NAMED[error.hdr]} is malformed, stands twice, or contradicts another one"
        return errors.of_status(HTTPStatus.BAD_REQUEST, message)
    for kind, status, message in _REFUSALS:
        if isinstance(error, kind):
            return errors.of_status(status, message)
    return errors.of(error)
