"""The clients of both APIs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from sluice_client import arguments
from sluice_client._async.installation import AsyncInstallation
from sluice_client._async.items import AsyncEntities, AsyncEvents, AsyncStates
from sluice_client._async.job import AsyncJob
from sluice_client._async.jobs import AsyncJobs, job_of
from sluice_client._async.tenant import AsyncAudit, AsyncKeys, AsyncTemplates, AsyncTenantSettings, AsyncWebhooks
from sluice_client._async.transport import AsyncTransport
from sluice_client._async.uploads import AsyncUploads
from sluice_client.cutting import LINES
from sluice_client.errors import SluiceError
from sluice_client.models import (
    Capabilities,
    KeyHealth,
    RecordedEvent,
    RecordedEvents,
    SeenJob,
    StoredObject,
    UpsertedObject,
    UpsertedObjects,
    Workers,
)
from sluice_client.operations import OPERATOR, PUBLIC, Operation
from sluice_client.options import prefer
from sluice_client.retry import Retrying
from sluice_client.values import NullPolicy, Numbers, encoder

if TYPE_CHECKING:
    from typing_extensions import Self

_Shape = TypeVar("_Shape")
_BASES = ("/operator-data-api", "/api/public/v1", "/v1")


class _AsyncConnected:
    """A client's connection, and the ways to open and close it."""

    def __init__(
        self,
        url: str | None,
        key: str | None,
        operations: Mapping[str, Operation],
        *,
        timeout: float,
        numbers: Numbers,
        null_policy: NullPolicy,
        options: Mapping[str, Any],
    ) -> None:
        arguments.word("numbers", numbers, get_args(Numbers))
        arguments.word("null_policy", null_policy, get_args(NullPolicy))
        address, secret = url or os.environ.get("SLUICE_URL"), key or os.environ.get("SLUICE_KEY")
        for name, value in {"url": address, "key": secret}.items():
            if not value:
                raise SluiceError(f"Say which {name}: {name}=… or SLUICE_{name.upper()} in the environment")
        root = str(address).rstrip("/")
        for base in _BASES:
            root = root.removesuffix(base)
        self._transport = AsyncTransport(
            root,
            str(secret),
            operations,
            retrying=Retrying(arguments.seconds("timeout", timeout)),
            numbers=numbers,
            options=options,
        )
        self.jobs = AsyncJobs(self._transport)

    async def close(self) -> None:
        """Close all connections; jobs that were accepted go on."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncClient(_AsyncConnected):
    """A client of the operator API.

    Args:
        url: of the server, with or without `/operator-data-api`; None takes SLUICE_URL.
        key: `oh_live_…`; None takes SLUICE_KEY.
        timeout: seconds that a call may take with all its tries.
        numbers: `decimal` keeps the digits of numbers that are read; `float` rounds them.
        null_policy: of NaN, NaT and NA in items: `error`, `null`, or `omit`.
        options: of httpx2's client, such as `verify`, `proxy`, `event_hooks` or `transport`.

    Raises:
        SluiceError: there is no address, or no key.
        Misconfigured: the address, the key or a header cannot be sent.
        TypeError: the timeout is no number, or httpx2 has no such option.
        ValueError: the timeout is below 0, or `numbers` or `null_policy` is another word.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 600.0,
        numbers: Numbers = "decimal",
        null_policy: NullPolicy = "error",
        **options: Any,
    ) -> None:
        super().__init__(url, key, OPERATOR, timeout=timeout, numbers=numbers, null_policy=null_policy, options=options)
        installation = AsyncInstallation(self._transport)
        self.entities = AsyncEntities(self._transport, "entities", null_policy, installation)
        self.events = AsyncEvents(self._transport, "events", null_policy, installation)
        self.states = AsyncStates(self._transport, "states", null_policy, installation)
        self.uploads = AsyncUploads(self._transport)
        self.templates = AsyncTemplates(self._transport)
        self.settings = AsyncTenantSettings(self._transport)
        self.keys = AsyncKeys(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.audit = AsyncAudit(self._transport)

    async def capabilities(self) -> Capabilities:
        """Return every limit, format, coding, parameter and mode of the installation."""
        return await self._transport.call("getCapabilities", Capabilities)

    async def workers(self) -> Workers:
        """Return how many worker processes the installation has, and how many of them are busy."""
        return await self._transport.call("getWorkers", Workers)


class AsyncPublicClient(_AsyncConnected):
    """A client of the public API: events that link objects, and objects.

    Args:
        url: of the server; None takes SLUICE_URL.
        key: `fm_live_…`; None takes SLUICE_KEY.
        timeout: as of Client; likewise `numbers`, `null_policy` and `options`, and the errors.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 600.0,
        numbers: Numbers = "decimal",
        null_policy: NullPolicy = "error",
        **options: Any,
    ) -> None:
        super().__init__(url, key, PUBLIC, timeout=timeout, numbers=numbers, null_policy=null_policy, options=options)
        self._encode = encoder(null_policy)

    async def record_event(self, event: Mapping[str, Any], *, strict: bool = False) -> RecordedEvent:
        """Record an event, and create the objects that it names.

        Args:
            event: as docs/contracts/public.md says: `event`, `objects` and what else it has. Only one with an
                `event_id` is safe to send twice.
            strict: members that it should not have are errors.

        Raises:
            Invalid: it is not what the call takes.
            UnsupportedValue: it holds what JSON has not.
            TransportError: no answer came, and it may have been recorded.
        """
        return await self._write("recordEvent", RecordedEvent, event, strict=strict)

    async def record_events(self, events: Iterable[Any], *, strict: bool = False) -> RecordedEvents:
        """Record events, and return the outcome of each.

        Args:
            events: up to 100, as `record_event` takes one.
            strict: as `record_event` takes it.

        Raises:
            Invalid: there are none, or more.
            UnsupportedValue: an event holds what JSON has not.
            TransportError: no answer came, and they may have been recorded.
        """
        return await self._write(
            "recordEvents", RecordedEvents, {"events": [*arguments.many(events, "record_events")]}, strict=strict
        )

    async def upsert_object(self, item: Mapping[str, Any], *, strict: bool = False) -> UpsertedObject:
        """Create an object, or merge its properties.

        Args:
            item: `type`, `id` and `properties`.
            strict: members that it should not have are errors.

        Raises:
            Invalid: it is not what the call takes.
            UnsupportedValue: it holds what JSON has not.
        """
        return await self._write("upsertObject", UpsertedObject, item, strict=strict)

    async def upsert_objects(self, objects: Iterable[Any], *, strict: bool = False) -> UpsertedObjects:
        """Upsert objects, and return the outcome of each.

        Args:
            objects: up to 100, as `upsert_object` takes one.
            strict: as `upsert_object` takes it.

        Raises:
            Invalid: there are none, or more.
            UnsupportedValue: an object holds what JSON has not.
        """
        return await self._write(
            "upsertObjects", UpsertedObjects, {"objects": [*arguments.many(objects, "upsert_objects")]}, strict=strict
        )

    async def send_events(self, events: Iterable[Any], *, strict: bool = False) -> AsyncJob:
        """Send events as one job, and return the job.

        Args:
            events: any number, as `record_event` takes one; all are held in memory.
            strict: as `record_event` takes it.

        Raises:
            ApiError: the server refused the batch; nothing of it is stored.
            UnsupportedValue: an event holds what JSON has not.
        """
        return await self._job("recordEvents", events, strict=strict)

    async def send_objects(self, objects: Iterable[Any], *, strict: bool = False) -> AsyncJob:
        """Send objects as one job, and return the job.

        Args:
            objects: any number, as `upsert_object` takes one; all are held in memory.
            strict: as `upsert_object` takes it.

        Raises:
            ApiError: the server refused the batch; nothing of it is stored.
            UnsupportedValue: an object holds what JSON has not.
        """
        return await self._job("upsertObjects", objects, strict=strict)

    async def get_object(self, object_type: str, external_id: str) -> StoredObject:
        """Return one object.

        Raises:
            NotFound: there is no such object.
        """
        return await self._transport.call("getObject", StoredObject, object_type, external_id, bare=True)

    async def health(self) -> KeyHealth:
        """Return the workspace and the dataset that the key opens."""
        return await self._transport.call("getKeyHealth", KeyHealth, bare=True)

    async def _write(self, operation: str, kind: type[_Shape], item: Any, *, strict: bool) -> _Shape:
        headers = prefer({"strict": strict})
        return await self._transport.call(operation, kind, body=self._encode(item), headers=headers, bare=True)

    async def _job(self, operation: str, items: Iterable[Any], *, strict: bool) -> AsyncJob:
        call = "send_events" if operation == "recordEvents" else "send_objects"
        body = b"\n".join(map(self._encode, arguments.many(items, call)))
        headers = {"Content-Type": LINES, **prefer({"strict": strict})}
        seen = await self._transport.call(operation, SeenJob, body=body, headers=headers)
        return job_of(self._transport, seen)
