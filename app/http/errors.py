"""Errors to answers: one table, and one handler that every error of a request ends in. Views raise, never format."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.http.services import services
from ingest.db.data import growth
from ingest.errors import (
    Busy,
    DatabaseError,
    DigestMismatch,
    DiskFull,
    FaultyBody,
    Forbidden,
    Gone,
    InvalidInput,
    InvalidParameter,
    ItemTooLarge,
    KeyInProgress,
    KeyReused,
    LastKey,
    LimitReached,
    MasterKeyMissing,
    NotFound,
    PartsMissing,
    PayloadTooLarge,
    RateLimited,
    ResultsNotKept,
    SecretUnreadable,
    SluiceError,
    TemplateNotConfigured,
    TooLarge,
    TryAgain,
    Unaddressable,
    Unauthorized,
    Unavailable,
    UnknownField,
    UnsupportedCoding,
    UnsupportedMediaType,
    ValidationFailed,
    WriteRefused,
    WrongState,
    WrongUrl,
)
from ingest.intake import codings
from ingest.logs import Logger, get_logger
from ingest.metrics import names

STATUS: Mapping[type[SluiceError], int] = {
    InvalidInput: 400,
    DigestMismatch: 400,
    WrongUrl: 400,
    InvalidParameter: 400,
    ValidationFailed: 400,
    UnknownField: 400,
    TemplateNotConfigured: 400,
    WriteRefused: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    LastKey: 409,
    LimitReached: 409,
    MasterKeyMissing: 409,
    ResultsNotKept: 409,
    KeyInProgress: 409,
    WrongState: 409,
    PartsMissing: 409,
    Gone: 410,
    PayloadTooLarge: 413,
    ItemTooLarge: 413,
    TooLarge: 413,
    Unaddressable: 400,
    UnsupportedMediaType: 415,
    UnsupportedCoding: 415,
    FaultyBody: 422,
    KeyReused: 422,
    RateLimited: 429,
    SecretUnreadable: 500,
    Busy: 503,
    TryAgain: 503,
    DiskFull: 503,
    Unavailable: 503,
}

# Messages for the client; a WriteRefused says itself what it refuses. The database's own messages go to the log.
_DATABASE_MESSAGES: Mapping[type[SluiceError], str] = {
    TryAgain: "The database was too busy for this request; nothing of it was stored, send it again",
    DiskFull: "The database has no room left for new data; nothing of this was stored, send it again later",
    Unavailable: "The database cannot be reached at the moment; send the request again",
}

# Codes of errors that Werkzeug raises, mostly in routing.
HTTP_CODES = {
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    501: "NOT_IMPLEMENTED",
}
_HTTP_MESSAGES = {
    404: "There is no such address; /docs lists them all",
    405: "This address does not take this method; the Allow header names those it takes",
}
_CHALLENGE = 'Bearer realm="sluice"'
_RETRY_AFTER_SECONDS = 1
_DISK_FULL_RETRY_AFTER_SECONDS = 30  # somebody has to make room
_INTERNAL = 500
_READS = {"GET", "HEAD"}
_UNREADABLE = "Something that is stored cannot be read; the server's log has it under the request id"

log: Logger = get_logger("app.http.errors")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error response, before an API puts it into its envelope.

    Attributes:
        reset_at: when a limited caller may try again.
        places: what is wrong with the body or the query, place by place, where that is known.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    reset_at: datetime | None = None
    places: Sequence[Mapping[str, Any]] = ()


Envelope: TypeAlias = Callable[[Fault], Response]


@dataclass(frozen=True, slots=True)
class Envelopes:
    """The functions that wrap faults into responses.

    Attributes:
        of_bases: one for each API, by its base path.
        elsewhere: the one for all other addresses.
    """

    of_bases: Mapping[str, Envelope]
    elsewhere: Envelope

    def at(self, path: str) -> Envelope:
        """Return the envelope for an address, which need not exist."""
        return next((make for base, make in self.of_bases.items() if f"{path}/".startswith(f"{base}/")), self.elsewhere)


def handle(app: Flask, envelopes: Envelopes) -> None:
    """Answer every error of a request in the envelope of its API, addresses that do not exist included.

    Args:
        app: whose requests.
        envelopes: make the answers.
    """

    def answer(error: Exception) -> Response:
        fault = of_http(error) if isinstance(error, HTTPException) else of(error)
        names.REFUSED.add(fault.code)
        return envelopes.at(request.path)(fault)

    app.register_error_handler(Exception, answer)


def of_http(error: HTTPException) -> Fault:
    """Return the fault for an HTTP error: an unknown address or method, or a malformed request."""
    status = error.code or _INTERNAL
    message = _HTTP_MESSAGES.get(status) or error.description or error.name
    allow = dict(error.get_headers()).get("Allow")
    return of_status(status, message, {"Allow": allow} if allow else {})


def of_status(status: int, message: str, headers: Mapping[str, str] | None = None) -> Fault:
    """Return the fault for an HTTP status."""
    code = HTTP_CODES.get(status, "INVALID_INPUT" if status < _INTERNAL else "INTERNAL_ERROR")
    return Fault(status, code, message, headers or {})


def of(error: Exception) -> Fault:
    """Return the fault for an error of Sluice. Log any other exception and return an internal error."""
    if isinstance(error, RateLimited):
        return Fault(429, error.code, error.message, {"Retry-After": str(error.retry_after)}, error.reset_at)
    if isinstance(error, WriteRefused) and request.method in _READS:
        # A row that is stored cannot be read, about which its client can do nothing. `sluice verify` finds such rows.
        _log_unexpected(error)
        return Fault(_INTERNAL, "INTERNAL_ERROR", _UNREADABLE)
    if isinstance(error, SecretUnreadable):
        log.error("secret_unreadable", reason=error.message)
    if isinstance(error, SluiceError) and (status := STATUS.get(type(error))):
        message = _message(error)
        return Fault(status, error.code, message, _headers(error), places=_places(error, message))
    _log_unexpected(error)
    return Fault(_INTERNAL, "INTERNAL_ERROR", "Something went wrong in the server; its log has it under the request id")


def _message(error: SluiceError) -> str:
    if isinstance(error, DatabaseError):
        log.warning("database_error", error=type(error).__name__, sqlstate=error.sqlstate, reason=error.message)
    if isinstance(error, TooLarge):
        return growth.message(growth.most_bytes(services().settings.max_item_bytes))
    if type(error) is WriteRefused:
        return f"The database cannot store this: {error.message}"
    return _DATABASE_MESSAGES.get(type(error), error.message)


def _places(error: SluiceError, message: str) -> Sequence[Mapping[str, Any]]:
    """Return the places of the faults in body or query; empty if the error is about neither, or about sizes."""
    match error:
        case FaultyBody():
            return error.faults
        case InvalidParameter():
            return [{"loc": ["query", error.name], "msg": message, "type": "value_error.query"}]
        case WriteRefused() if not isinstance(error, TooLarge):
            return [{"loc": ["body"], "msg": message, "type": "value_error.write_failed"}]
        case _:
            return []


def _headers(error: SluiceError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": _CHALLENGE}
    if isinstance(error, Forbidden) and error.scope:
        # RFC 6750 section 3.1
        return {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{error.scope}"'}
    if isinstance(error, UnsupportedCoding):
        return {"Accept-Encoding": codings.ACCEPTED}  # RFC 9110 section 15.5.16
    if isinstance(error, DiskFull):
        return {"Retry-After": str(_DISK_FULL_RETRY_AFTER_SECONDS)}
    retries = isinstance(error, Busy | KeyInProgress | TryAgain | Unavailable)
    return {"Retry-After": str(_RETRY_AFTER_SECONDS)} if retries else {}


def _log_unexpected(error: Exception) -> None:
    """Return where it happened, without its message: that may quote what the client sent."""
    sqlstate = error.sqlstate if isinstance(error, DatabaseError) else None
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected_error", error=type(error).__name__, sqlstate=sqlstate, frames=frames)
