"""Errors of the client, in one tree; each says what to do.

SluiceError                  everything that this package raises on purpose
    ApiError                 the server refused: status, code, message, request_id, retry_after
        Unauthorized         401: the key
        Forbidden            403: what the key may do
        NotFound             404, 410: there is no such thing, or no more
        Invalid              400, 415, 422: the request
        TooLarge             413: its size
        Conflict             409: the state of what it is about
        RateLimited          429, once no wait that the client allows was enough
        Unavailable          5xx, likewise
    TransportError           no answer came: connection, TLS, time
    Redirected               the address is not the server's own
    Misconfigured            address, key or a header of the caller's cannot be sent
    UnsupportedValue         an item holds a value that JSON has not, such as NaN
    WaitTimeout              the job goes on; only the wait is over
    JobFailed                a job ended as failed or cancelled
    ItemsFailed              a load ended, and some of its items were refused
    LoadTooLarge             an atomic load has more than one job may have
    UnknownFormat            a file is of no form that can be loaded
    UnreadableFile           a file is damaged, or cannot be cut into parts
    OtherLoad                an earlier load of a file broke off, and had other options
    UnwritableFile           the journal of a load, or the file of its errors, cannot be written
    ForkedClient             the client was opened in another process
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluice_client.models import JobInfo
    from sluice_client.reports import Report


class SluiceError(Exception):
    """The root of the tree.

    Attributes:
        report: of a load that this error ended: the batches that were accepted stand.
    """

    report: Report | None = None


class ApiError(SluiceError):
    """The server refused a request.

    Args:
        status: of HTTP.
        code: fixed, as in docs/reference/errors.md; empty where the answer is not Sluice's own, or has none.
        message: for people.
        request_id: under which the server's log has the request.
        retry_after: the seconds after which the server would rather see the request again; None if it does not say.
        detail: the whole body of the refusal, decoded.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
        detail: Any = None,
    ) -> None:
        self.status, self.code, self.message = status, code, message
        self.request_id, self.retry_after, self.detail = request_id, retry_after, detail
        named = f" (request {request_id})" if request_id else ""
        super().__init__(f"{status} {code or 'error'}: {message}{named}")


class Unauthorized(ApiError):
    """The key is missing, unknown, revoked or expired."""


class Forbidden(ApiError):
    """The key may not do this."""


class NotFound(ApiError):
    """There is no such thing for this key, or retention has deleted it (`GONE`)."""


class Invalid(ApiError):
    """The request is not what the call takes."""


class TooLarge(ApiError):
    """The request is over a limit of bytes."""


class Conflict(ApiError):
    """The job, upload, key or webhook is in a state in which this cannot be done."""


class RateLimited(ApiError):
    """The tenant's limit is used up; `retry_after` says for how long."""


class Unavailable(ApiError):
    """The server cannot answer now. A write with an idempotency key may be sent again."""


class TransportError(SluiceError):
    """No answer came. A write with an idempotency key may be sent again.

    Attributes:
        never_sent: no connection came about, so the server knows nothing of the request.
    """

    def __init__(self, message: str, *, never_sent: bool = False) -> None:
        self.never_sent = never_sent
        super().__init__(message)


class Redirected(SluiceError):
    """The server sends its clients elsewhere, and a key goes to no address but that which its owner gave.

    Args:
        status: of HTTP.
        target: scheme and host of the other address; empty if the answer names none.
    """

    def __init__(self, status: int, target: str) -> None:
        self.status, self.target = status, target
        super().__init__(f"The server redirects to {target or 'nowhere'} ({status}): give the client the right address")


class Misconfigured(SluiceError, ValueError):
    """A request cannot be sent as it is, however often; the message tells no secret."""


class UnsupportedValue(SluiceError, ValueError):
    """An item cannot be sent as it is; the message names the way to the value."""


class WaitTimeout(SluiceError):
    """The wait is over before the job is; the job goes on.

    Args:
        job: as it was last seen.
        seconds: of the wait.
    """

    def __init__(self, job: JobInfo, seconds: float) -> None:
        self.job = job
        super().__init__(
            f"{job.id} is {job.status} at {job.progress} % after {seconds:g} s. The job goes on: wait again, or "
            "read it later by its id"
        )


