"""Made by make_sync.py of _async/client.py: change that file, then `make client`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from sluice_client import arguments
from sluice_client._sync.installation import Installation
from sluice_client._sync.items import Entities, Events, States
from sluice_client._sync.job import Job
from sluice_client._sync.jobs import Jobs, job_of
from sluice_client._sync.tenant import Audit, Keys, Templates, TenantSettings, Webhooks
from sluice_client._sync.transport import Transport
from sluice_client._sync.uploads import Uploads
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


class _Connected:
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
        self._transport = Transport(
            root,
            str(secret),
            operations,
            retrying=Retrying(arguments.seconds("timeout", timeout)),
            numbers=numbers,
            options=options,
        )
        self.jobs = Jobs(self._transport)

    def close(self) -> None:
        """Close all connections; jobs that were accepted go on."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client(_Connected):
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
        installation = Installation(self._transport)
        self.entities = Entities(self._transport, "entities", null_policy, installation)
        self.events = Events(self._transport, "events", null_policy, installation)
        self.states = States(self._transport, "states", null_policy, installation)
        self.uploads = Uploads(self._transport)
        self.templates = Templates(self._transport)
        self.settings = TenantSettings(self._transport)
        self.keys = Keys(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.audit = Audit(self._transport)

    def capabilities(self) -> Capabilities:
        """Return every limit, format, coding, parameter and mode of the installation."""
        return self._transport.call("getCapabilities", Capabilities)

    def workers(self) -> Workers:
        """Return how many worker processes the installation has, and how many of them are busy."""
        return self._transport.call("getWorkers", Workers)


class PublicClient(_Connected):
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

    def record_event(self, event: Mapping[str, Any], *, strict: bool = False) -> RecordedEvent:
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
        return self._write("recordEvent", RecordedEvent, event, strict=strict)

    def record_events(self, events: Iterable[Any], *, strict: bool = False) -> RecordedEvents:
        """Record events, and return the outcome of each.

        Args:
            events: up to 100, as `record_event` takes one.
            strict: as `record_event` takes it.

        Raises:
            Invalid: there are none, or more.
            UnsupportedValue: an event holds what JSON has not.
            TransportError: no answer came, and they may have been recorded.
        """
        return self._write(
            "recordEvents", RecordedEvents, {"events": [*arguments.many(events, "record_events")]}, strict=strict
        )

    def upsert_object(self, item: Mapping[str, Any], *, strict: bool = False) -> UpsertedObject:
        """Create an object, or merge its properties.

        Args:
            item: `type`, `id` and `properties`.
            strict: members that it should not have are errors.

        Raises:
            Invalid: it is not what the call takes.
            UnsupportedValue: it holds what JSON has not.
        """
        return self._write("upsertObject", UpsertedObject, item, strict=strict)

    def upsert_objects(self, objects: Iterable[Any], *, strict: bool = False) -> UpsertedObjects:
        """Upsert objects, and return the outcome of each.

        Args:
            objects: up to 100, as `upsert_object` takes one.
            strict: as `upsert_object` takes it.

        Raises:
            Invalid: there are none, or more.
            UnsupportedValue: an object holds what JSON has not.
        """
        return self._write(
            "upsertObjects", UpsertedObjects, {"objects": [*arguments.many(objects, "upsert_objects")]}, strict=strict
        )

    def send_events(self, events: Iterable[Any], *, strict: bool = False) -> Job:
        """Send events as one job, and return the job.

        Args:
            events: any number, as `record_event` takes one; all are held in memory.
            strict: as `record_event` takes it.

        Raises:
            ApiError: the server refused the batch; nothing of it is stored.
            UnsupportedValue: an event holds what JSON has not.
        """
        return self._job("recordEvents", events, strict=strict)

    def send_objects(self, objects: Iterable[Any], *, strict: bool = False) -> Job:
        """Send objects as one job, and return the job.

        Args:
            objects: any number, as `upsert_object` takes one; all are held in memory.
            strict: as `upsert_object` takes it.

        Raises:
            ApiError: the server refused the batch; nothing of it is stored.
            UnsupportedValue: an object holds what JSON has not.
        """
        return self._job("upsertObjects", objects, strict=strict)

    def get_object(self, object_type: str, external_id: str) -> StoredObject:
        """Return one object.

        Raises:
            NotFound: there is no such object.
        """
        return self._transport.call("getObject", StoredObject, object_type, external_id, bare=True)

    def health(self) -> KeyHealth:
        """Return the workspace and the dataset that the key opens."""
        return self._transport.call("getKeyHealth", KeyHealth, bare=True)

    def _write(self, operation: str, kind: type[_Shape], item: Any, *, strict: bool) -> _Shape:
        headers = prefer({"strict": strict})
        return self._transport.call(operation, kind, body=self._encode(item), headers=headers, bare=True)

    def _job(self, operation: str, items: Iterable[Any], *, strict: bool) -> Job:
        call = "send_events" if operation == "recordEvents" else "send_objects"
        body = b"\n".join(map(self._encode, arguments.many(items, call)))
        headers = {"Content-Type": LINES, **prefer({"strict": strict})}
        seen = self._transport.call(operation, SeenJob, body=body, headers=headers)
        return job_of(self._transport, seen)
