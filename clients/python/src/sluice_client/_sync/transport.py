"""Made by make_sync.py of _async/transport.py: change that file, then `make client`."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx2
import msgspec

from sluice_client import _io
from sluice_client.errors import ApiError, ForkedClient, Misconfigured, Redirected, TransportError, class_of
from sluice_client.log import LOG
from sluice_client.operations import Operation
from sluice_client.retry import Retrying, retry_after_of
from sluice_client.values import Numbers, decoder
from sluice_client.version import VERSION

_TIMEOUT = httpx2.Timeout(60, connect=10, read=75, pool=None)  # the server may hold an answer back for 30 seconds
_REDIRECTS, _NOT_MODIFIED, _REFUSALS = 300, 304, 400
# Never sent, and never to be; the text of such an error quotes headers.
_UNSENDABLE = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects)
# Headers that the client gives each call by itself.
_RESERVED = {"authorization", "content-type", "content-encoding", "content-digest", "idempotency-key", "prefer", "host"}
_Data = TypeVar("_Data")


class _Envelope(msgspec.Struct, Generic[_Data]):
    data: _Data


def _in_envelope(kind: Any) -> Any:
    return _Envelope[kind]


def _list_of(kind: type[_Data]) -> type[list[_Data]]:
    return list.__class_getitem__(kind)  # type: ignore[return-value] # `list[kind]`, of a type that is known now alone


class Transport:
    """The connection to a server.

    Args:
        url: of the server, without the path of an API.
        key: of the API.
        operations: of the API, by their names.
        retrying: when a call is made again.
        numbers: as `values.decoder` takes it.
        options: of httpx2's client, such as `verify`, `proxy`, `event_hooks` or `transport`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        operations: Mapping[str, Operation],
        *,
        retrying: Retrying,
        numbers: Numbers,
        options: Mapping[str, Any],
    ) -> None:
        self._operations, self._retrying, self._numbers = operations, retrying, numbers
        agent = f"sluice-client/{VERSION} python/{platform.python_version()}"
        own = {"timeout": _TIMEOUT, **options}
        headers = {"User-Agent": agent, **_sendable(own.pop("headers", None))}
        headers["Authorization"] = f"Bearer {_checked_key(key)}"
        self._http = httpx2.Client(base_url=_checked_url(url), headers=headers, **own)
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
        self._pid = os.getpid()

    @property
    def timeout(self) -> float:
        """The seconds that a call may take with all its tries."""
        return self._retrying.timeout

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def call(self, operation: str, kind: type[_Data], *path: object, bare: bool = False, **request: Any) -> _Data:
        """Make a call, and return its data.

        Args:
            operation: its name.
            kind: the type of the data.
            path: arguments of its path.
            bare: the answer is the data itself, in no envelope.
            request: as `send` takes it.
        """
        return self.decoded(self.send(operation, *path, **request), kind, bare=bare)

    def decoded(self, response: httpx2.Response, kind: type[_Data], *, bare: bool = False) -> _Data:
        """Return the data of an answer."""
        answer = self.decoded_text(response.content, kind if bare else _in_envelope(kind))
        data: _Data = answer if bare else answer.data
        return data

    def decoded_text(self, text: bytes | str, kind: Any) -> Any:
        """Return what a text of the server's is, of a type."""
        known = self._decoders.get(kind)
        if known is None:
            known = self._decoders[kind] = decoder(kind, self._numbers)
        try:
            return known.decode(text)
        except msgspec.MsgspecError as error:
            raise TransportError(f"The answer is not Sluice's; is this its address? {error}") from error

    def pages(self, operation: str, kind: type[_Data], *path: object, query: Mapping[str, Any]) -> Iterator[_Data]:
        """Yield the rows of a list, page by page as they are wanted."""
        cursor: str | None = None
        while True:
            response = self.send(operation, *path, query={**query, "cursor": cursor})
            for row in self.decoded(response, _list_of(kind)):
                yield row
            following = response.links.get("next")
            if following is None:
                return
            [cursor] = parse_qs(urlsplit(following["url"]).query)["cursor"]

    def send(
        self,
        operation: str,
        *path: object,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        within: float | None = None,
    ) -> httpx2.Response:
        """Make a call as often as it takes, within its time, and return the answer.

        Args:
            operation: its name.
            path: arguments of its path.
            query: values that are None are left out.
            body: JSON, unless `headers` name another Content-Type.
            headers: beside those of every call.
            key: its idempotency key; one is made where the call takes one. All tries bear the same.
            within: seconds that it may take, if these are fewer than those of any call.

        Raises:
            ApiError: the server refused it.
            TransportError: no answer came.
            Redirected: the server is elsewhere.
            Misconfigured: it cannot be sent.
            ForkedClient: the client is another process's.
        """
        request = self._request(operation, path, query=query, body=body, headers={**(headers or {})}, key=key)
        repeatable = self._operations[operation].repeat != "never"
        until = time.monotonic() + min(self._retrying.timeout, math.inf if within is None else within)
        tries = 0
        while True:
            tries += 1
            _limit(request, until - time.monotonic())
            try:
                response = self._http.send(request)
                _raise_refusal(response)
            except _UNSENDABLE as caught:
                raise _unsendable(operation, caught) from None
            except (ApiError, httpx2.RequestError) as caught:
                error = caught if isinstance(caught, ApiError) else _lost(operation, caught)
                left = until - time.monotonic()
                pause = self._retrying.pause(error, tries=tries, left=left, repeatable=repeatable)
                if pause is None:
                    LOG.info("%s is given up after %d tries: %s", operation, tries, _brief(error))
                    raise error from caught
                LOG.info("%s is tried again in %.2f s: %s", operation, pause, _brief(error))
                _io.sleep(pause)
            else:
                return response

    @contextmanager
    def streamed(self, operation: str, *path: object, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Open an answer that is read while it comes; it is not retried."""
        request = self._request(operation, path, headers={**headers})
        try:
            response = self._http.send(request, stream=True)
        except _UNSENDABLE as caught:
            raise _unsendable(operation, caught) from None
        except httpx2.RequestError as caught:
            raise _lost(operation, caught) from caught
        try:
            if response.status_code >= _REFUSALS:
                response.read()
            _raise_refusal(response)
            yield response
        except httpx2.RequestError as caught:
            raise _lost(operation, caught) from caught
        finally:
            response.close()

    def _request(
        self,
        operation: str,
        path: tuple[object, ...],
        *,
        headers: dict[str, str],
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        key: str | None = None,
    ) -> httpx2.Request:
        if os.getpid() != self._pid:
            raise ForkedClient
        method, pattern, repeat = self._operations[operation]
        if repeat == "key":
            headers["Idempotency-Key"] = key or str(uuid4())
        _require_sendable(headers)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        url = pattern.format(*(quote(str(argument), safe="") for argument in path))
        spelled = {name: _spelled(value) for name, value in (query or {}).items() if value is not None}
        return self._http.build_request(method, url, params=spelled or None, content=body, headers=headers)


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value) if isinstance(value, (str, int)) else ",".join(map(str, value))


def _checked_key(key: str) -> str:
    """Return a key that a header can bear."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise Misconfigured("The key has characters that no key has; is there a line feed or a space at its end?")
    return key


def _checked_url(url: str) -> str:
    """Return an address that has all that an address needs."""
    try:
        known = httpx2.URL(url)
    except httpx2.InvalidURL:
        known = httpx2.URL("")
    if known.scheme not in {"http", "https"} or not known.host:
        raise Misconfigured("The address of the server must be like https://sluice.example.com")
    return url


def _sendable(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return headers of the caller's that each call may bear."""
    own = dict(headers or {})
    for name in own:
        if name.lower() in _RESERVED:
            raise Misconfigured(f"headers may not have {name}: the client writes it itself")
    _require_sendable(own)
    return own


def _require_sendable(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise Misconfigured(f"The value of {name} must be printable ASCII")


def _limit(request: httpx2.Request, left: float) -> None:
    """Let no step of a try take longer than is left of its call's time."""
    steps = request.extensions["timeout"]
    limited = {step: max(0.001, left if most is None else min(most, left)) for step, most in steps.items()}
    request.extensions = {**request.extensions, "timeout": limited}


def _raise_refusal(response: httpx2.Response) -> None:
    """Raise the refusal that an answer is; return if it is none."""
    if response.status_code < _REDIRECTS or response.status_code == _NOT_MODIFIED:
        return
    if response.status_code < _REFUSALS:
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


def _unsendable(operation: str, caught: httpx2.RequestError) -> Misconfigured:
    return Misconfigured(
        f"The request cannot be sent ({operation}): {type(caught).__name__}, by a header or the address"
    )


def _lost(operation: str, caught: httpx2.RequestError) -> TransportError:
    never_sent = isinstance(caught, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
    what = "cannot be reached" if never_sent else "did not answer"
    why = str(caught) or type(caught).__name__
    return TransportError(f"The server {what} ({operation}): {why}", never_sent=never_sent)


def _brief(error: ApiError | TransportError) -> str:
    """Return an error for the log, without the message, which may quote what was sent."""
    return f"{error.status} {error.code}" if isinstance(error, ApiError) else type(error.__cause__ or error).__name__
