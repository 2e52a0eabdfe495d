"""What the clients know: every batch that they sent, what they were answered, and what must come of it in the end."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from ingest.db.tenants import Tenant

# In every id and every document that is sent: no log line and nothing in Redis may hold it.
NEEDLE = "needle"

_ENTITIES = 12  # few: so that batches meet the same ones again and again
_KEYS = ("balance", "kyc_status", "risk_score")


@dataclass
class Batch:
    """One request.

    Attributes:
        answered: its HTTP status; None while or where there was no answer.
        job_id: as the 202 named it.
    """

    request_id: str
    kind: str
    items: list[dict[str, Any]]
    merge: bool = False
    answered: int | None = None
    job_id: UUID | None = None


@dataclass
class Fold:
    """What stands after a lane's batches, one after the other."""

    entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[tuple[str, str], Any] = field(default_factory=dict)
    events: list[int] = field(default_factory=list)

    def apply(self, batch: Batch) -> tuple[Counter[str], dict[int, str]]:
        """Do a batch: how many items had each effect, and the error code of each bad one by its index."""
        effects: Counter[str] = Counter()
        errors: dict[int, str] = {}
        apply = {"entities": self._entity, "events": self._event, "states": self._state}[batch.kind]
        for index, item in enumerate(batch.items):
            effect = apply(item, batch.merge)
            if effect in {"created", "updated", "unchanged"}:
                effects[effect] += 1
            else:
                effects["failed"] += 1
                errors[index] = effect
        return effects, errors

    def _entity(self, item: dict[str, Any], merge: bool) -> str:  # noqa: FBT001
        name, data = item["externalId"], item["data"]
        if "email" not in data:
            return "VALIDATION_FAILED"
        former = self.entities.get(name)
        self.entities[name] = {**former, **data} if merge and former else data
        return _effect(former, self.entities[name])

    def _event(self, item: dict[str, Any], _merge: bool) -> str:  # noqa: FBT001
        if item["externalId"] not in self.entities:
            return "NOT_FOUND"
        self.events.append(item["data"]["amount"])
        return "created"

    def _state(self, item: dict[str, Any], _merge: bool) -> str:  # noqa: FBT001
        if item["externalId"] not in self.entities:
            return "NOT_FOUND"
        key = (item["externalId"], item["stateKey"])
        former = self.states.get(key)
        self.states[key] = item["value"]
        return _effect(former, item["value"])


def _effect(former: Any, present: Any) -> str:
    return "created" if former is None else "unchanged" if former == present else "updated"


class Lane:
    """A client that sends batch after batch about entities of its own, each to begin when the one before has ended.

    A batch whose answer was lost is its last one: it may have become a job or not, and nothing may depend on which.

    Args:
        tenant: as whom it calls.
        key: with which.
        name: of the lane; lanes of two tenants share their names, and so the ids that they send.
        seed: decides what it sends.
    """

    def __init__(self, tenant: Tenant, key: str, name: str, seed: object) -> None:
        self.tenant, self.key, self.name = tenant, key, name
        self.batches: list[Batch] = []
        self._random = random.Random(f"{seed}/{name}")
        self._events = count()

    @property
    def lost(self) -> bool:
        return bool(self.batches) and self.batches[-1].answered != 202

    def job_before_last(self) -> UUID | None:
        """The job that the last batch must wait for."""
        return self.batches[-2].job_id if len(self.batches) > 1 else None

    def entity(self, number: int) -> str:
        return f"{NEEDLE}-{self.name}-{number}"

    def batch(self, kind: str | None = None, *, items: int | None = None) -> Batch:
        """The next one to send; the first makes all of the lane's entities."""
        if not self.batches:
            made = [self._entity(number, bad=False) for number in range(_ENTITIES)]
            return self._new("entities", made)
        kind = kind or self._random.choice(["entities", "events", "states"])
        make = {"entities": self._entity, "events": self._event, "states": self._state}[kind]
        size = items or self._random.randint(1, 60)
        made = [make(self._random.randrange(_ENTITIES), bad=self._random.random() < 0.1) for _ in range(size)]
        return self._new(kind, made, merge=kind == "entities" and self._random.random() < 0.5)

    def _new(self, kind: str, items: list[dict[str, Any]], **options: bool) -> Batch:
        request_id = f"{self.tenant.id}.{self.name}.{len(self.batches)}"
        self.batches.append(Batch(request_id, kind, items, **options))
        return self.batches[-1]

    def _entity(self, number: int, *, bad: bool) -> dict[str, Any]:
        data = {"email": f"{NEEDLE}@example.com", "tenant": self.tenant.id, "vip_level": self._random.randrange(3)}
        if self._random.random() < 0.3:
            data["first_name"] = f"{NEEDLE}{self._random.randrange(3)}"
        if bad:
            del data["email"]
        return {"entityType": "player", "externalId": self.entity(number), "data": data}

    def _event(self, number: int, *, bad: bool) -> dict[str, Any]:
        data = {"type": NEEDLE, "amount": next(self._events), "currency": "EUR"}
        return {"externalId": self.entity(-1 if bad else number), "eventType": "transaction", "data": data}

    def _state(self, number: int, *, bad: bool) -> dict[str, Any]:
        key = self._random.choice(_KEYS)
        value = {NEEDLE: self._random.randrange(3), "tenant": self.tenant.id}
        return {"externalId": self.entity(-1 if bad else number), "stateKey": key, "value": value}
