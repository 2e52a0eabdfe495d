"""Read a request's body: of the right type, bounded while it is read, and whole. One JSON text, or a stream."""

import codecs
import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import msgspec
from flask import g, request
from werkzeug.http import parse_options_header

from app.http import content_digest
from app.http.arrival import in_time, sent
from app.http.services import services
from ingest import json_screen
from ingest.errors import (
    InvalidInput,
    ItemTooLarge,
    PayloadTooLarge,
    RequestError,
    UnsupportedCoding,
    UnsupportedMediaType,
)
from ingest.intake import codings

_JSON = "application/json"
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
CSV = "text/csv"
_STREAMS = (*LINES, CSV)
_ADVICE = f"Send the body as {_JSON}"
_ADVICE_FOR_OBJECTS = f"{_ADVICE}, or as {LINES[0]} (an item a line)"
_ADVICE_FOR_BATCHES = f"Send the body as {_JSON} (an array), {LINES[0]} (an item a line) or {CSV}"
# The forms of a batch, each with its content types.
FORMS = {"array": (_JSON,), "lines": LINES, "csv": (CSV,)}
_NO_CODING = {"", "identity"}
_UTF_8 = {"utf-8", "utf8", "us-ascii", "ascii"}  # ASCII is UTF-8
_MARKS = {codecs.BOM_UTF8: "EF BB BF", codecs.BOM_UTF16_LE: "FF FE, of UTF-16", codecs.BOM_UTF16_BE: "FE FF, of UTF-16"}
_WHOLE = msgspec.json.Decoder(msgspec.Raw)
_MOST_FORM_BYTES = 256 * 1024

# The request headers of a call that takes coded bodies, for the OpenAPI document.
HEADERS = {
    "Content-Encoding": f"identity, or one of {codings.ACCEPTED}",
    "Content-Digest": "sha-256=:…: or sha-512=:…:, of the body as it is sent: as in RFC 9530",
}


class _Bound(NamedTuple):
    """The most bytes of a body, and the error for a longer one: a message with a place for the bound."""

    bytes: int
    error: type[RequestError]
    message: str

    def refusal(self) -> RequestError:
        return self.error(self.message.format(self.bytes))


def read(narrower: _Bound | None = None, *, or_lines: bool = False) -> bytes:
    """Return the body as it was sent, of a call that takes JSON.

    Args:
        narrower: for bodies of a kind that may have fewer bytes than others.
        or_lines: the call takes lines too, which a refusal of another type shall say.

    Without a Content-Type it is taken for JSON, since no call takes anything else.

    Raises:
        UnsupportedMediaType: it says that it is not JSON, not UTF-8, or compressed.
        PayloadTooLarge: it is over the byte limit, or the bound's own; no more than the limit was read.
        InvalidInput: it is empty, or begins with a byte order mark; and all that `sent` raises.
    """
    _check_type(advice=_ADVICE_FOR_OBJECTS if or_lines else _ADVICE)
    if coding() not in _NO_CODING:
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding")
    of_all = _of_all()
    bound = of_all if narrower is None or narrower.bytes > of_all.bytes else narrower
    # A length that is stated is judged before anything is read; a chunked body has none, and is counted as it comes.
    for limit in (of_all, bound):
        if (request.content_length or 0) > limit.bytes:
            raise limit.refusal()
    body = bytearray()
    for chunk in _hashed(sent()):
        body += chunk
        if len(body) > bound.bytes:
            raise bound.refusal()
    _check_start(body)
    return bytes(body)


def hash_as_read() -> None:
    """Have this request's body hashed while it is read."""
    g.body_hash = hashlib.sha256()


def digest() -> bytes:
    """Return SHA-256 of what `hash_as_read` had hashed: of the whole body, once that has been read."""
    hashed: hashlib._Hash = g.body_hash
    return hashed.digest()


def _hashed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    hashed: hashlib._Hash | None = g.get("body_hash")
    for chunk in chunks:
        if hashed is not None:
            hashed.update(chunk)
        yield chunk


def read_batch() -> bytes:
    """Return the body of a call that takes a JSON array of items, decoded.

    Raises:
        UnsupportedCoding: it has another content coding than gzip and zstd; and all that `read` raises.
    """
    _check_type(advice=_ADVICE_FOR_BATCHES)
    if coding() in _NO_CODING and "Content-Digest" not in request.headers:
        return read()
    body = b"".join(decoded(most_bytes=_of_all().bytes))
    _check_start(body)
    return body


def read_again(*, takes_lines: bool) -> bytes:
    """Return the body of a repeated request, of which a hash is wanted; of a stream nothing is kept.

    Args:
        takes_lines: the call takes streams, and content codings.
    """
    if not takes_lines:
        return read()
    if not is_stream():
        return read_batch()
    for _ in stream():
        pass
    return b""


def is_stream() -> bool:
    """True if the body says that it is newline-delimited JSON or CSV (docs/contracts/jobs.md section 1)."""
    return _media_type() in _STREAMS


