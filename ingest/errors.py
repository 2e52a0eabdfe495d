"""Every error that Sluice raises on purpose.

SluiceError                     a code and a message that a client may read
├── SettingsError               boot: the environment is wrong
├── RequestError                the request is refused; nothing of it is stored
│   ├── InvalidInput            the body is not what the call takes
│   │   ├── DigestMismatch      the body is not what its sender meant to send
│   │   ├── WrongUrl            a webhook may not have this URL
│   │   └── InvalidParameter    a query parameter is unknown, stands twice, or has a value that it may not have
│   ├── FaultyBody              likewise, with the place of each fault in the body (public API)
│   ├── ValidationFailed        a single item breaks its template
│   ├── UnknownField            a single item has a member that it should not have, and its sender asked to be told so
│   ├── TemplateNotConfigured   the tenant has chosen no template yet
│   ├── Unauthorized            no key, or one that opens nothing
│   ├── Forbidden               a key that may not do this
│   ├── NotFound                not there, or another tenant's: the two look alike
│   ├── Gone                    an upload that nobody went on with for too long, or a job past its retention
│   ├── WrongState              an upload that was completed takes no parts
│   ├── PartsMissing            an upload cannot be completed yet
│   ├── LastKey                 the last active key of a tenant, or the last with the scope admin, stays
│   ├── LimitReached            a tenant has as many of these as it may have
│   ├── MasterKeyMissing        this installation has no key to encrypt secrets and personal data with
│   ├── ResultsNotKept          a job whose client did not ask to keep the result of each item
│   ├── PayloadTooLarge         more bytes than the server reads
│   ├── ItemTooLarge            an item of more bytes than one may have, or of numbers that read back as too many
│   ├── UnsupportedMediaType    a body of a type that the call does not take
│   │   └── UnsupportedCoding   likewise, of a content coding
│   ├── Busy                    the server reads as many large bodies, or serves as many streams, as it can at once
│   ├── KeyInProgress           another request with the same idempotency key is under way
│   ├── KeyReused               another request, of another body or other options, had the same idempotency key
│   └── RateLimited             too many requests in the window
├── WrongDatabase               boot: the database cannot hold what clients send
├── RoleRefused                 the role in DATABASE_URL may not make or drop the login of a reader
├── JobUnrunnable               a job cannot run, now or ever: it ends as failed
├── SecretUnreadable            something stored cannot be decrypted: its master key is not configured any more
└── DatabaseError               what Postgres said, with no row data in it
    ├── WriteRefused            the data cannot be stored: the same again would be refused again
    │   ├── TooLarge            a merge would let an entity grow over its limit
    │   └── Unaddressable       an entity would have a name that no URL can hold
    ├── TryAgain                a deadlock, a timeout, a serialization failure: the same again may pass
    │   └── DiskFull            the database has no room, or hardly any: the same again may pass once there is some
    └── Unavailable             no connection, or it was lost: what was under way may or may not stand
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar


class SluiceError(Exception):
    """The root: `code` is public and fixed (docs/contracts/operator.md section 1), `message` says what to do."""

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SettingsError(SluiceError):
    """The environment is wrong; the message names every wrong variable."""

    code = "INVALID_SETTINGS"


class RequestError(SluiceError):
    """The request is refused, and nothing of it is stored."""


class InvalidInput(RequestError):
    """The body is not JSON, not of the call's shape, or over its limit."""

    code = "INVALID_INPUT"


class DigestMismatch(InvalidInput):
    """The digest of the body is another than its sender says (RFC 9530)."""

    code = "DIGEST_MISMATCH"


class WrongUrl(InvalidInput):
    """A webhook may not have this URL; the message says what the URL must be."""


class InvalidParameter(InvalidInput):
    """A query parameter is unknown, stands twice, or has a value that it may not have.

    Args:
        name: the parameter's, as sent.
        message: what is wrong with it.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class FaultyBody(RequestError):
    """The body is not what a call of the public API takes.

    Args:
        faults: each with `loc`, `msg` and `type` (docs/contracts/public.md section 1).
    """

    code = "INVALID_INPUT"

    def __init__(self, faults: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("The body is not what the call takes")
        self.faults = faults

    @classmethod
    def at(cls, place: Sequence[str | int], msg: str, kind: str) -> "FaultyBody":
        """Take one fault.

        Args:
            place: the path to it from the body on; empty for the body as a whole.
            msg: what is wrong.
            kind: the fault's `type`.
        """
        return cls([{"loc": ["body", *place], "msg": msg, "type": kind}])


class ValidationFailed(RequestError):
    """A single item breaks its template: an unknown type or key, or a required field is missing."""

    code = "VALIDATION_FAILED"


class UnknownField(RequestError):
    """A single item has a member that it should not have, under `Prefer: handling=strict`."""

    code = "UNKNOWN_FIELD"


class TemplateNotConfigured(RequestError):
    """The tenant has chosen no template yet."""

    code = "TEMPLATE_NOT_CONFIGURED"


class Unauthorized(RequestError):
    """No key, or one that is unknown, revoked or expired, or whose tenant is suspended."""

    code = "UNAUTHORIZED"


class Forbidden(RequestError):
    """The key may not do this.

    Args:
        message: what it lacks.
        scope: the one that the call needs; empty if it lacks something else.
    """

    code = "FORBIDDEN"

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope


class NotFound(RequestError):
    """Not there, or another tenant's."""

    code = "NOT_FOUND"


