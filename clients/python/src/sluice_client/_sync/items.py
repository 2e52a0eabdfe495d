"""Made by make_sync.py of _async/items.py: change that file, then `make client`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from sluice_client._sync.batches import Batches
from sluice_client.models import StoredEntity, StoredEvent, StoredState, WrittenEntity, WrittenEvent
from sluice_client.options import prefer
from sluice_client.values import NullPolicy, encoder


class Entities(Batches):
    """Entities."""

    def upsert(
        self,
        entity_type: str,
        external_id: str,
        data: Any,
        *,
        mode: Literal["replace", "merge"] | None = None,
        strict: bool = False,
        key: str | None = None,
    ) -> WrittenEntity:
        """Create or change one entity.

        Args:
            entity_type: of the template, such as `player`.
            external_id: the caller's own id for it, of 1 to 500 characters.
            data: its members: a dict, dataclass, msgspec Struct or pydantic model.
            mode: `replace` all data (the default), or `merge` members into them and remove those that are None.
            strict: members that the item should not have are errors.
            key: an idempotency key of the caller's own.

        Raises:
            Invalid: it is not what the template requires, or the tenant has chosen none.
            TooLarge: it has more bytes than an entity may have.
            UnsupportedValue: it holds what JSON has not.
        """
        body = _encoded({"entityType": entity_type, "externalId": external_id, "data": data}, self._null_policy)
        headers = prefer({"strict": strict})
        return self._transport.call(
            "upsertEntity", WrittenEntity, query={"mode": mode}, body=body, headers=headers, key=key
        )

    def get(self, external_id: str, *, pii: bool | None = None) -> StoredEntity:
        """Return one entity.

        Args:
            external_id: its id.
            pii: False leaves the fields out that the template calls personal data.

        Raises:
            NotFound: there is no such entity.
            Forbidden: it has personal data, and the key has not the scope `admin`.
        """
        return self._transport.call("getEntity", StoredEntity, external_id, query={"pii": pii})

    def delete(self, external_id: str) -> None:
        """Delete one entity; its events stay.

        Raises:
            NotFound: there is no such entity.
        """
        self._transport.send("deleteEntity", external_id)


class Events(Batches):
    """Events of entities."""

    def append(
        self,
        external_id: str,
        event_type: str,
        data: Any,
        *,
        timestamp: Any = None,
        event_id: str | None = None,
        strict: bool = False,
        key: str | None = None,
    ) -> WrittenEvent:
        """Append one event to an entity.

        Args:
            external_id: of the entity.
            event_type: of the event.
            data: its data.
            timestamp: an aware datetime, or text; None for now.
            event_id: the sender's own id for it: a second one of the same id is a duplicate.
            strict: members that the event should not have are errors.
            key: an idempotency key of the caller's own.

        Raises:
            NotFound: there is no such entity.
            Invalid: the event is not what the template requires.
            TooLarge: it has more bytes than an item may have.
            UnsupportedValue: it holds what JSON has not.
        """
        told = {"timestamp": timestamp, "eventId": event_id}
        item = {
            "eventType": event_type,
            "data": data,
            **{name: value for name, value in told.items() if value is not None},
        }
        body, headers = _encoded(item, self._null_policy), prefer({"strict": strict})
        return self._transport.call("appendEvent", WrittenEvent, external_id, body=body, headers=headers, key=key)

    def list(self, external_id: str, *, event_type: str | None = None, limit: int = 500) -> Iterator[StoredEvent]:
        """Yield the events of an entity, the newest first.

        Args:
            external_id: of the entity.
            event_type: only those of this type.
            limit: how many to read at a time, 1 to 500; not how many there are.

        Raises:
            NotFound: there is no such entity.
        """
        query = {"eventType": event_type, "limit": limit}
        for event in self._transport.pages("listEvents", StoredEvent, external_id, query=query):
            yield event


class States(Batches):
    """States of entities."""

    def set(self, external_id: str, state_key: str, value: Any, *, key: str | None = None) -> StoredState:
        """Set one state of an entity.

        Args:
            external_id: of the entity.
            state_key: of the template, such as `balance`.
            value: any value that JSON has, None included.
            key: an idempotency key of the caller's own.

        Raises:
            NotFound: there is no such entity.
            Invalid: the template has no such key.
            TooLarge: the state has more bytes than an item may have.
            UnsupportedValue: the value holds what JSON has not.
        """
        body = _encoded({"value": value}, self._null_policy)
        return self._transport.call("setState", StoredState, external_id, state_key, body=body, key=key)

    def get(self, external_id: str, state_key: str) -> StoredState:
        """Return one state of an entity.

        Raises:
            NotFound: there is no such entity, or it has no such state.
        """
        return self._transport.call("getState", StoredState, external_id, state_key)

    def list(self, external_id: str) -> Iterator[StoredState]:
        """Yield all states of an entity.

        Raises:
            NotFound: there is no such entity.
        """
        states = self._transport.call("listStates", list[StoredState], external_id)
        for state in states:
            yield state


def _encoded(item: Any, null_policy: NullPolicy) -> bytes:
    return encoder(null_policy)(item)
