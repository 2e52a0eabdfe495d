"""Read the bytes of a body while they arrive, all that its sender announced; slow senders share half of the threads."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from flask import g, request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped] # it has no types
from werkzeug.exceptions import BadRequest, RequestTimeout

from app.http.services import services
from ingest.errors import Busy, PayloadTooLarge
from ingest.metrics import names

_CHUNK_BYTES = 128 * 1024


@contextmanager
def place() -> Iterator[None]:
    """Hold one of the places that a process has for bodies that take long, which are fewer than its threads.

    Raises:
        Busy: all of them are taken.
    """
    places = services().body_places
    if not places.acquire(blocking=False):
        raise Busy(
            "The server reads as many large or slow bodies as it can at once; send this one again in some seconds"
        )
    g.has_body_place = True
    try:
        yield
    finally:
        g.has_body_place = False
        places.release()


def sent() -> Iterator[bytes]:
    """Yield the body as it was sent, while it arrives. If it arrives slowly, its request takes a `place`.

    Raises:
        Busy: it is slow, and there is no place.
        BadRequest: it broke off, so what came is not what was sent (RFC 9112 section 8), or its chunks are malformed.
        RequestTimeout: it came too slowly, or takes longer than SLUICE_BODY_SECONDS.
        PayloadTooLarge: it has more bytes than a job may have.
    """
    until = time.monotonic() + services().settings.body_seconds
    # The server heeds these two (app/server/parsing.py); where there is none, as in tests, no body is slow.
    sock = request.environ.get("gunicorn.socket")
    if sock is None:
        yield from _chunks(until)
        return
    with ExitStack() as held:
        sock.body_until = until
        if not g.get("has_body_place"):
            sock.on_wait = lambda: held.enter_context(place())
        try:
            yield from _chunks(until)
        finally:
            sock.on_wait, sock.body_until = None, math.inf


def in_time(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a decoded body until SLUICE_BODY_SECONDS are over: a few bytes of it can stand for gigabytes.

    Raises:
        RequestTimeout: they are over.
    """
    until = time.monotonic() + services().settings.body_seconds
    for piece in pieces:
        if time.monotonic() > until:
            raise _too_late()
        yield piece


def _chunks(until: float) -> Iterator[bytes]:
    announced, length = request.content_length, 0
    settings = services().settings
    try:
        while chunk := request.stream.read(_CHUNK_BYTES):
            length += len(chunk)
            names.BYTES_RECEIVED.add(by=len(chunk))
            # Decoders count what they make of a body, which may be nothing for ever.
            if length > settings.max_job_bytes:
                raise PayloadTooLarge(f"The body is over {settings.max_job_bytes} bytes; send it in several jobs")
            if time.monotonic() > until:
                raise _too_late()
            yield chunk
    except TimeoutError:
        if time.monotonic() > until:
            raise _too_late() from None
        raise RequestTimeout("The body came too slowly; nothing was stored, send the request again") from None
    except (OSError, ParseException):
        raise BadRequest("The body ended before its last chunk, or its chunks are malformed") from None
    if announced is not None and length != announced:
        raise BadRequest(f"The body ended after {length} of the {announced} bytes that Content-Length announced")


def _too_late() -> RequestTimeout:
    return RequestTimeout(
        f"The body took longer than {services().settings.body_seconds} seconds; nothing was stored. Send it in several "
        "jobs, or in parts"
    )
