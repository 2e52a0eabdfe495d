"""Clients that send one seeded batch after another; each writes entities of its own."""

import json
import random
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

from ingest.db.tenants.tenants import Tenant
from tests.chaos.model import NEEDLE, Batch

_ENTITIES = 12  # few: so that batches meet the same ones again and again
_KEYS = ("balance", "kyc_status", "risk_score")
_TYPES = (f"{NEEDLE}Order", f"{NEEDLE}Customer")
_QUALIFIERS = (f"{NEEDLE}Buyer", f"{NEEDLE}Payer")


class Customer(NamedTuple):
    """A tenant, and its keys to both APIs."""

    tenant: Tenant
    operator_key: str
    public_key: str


class Client:
    """A client of the operator API, which sends the next batch once the one before is accepted.

    Entities and states take effect in that order by themselves; events name the job that they come after. A batch whose
    answer was lost is the client's last one: it may have become a job or not, and nothing may depend on that.

    Args:
        customer: the tenant and its keys.
        name: of the client; clients of two tenants share names, and therefore ids.
        seed: determines its batches.
    """

    def __init__(self, customer: Customer, name: str, seed: object) -> None:
        self.tenant, self.key, self.name = customer.tenant, customer.operator_key, name
        self.batches: list[Batch] = []
        self._random = random.Random(f"{seed}/{name}")
        self.dice = random.Random(f"{seed}/{name}/steering")
        self._amounts = count()

    @property
    def over(self) -> bool:
        """True if nothing more may be sent."""
        return bool(self.batches) and (self.batches[-1].answered != 202 or self.batches[-1].cancelled)

    def request(self, batch: Batch) -> dict[str, Any]:
        """Return the path, query, headers and body of a batch."""
        query = {"mode": "merge"} if batch.merge else {}
        if (after := self.events_before(batch)) is not None:
            query["after"] = f"job_{after.hex}"
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": batch.request_id}
        if batch.key is not None:
            headers["Idempotency-Key"] = batch.key
        request = {"url": f"/operator-data-api/batch/{batch.kind}", "params": query, "headers": headers}
        if not batch.lines:
            return {**request, "json": batch.items}
        headers["Content-Type"] = "application/x-ndjson"
        return {**request, "content": "".join(f"{json.dumps(item)}\n" for item in batch.items)}

    def paths(self) -> list[str]:
        """Return paths under which some of its data can be read."""
        entity = f"/operator-data-api/entities/{self.entity(0)}"
        return [entity, f"{entity}/events", f"{entity}/state"]

    def events_before(self, batch: Batch) -> UUID | None:
        """Return the job that a batch of events must wait for; None if there is none."""
        earlier = [before.job_id for before in self.batches[:-1] if before.kind == batch.kind == "events"]
        return earlier[-1] if earlier else None

    def entity(self, number: int) -> str:
        return f"{NEEDLE}-{self.name}-{number}"

    def batch(self, kind: str | None = None, *, items: int | None = None) -> Batch:
        """Make the next batch; the first one creates all entities of the client."""
        if not self.batches:
            made = [self._entity(number, bad=False) for number in range(_ENTITIES)]
            return self._new("entities", made)
        kind = kind or self._random.choice(["entities", "events", "states"])
        make = {"entities": self._entity, "events": self._event, "states": self._state}[kind]
        size = items or self._random.randint(1, 60)
        made = [make(self._random.randrange(_ENTITIES), bad=self._random.random() < 0.1) for _ in range(size)]
        merge = kind == "entities" and self._random.random() < 0.5
        return self._new(kind, made, merge=merge, lines=self._random.random() < 0.3)

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
        data = {"type": NEEDLE, "amount": next(self._amounts), "currency": "EUR", "tenant": self.tenant.id}
        return {"externalId": self.entity(-1 if bad else number), "eventType": "transaction", "data": data}

    def _state(self, number: int, *, bad: bool) -> dict[str, Any]:
        key = self._random.choice(_KEYS)
        value = {NEEDLE: self._random.randrange(3), "tenant": self.tenant.id}
        return {"externalId": self.entity(-1 if bad else number), "stateKey": key, "value": value}


class PublicClient(Client):
    """A client of the public API: its batches merge, and events create what they name."""

    def __init__(self, customer: Customer, name: str, seed: object) -> None:
        super().__init__(customer, name, seed)
        self.key = customer.public_key

    @property
    def over(self) -> bool:
        return bool(self.batches) and self.batches[-1].answered not in {200, 202}

    def request(self, batch: Batch) -> dict[str, Any]:
        url, member = {"objects": ("/v1/object/batch", "objects"), "object_events": ("/v1/event/batch", "events")}[
            batch.kind
        ]
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": batch.request_id}
        if batch.later:
            headers["Prefer"] = "respond-async"
        return {"url": url, "headers": headers, "json": {member: batch.items}}

    def paths(self) -> list[str]:
        return [f"/v1/object/{kind}/{self.entity(0)}" for kind in _TYPES]

    def batch(self, kind: str | None = None, *, items: int | None = None, later: bool | None = None) -> Batch:
        """Make the next batch."""
        kind = kind or self._random.choice(["objects", "object_events"])
        make = {"objects": self._object, "object_events": self._object_event}[kind]
        size = items or self._random.randint(1, 60)
        made = [make(bad=self._random.random() < 0.1) for _ in range(size)]
        return self._new(kind, made, merge=True, later=self._random.random() < 0.1 if later is None else later)

    def _object(self, *, bad: bool = False) -> dict[str, Any]:
        item: dict[str, Any] = {
            "type": self._random.choice(_TYPES),
            "id": self.entity(self._random.randrange(_ENTITIES)),
            "properties": {
                "tenant": self.tenant.id,
                self._random.choice(_KEYS): self._random.choice([None, NEEDLE, {NEEDLE: None}, 145.5]),
            },
        }
        if bad:
            del item["id"]
        return item

    def _object_event(self, *, bad: bool) -> dict[str, Any]:
        links = []
        for _ in range(0 if bad else self._random.randint(1, 3)):
            link = self._object()
            if self._random.random() < 0.5:
                del link["properties"]
            if self._random.random() < 0.5:
                link["qualifier"] = self._random.choice(_QUALIFIERS)
            links.append(link)
        properties = {"amount": next(self._amounts), "tenant": self.tenant.id, NEEDLE: None}
        return {"event": f"{NEEDLE} placed", "objects": links, "properties": properties}
