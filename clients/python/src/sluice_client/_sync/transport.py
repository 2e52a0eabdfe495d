"""Made by make_sync.py of _async/transport.py: change that file, then `make client`."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx2

from sluice_client import _io
from sluice_client.answers import Answers
from sluice_client.errors import ApiError, ForkedClient
from sluice_client.log import LOG
from sluice_client.operations import Operation
from sluice_client.refusals import REFUSALS, UNSENDABLE, brief, lost, raise_refusal, unsendable
from sluice_client.retry import Retrying
from sluice_client.sending import checked_key, checked_url, limit, query_of, require_sendable, sendable
from sluice_client.values import Numbers
from sluice_client.version import VERSION

_TIMEOUT = httpx2.Timeout(60, connect=10, read=75, pool=None)  # the server may hold an answer back for 30 seconds
_Data = TypeVar("_Data")


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
        self._operations, self._retrying = operations, retrying
        agent = f"sluice-client/{VERSION} python/{platform.python_version()}"
        own = {"timeout": _TIMEOUT, **options}
        headers = {"User-Agent": agent, **sendable(own.pop("headers", None))}
        headers["Authorization"] = f"Bearer {checked_key(key)}"
        self._http = httpx2.Client(base_url=checked_url(url), headers=headers, **own)
        self._answers = Answers(numbers)
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
        return self._answers.data(response.content, kind, bare=bare)

    def decoded_text(self, text: bytes | str, kind: Any) -> Any:
        """Return what a text of the server's is, of a type."""
        return self._answers.of(text, kind)

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
        tries, before = 0, None
        while True:
            tries += 1
            limit(request, until - time.monotonic())
            try:
                response = self._answered(request, until)
                raise_refusal(response)
            except UNSENDABLE as caught:
                raise unsendable(operation, caught) from None
            except (ApiError, httpx2.RequestError) as caught:
                error = caught if isinstance(caught, ApiError) else lost(operation, caught, before)
                left = until - time.monotonic()
                pause = self._retrying.pause(error, tries=tries, left=left, repeatable=repeatable)
                if pause is None:
                    LOG.info("%s is given up after %d tries: %s", operation, tries, brief(error))
                    raise error from caught
                before = brief(error)
                told = {"tries": tries, "reason": before}
                LOG.info("%s is tried again in %.2f s: %s", operation, pause, before, extra=told)
                _io.sleep(pause)
            else:
                return response

    def _answered(self, request: httpx2.Request, until: float) -> httpx2.Response:
        """Send a request, and return its whole answer, or raise ReadTimeout if that is still coming at a moment."""
        response = _io.answered(until - time.monotonic(), self._http.send(request, stream=True))
        response.stream = _io.Timely(response.stream, until)
        try:
            response.read()
        finally:
            response.close()
        return response

    @contextmanager
    def streamed(self, operation: str, *path: object, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Open an answer that is read while it comes; it is not retried."""
        request = self._request(operation, path, headers={**headers})
        try:
            response = self._http.send(request, stream=True)
        except UNSENDABLE as caught:
            raise unsendable(operation, caught) from None
        except httpx2.RequestError as caught:
            raise lost(operation, caught) from caught
        try:
            if response.status_code >= REFUSALS:
                response.read()
            raise_refusal(response)
            yield response
        except httpx2.RequestError as caught:
            raise lost(operation, caught) from caught
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
        require_sendable(headers)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        url = pattern.format(*(quote(str(argument), safe="") for argument in path))
        return self._http.build_request(method, url, params=query_of(query), content=body, headers=headers)