class Gone(RequestError):
    """It was there, and is no more."""

    code = "GONE"


class WrongState(RequestError):
    """It is in a state in which this cannot be done."""

    code = "WRONG_STATE"


class PartsMissing(RequestError):
    """Parts of an upload have not arrived; the message lists their numbers."""

    code = "PARTS_MISSING"


class LastKey(RequestError):
    """Revoking the last active key, or narrowing the last one with the scope admin, would lock the tenant out."""

    code = "LAST_KEY"


class LimitReached(RequestError):
    """A tenant has as many of these as it may have."""

    code = "LIMIT_REACHED"


class MasterKeyMissing(RequestError):
    """This installation has no master key, so it can store neither secrets nor personal data."""

    code = "MASTER_KEY_MISSING"


class ResultsNotKept(RequestError):
    """The job keeps no result of each item: its client did not ask for them."""

    code = "RESULTS_NOT_KEPT"


class PayloadTooLarge(RequestError):
    """The body is over the byte limit."""

    code = "PAYLOAD_TOO_LARGE"


# The message of an item tells so many of its faults.
_MOST_TOLD = 10


def message_of(faults: Sequence[str]) -> str:
    """Return the message for an item: its first ten faults, and how many more it has.

    Args:
        faults: a text each.
    """
    more = [f"and {len(faults) - _MOST_TOLD} more"] if len(faults) > _MOST_TOLD else []
    return "; ".join([*faults[:_MOST_TOLD], *more])


# The message for an item of so many bytes.
ITEM_TOO_LARGE = "The item has {} bytes; the most is {}"


class ItemTooLarge(RequestError):
    """An item has more bytes than one may have, or its numbers would read back as too many."""

    code = "ITEM_TOO_LARGE"


class UnsupportedMediaType(RequestError):
    """The body's content type or coding is not one that the call takes."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class UnsupportedCoding(UnsupportedMediaType):
    """The body has a content coding that the call does not take."""


class Busy(RequestError):
    """The server reads as many large bodies, or serves as many streams, as it can at once; the same may pass later."""

    code = "UNAVAILABLE"


class KeyInProgress(RequestError):
    """Another request with the same idempotency key is under way, or just was: a repeat will have its answer."""

    code = "IDEMPOTENCY_IN_PROGRESS"

    def __init__(self) -> None:
        super().__init__(
            "The first request with this Idempotency-Key is still being processed; nothing of this one was stored. "
            "Send it again after the time that Retry-After names"
        )


class KeyReused(RequestError):
    """Another request, of another body or other options, had the same idempotency key."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "A request with another body, path or other parameters had this Idempotency-Key in the last 24 hours; "
            "nothing of this one was stored. Use a new key for each new request"
        )


class RateLimited(RequestError):
    """Too many requests in the window.

    Args:
        message: what was exceeded.
        retry_after: whole seconds, at least 1, until a request may pass.
        reset_at: the same as a timezone-aware time.
    """

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after: int, reset_at: datetime) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.reset_at = reset_at


class WrongDatabase(SluiceError):
    """The database that DATABASE_URL names cannot hold what clients send; the message says what to do."""

    code = "WRONG_DATABASE"


class RoleRefused(SluiceError):
    """The role in DATABASE_URL may not make or drop the login of a reader; the message says what to do."""

    code = "ROLE_REFUSED"


class JobUnrunnable(SluiceError):
    """The job as stored cannot run, now or ever."""

    code = "JOB_UNRUNNABLE"


class SecretUnreadable(SluiceError):
    """Something stored, such as personal data, cannot be decrypted; the message names its master key by the id."""

    code = "SECRET_UNREADABLE"


class DatabaseError(SluiceError):
    """An error of Postgres: its SQLSTATE and the constraint, never the row.

    Args:
        sqlstate: five characters, or None where the client library failed before the server spoke.
        constraint: the constraint's name, if one was broken.
        reason: what happened, where that can be told without any row data, as of connections.
    """

    def __init__(self, sqlstate: str | None, constraint: str | None = None, *, reason: str = "") -> None:
        named = f", constraint {constraint}" if constraint else ""
        state = f"SQLSTATE {sqlstate}{named}" if sqlstate else ""
        super().__init__(f"{reason} ({state})" if reason and state else reason or state or "the driver gave up")
        self.sqlstate = sqlstate
        self.constraint = constraint


class WriteRefused(DatabaseError):
    """The data cannot be stored: SQLSTATE classes 22 (data), 23 (constraints) and 54 (limits)."""

    code = "WRITE_FAILED"


class TooLarge(WriteRefused):
    """A merge would let an entity grow over 4 times the limit of an item (docs/contracts/jobs.md section 1)."""

    code = "TOO_LARGE"


class Unaddressable(WriteRefused):
    """An entity would have an id or a type that no URL can hold, and could be read and deleted by none."""

    code = "VALIDATION_FAILED"


class TryAgain(DatabaseError):
    """A deadlock, a timeout, a serialization failure: the same again may pass."""

    code = "UNAVAILABLE"


class DiskFull(TryAgain):
    """The database has no room left (SQLSTATE 53100), or less than the low-water mark: nothing was stored."""

    code = "INSUFFICIENT_STORAGE"


class Unavailable(DatabaseError):
    """No connection, or it was lost: whatever was under way may or may not stand."""

    code = "UNAVAILABLE"
