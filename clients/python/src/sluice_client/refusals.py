"""An answer that refuses, and an answer that never came, as errors of ours."""

from __future__ import annotations

import httpx2
import msgspec

from sluice_client.errors import ApiError, Misconfigured, Redirected, TransportError, class_of
from sluice_client.retry import retry_after_of

# Never sent, and never to be; the text of such an error quotes headers.
UNSENDABLE = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects)
_REDIRECTS, _NOT_MODIFIED, REFUSALS = 300, 304, 400


def raise_refusal(response: httpx2.Response) -> None:
    """Raise the refusal that an answer is; return if it is none."""
    if response.status_code < _REDIRECTS or response.status_code == _NOT_MODIFIED:
        return
    if response.status_code < REFUSALS:
        raise Redirected(response.status_code, _target_of(response))
    try:
        body = msgspec.json.decode(response.content)
    except msgspec.MsgspecError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, dict) else {}
    detail = body.get("detail") if isinstance(body, dict) else None
    code = str(told.get("code", ""))
    message = told.get("message") or (detail if isinstance(detail, str) else None)
    raise class_of(response.status_code)(
        response.status_code,
        code,
        str(message or detail or response.reason_phrase),
        request_id=response.headers.get("X-Request-Id"),
        retry_after=retry_after_of(response.headers),
        detail=body,
    )


def _target_of(response: httpx2.Response) -> str:
    """Return scheme and host of a redirect's target, without path or credentials."""
    try:
        target = response.request.url.join(response.headers.get("Location", ""))
    except httpx2.InvalidURL:
        return ""
    return f"{target.scheme}://{target.netloc.decode()}" if "Location" in response.headers else ""


def unsendable(operation: str, caught: httpx2.RequestError) -> Misconfigured:
    """Return the error of a request that cannot be sent."""
    return Misconfigured(
        f"The request cannot be sent ({operation}): {type(caught).__name__}, by a header or the address"
    )


def lost(operation: str, caught: httpx2.RequestError, before: str | None = None) -> TransportError:
    """Return the error of a request that has no answer.

    Args:
        operation: its name.
        caught: what the connection met.
        before: the end of the try before, in brief; None if this was the first one.
    """
    never_sent = isinstance(caught, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
    what = "cannot be reached" if never_sent else "did not answer"
    why = str(caught) or type(caught).__name__
    then = f"; the try before ended with {before}" if before else ""
    return TransportError(f"The server {what} ({operation}): {why}{then}", never_sent=never_sent)


def brief(error: ApiError | TransportError) -> str:
    """Return an error for the log, without the message, which may quote what was sent."""
    return f"{error.status} {error.code}" if isinstance(error, ApiError) else type(error.__cause__ or error).__name__