def is_lines() -> bool:
    """True if the body says that it is newline-delimited JSON (docs/contracts/jobs.md section 1)."""
    return _media_type() in LINES


def is_csv() -> bool:
    """True if the body says that it is CSV (docs/contracts/jobs.md section 1)."""
    return _media_type() == CSV


def _media_type() -> str:
    sent_type = request.headers.get("Content-Type", "")
    return sent_type if sent_type == _JSON else parse_options_header(sent_type)[0].lower()


def stream() -> Iterator[bytes]:
    """Yield the body of a batch call that `is_stream`, decoded, while it arrives.

    Raises:
        UnsupportedMediaType: it says that it is not UTF-8.
        PayloadTooLarge: it has more bytes than a job may have; and all that `decoded` raises.
    """
    _check_type(_STREAMS)
    return decoded(most_bytes=services().settings.max_job_bytes)


def decoded(*, most_bytes: int) -> Iterator[bytes]:
    """Yield the body of a batch call while it arrives, without its content coding.

    Args:
        most_bytes: how many decoded bytes are taken.

    Raises:
        UnsupportedCoding: it has another coding than gzip and zstd.
        PayloadTooLarge: it is longer, or expands too much.
        InvalidInput: it is damaged; and all that `sent` and `app.http.content_digest.checked` raise.
    """
    name = coding()
    if not codings.is_known(name):
        raise UnsupportedCoding(
            f"The content coding {name!r} is not supported; send one of {codings.ACCEPTED}, or none"
        )
    return _hashed(in_time(codings.decoded(content_digest.checked(sent()), name, most_bytes=most_bytes)))


def _check_start(body: bytes | bytearray) -> None:
    if not body:
        raise InvalidInput("The body is empty; send JSON, and its length in Content-Length or as chunks")
    if body.startswith(tuple(_MARKS)):
        name = next(name for mark, name in _MARKS.items() if body.startswith(mark))
        raise InvalidInput(f"The body begins with a byte order mark ({name}); send JSON in UTF-8, without one")


def read_item() -> msgspec.Raw:
    """Return the body of a call that writes one item.

    Raises:
        ItemTooLarge: it has more bytes than an item may have; and all that `read_json` raises.
    """
    most = services().settings.max_item_bytes
    return read_json(_Bound(most, ItemTooLarge, "The body has more bytes than an item may have: {}"))


def read_form() -> msgspec.Raw:
    """Return the body of a call that says how the server is to work, rather than one with data.

    Raises:
        PayloadTooLarge: it has over 256 kB; and all that `read_json` raises.
    """
    return read_json(_Bound(_MOST_FORM_BYTES, PayloadTooLarge, "The body is over {} bytes"))


def read_json(narrower: _Bound | None = None) -> msgspec.Raw:
    """Return the body, known to be one JSON text in UTF-8, without the space around it.

    Args:
        narrower: for bodies of a kind that may have fewer bytes than others.

    Raises:
        InvalidInput: it is not, or holds a lone surrogate; and all that `read` raises.
    """
    return as_json(read(narrower))


def as_json(body: bytes) -> msgspec.Raw:
    """Return a body that was read, known to be one JSON text in UTF-8, without the space around it.

    Raises:
        InvalidInput: it is not, or holds a lone surrogate.
    """
    try:
        body.decode()  # msgspec does not look inside of what it hands out raw
        return _WHOLE.decode(body)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The body is not valid UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise InvalidInput("The body is nested too deeply") from None
    except msgspec.DecodeError as error:
        if json_screen.holds_surrogate(body):
            raise InvalidInput("The body is not valid JSON, or holds half of a surrogate pair") from None
        raise InvalidInput(f"The body is not valid JSON: {error}") from None


def _check_type(types: Collection[str] = frozenset({"", _JSON}), advice: str = _ADVICE) -> None:
    sent = request.headers.get("Content-Type", "")
    if sent != _JSON:  # which most say, and it needs no parsing
        media_type, options = parse_options_header(sent)
        if media_type.lower() not in types:
            raise UnsupportedMediaType(advice)
        check_charset(options)
    if (name := coding()) in _UTF_8:
        raise UnsupportedMediaType(
            f'Leave "Content-Encoding: {name}" out: it is for compression. A character set belongs into '
            "Content-Type, and bodies are UTF-8 without being told so"
        )


def check_charset(options: Mapping[str, str]) -> None:
    """Check that a body is in UTF-8.

    Args:
        options: of its Content-Type.

    Raises:
        UnsupportedMediaType: they name another character set.
    """
    if options.get("charset", "utf-8").strip("'").lower() not in _UTF_8:
        raise UnsupportedMediaType("Send the body in UTF-8: no other character set is taken (RFC 8259)")


def coding() -> str:
    """Return the content coding that this request says, in lower case; empty where it says none."""
    return request.headers.get("Content-Encoding", "").strip().lower()


def _of_all() -> _Bound:
    most = services().settings.max_body_bytes
    return _Bound(most, PayloadTooLarge, "The body is over {} bytes; send it in several requests")