class JobFailed(SluiceError):
    """A job ended without an outcome for each item; what it has done stands.

    Args:
        job: as it ended.
    """

    def __init__(self, job: JobInfo) -> None:
        self.job = job
        why = f"{job.error.code}: {job.error.message}" if job.error else "somebody cancelled it"
        super().__init__(
            f"{job.id} is {job.status} ({why}); {job.effects.unprocessed} of {job.total} items are unprocessed, and "
            'can be sent again by job.retry("unprocessed")'
        )


class ItemsFailed(SluiceError):
    """Items of a load were refused. The report counts what became of all others: an aborted atomic load stores none.

    Args:
        report: of the whole load; `report.errors` names each item.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        first = f"; the first: {report.errors[0]}" if report.errors else ""
        unprocessed = f" {report.unprocessed} are unprocessed, and not stored." if report.unprocessed else ""
        super().__init__(
            f"{report.failed} of {report.total} items failed{first}.{unprocessed} Read report.errors, or load with "
            'on_error="collect" to look at them yourself'
        )


class LoadTooLarge(SluiceError):
    """An atomic load is one job, and its source has more than a job may have; nothing of it was sent.

    Args:
        items: the most of an atomic job.
        size: likewise, in bytes.
    """

    def __init__(self, items: int, size: int) -> None:
        super().__init__(
            f"An atomic load is one job of at most {items} items and {size} bytes, and this source has more; nothing "
            "was sent. Load it in parts, each atomic by itself, or without atomic=True"
        )


class UnknownFormat(SluiceError, ValueError):
    """A file is of no form that can be loaded."""


class UnreadableFile(SluiceError, ValueError):
    """A file ends in the middle of its compression, is damaged, or has a record that no part can hold."""


class OtherLoad(SluiceError):
    """An earlier load of a file, which broke off, had other options.

    Args:
        path: of the file.
        differ: the names of these options.
    """

    def __init__(self, path: object, differ: Sequence[str]) -> None:
        self.path, self.differ = path, differ
        super().__init__(
            f"An earlier load of {path}, which broke off, had another {', '.join(differ)}: say the same again to go on "
            "with it, or resume=False to begin anew"
        )


class UnwritableFile(SluiceError):
    """A file that a load writes cannot be written, so nothing was sent.

    Args:
        path: of it.
        caught: the error of the system.
        instead: what the caller can say to have it elsewhere.
    """

    def __init__(self, path: object, caught: OSError, instead: str) -> None:
        super().__init__(f"{path} cannot be written ({caught.strerror}), and nothing was sent: {instead}")


class ForkedClient(SluiceError):
    """A client was opened before a fork, and connections cannot be shared between processes."""

    def __init__(self) -> None:
        super().__init__("This client was opened before the process forked; open one in each process")


# All that `ApiError.code` may be; a newer server may have more. docs/reference/errors.md tells of each.
ANSWER_CODES = (
    "INVALID_INPUT",
    "DIGEST_MISMATCH",
    "TEMPLATE_NOT_CONFIGURED",
    "VALIDATION_FAILED",
    "UNKNOWN_FIELD",
    "WRITE_FAILED",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "LAST_KEY",
    "LIMIT_REACHED",
    "MASTER_KEY_MISSING",
    "RESULTS_NOT_KEPT",
    "IDEMPOTENCY_IN_PROGRESS",
    "WRONG_STATE",
    "PARTS_MISSING",
    "GONE",
    "PAYLOAD_TOO_LARGE",
    "ITEM_TOO_LARGE",
    "TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "IDEMPOTENCY_KEY_REUSED",
    "RATE_LIMITED",
    "SECRET_UNREADABLE",
    "INTERNAL_ERROR",
    "NOT_IMPLEMENTED",
    "UNAVAILABLE",
    "INSUFFICIENT_STORAGE",
)
_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    413: TooLarge,
    429: RateLimited,
}
_SERVER_ERRORS = 500


def class_of(status: int) -> type[ApiError]:
    """Return the class of a refusal."""
    return _BY_STATUS.get(status, Unavailable if status >= _SERVER_ERRORS else Invalid)
