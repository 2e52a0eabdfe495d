"""The model of a client: its batches, the answers to them, and the rows that must be stored in the end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

# In every id and every document that is sent: no log line and nothing in Redis may hold it.
NEEDLE = "needle"

# Effects of items that were stored.
GOOD = frozenset({"created", "updated", "unchanged"})

# Scope and external id: the scope is the type in the public API, and empty in the operator API.
Key = tuple[str, str]


@dataclass
class Batch:
    """One request.

    Attributes:
        later: public API only: not to be run in the request.
        atomic: operator API only: all of it, or nothing.
        lines: operator API only: sent as newline-delimited JSON.
        ordered: its blocks run in their order; otherwise its events may be stored in any.
        key: operator API only: its idempotency key.
        cancelled: its client asked for that, and sends no further one: its first items may be stored, or none.
        answered: its HTTP status; None while or where there was no answer.
        told: the body of a 200.
        job_id: from the 202; where there was none, from the check.
    """

    request_id: str
    kind: str
    items: list[dict[str, Any]]
    merge: bool = False
    later: bool = False
    lines: bool = False
    atomic: bool = False
    ordered: bool = True
    key: str | None = None
    cancelled: bool = False
    answered: int | None = None
    told: dict[str, Any] | None = None
    job_id: UUID | None = None

    @property
    def accepted(self) -> bool:
        """True if the answer promised that the batch is done or will be."""
        return self.answered in {200, 202}


@dataclass(frozen=True)
class Event:
    """An event; its amount is its number among the client's events."""

    amount: int
    links: frozenset[tuple[Key, str]]


@dataclass
class Model:
    """The rows that stand after the batches of a client, applied one after the other."""

    entities: dict[Key, dict[str, Any]] = field(default_factory=dict)
    states: dict[tuple[str, str], Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def apply(self, batch: Batch) -> list[str]:
        """Apply a batch. Return the effect of each item, or its error code."""
        apply = {
            "entities": self._entity,
            "events": self._event,
            "states": self._state,
            "objects": self._object,
            "object_events": self._object_event,
        }[batch.kind]
        return [apply(item, batch.merge) for item in batch.items]

    def _entity(self, item: dict[str, Any], merge: bool) -> str:  # noqa: FBT001
        key, data = ("", item["externalId"]), item["data"]
        if "email" not in data:
            return "VALIDATION_FAILED"
        former = self.entities.get(key)
        self.entities[key] = {**former, **data} if merge and former else data
        return _effect(former, self.entities[key])

    def _event(self, item: dict[str, Any], _merge: bool) -> str:  # noqa: FBT001
        key = ("", item["externalId"])
        if key not in self.entities:
            return "NOT_FOUND"
        self.events.append(Event(item["data"]["amount"], frozenset({(key, "")})))
        return "created"

    def _state(self, item: dict[str, Any], _merge: bool) -> str:  # noqa: FBT001
        if ("", item["externalId"]) not in self.entities:
            return "NOT_FOUND"
        key = (item["externalId"], item["stateKey"])
        former = self.states.get(key)
        self.states[key] = item["value"]
        return _effect(former, item["value"])

    def _object(self, item: dict[str, Any], _merge: bool) -> str:  # noqa: FBT001
        if "id" not in item:
            return "VALIDATION_FAILED"
        key = (item["type"], item["id"])
        former = self.entities.get(key)
        self.entities[key] = _merged(former or {}, item.get("properties") or {})
        return _effect(former, self.entities[key])

    def _object_event(self, item: dict[str, Any], merge: bool) -> str:  # noqa: FBT001
        links: Iterable[dict[str, Any]] = item["objects"]
        if not links:
            return "VALIDATION_FAILED"
        for link in links:
            self._object(link, merge)
        linked = frozenset(((link["type"], link["id"]), link.get("qualifier", "")) for link in links)
        self.events.append(Event(item["properties"]["amount"], linked))
        return "created"


def _merged(former: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Null removes."""
    return {name: value for name, value in {**former, **given}.items() if value is not None}


def _effect(former: Any, present: Any) -> str:
    return "created" if former is None else "unchanged" if former == present else "updated"
