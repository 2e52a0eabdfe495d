"""The benchmarks' data: items of an ordinary size, in batches of a full request. The same in every run."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

ENTITIES = STATES = 1_000  # of a full request
EVENTS = 5_000

STATE_KEYS = ("balance", "kyc_status", "risk_score", "loyalty_tier")
_COUNTRIES = ("SE", "MT", "FI", "DE", "GB", "IT", "ES", "NO")
_Item = TypeVar("_Item")


def player(number: int) -> str:
    return f"player_{number:07}"


def entity(number: int, **data: Any) -> dict[str, Any]:
    """A player of some 200 bytes; `data` is added to its own."""
    fields = {
        "email": f"player.{number}@example.com",
        "first_name": "Maria",
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "currency": "EUR",
        "registration_date": f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "vip_level": number % 5,
    }
    return {"entityType": "player", "externalId": player(number), "data": {**fields, **data}}


def entities(count: int, **data: Any) -> list[dict[str, Any]]:
    return [entity(number, **data) for number in range(count)]


# Types for the fields of `customers`, and the same template without them.
TYPES: dict[str, Any] = {
    "email": {"type": "string", "format": "email"},
    "name": {"type": "string", "maxLength": 100},
    "age": {"type": "integer", "minimum": 18, "maximum": 150},
    "score": {"type": "number", "minimum": 0},
    "country": {"type": "string", "format": "country"},
    "status": {"enum": ["new", "active", "closed"]},
    "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"},
    "active": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


# Fields of these, of four types, that may be personal data.
PERSONAL = ("email", "name", "age", "tags", "address")


def template_schema(*, typed: bool = False, personal: bool = False) -> dict[str, Any]:
    """The schema of a template whose customers have the fields of `TYPES`."""
    fields = {"fields": TYPES} if typed else {}
    customer = {"required": ["email"], "optional": [name for name in TYPES if name != "email"], **fields}
    pii_fields = {"customer": list(PERSONAL)} if personal else {}
    return {"entity_types": {"customer": customer}, "event_types": {}, "state_keys": [], "pii_fields": pii_fields}


def customers(count: int) -> list[dict[str, Any]]:
    """Entities of 10 fields, good ones of the typed template."""
    return [
        {
            "entityType": "customer",
            "externalId": f"customer_{number:07}",
            "data": {
                "email": f"customer.{number}@example.com",
                "name": "Maria Svensson",
                "age": 18 + number % 80,
                "score": number % 500 + 0.5,
                "country": _COUNTRIES[number % len(_COUNTRIES)],
                "status": "active",
                "code": f"AB{number % 10_000:04}",
                "active": number % 2 == 0,
                "tags": ["a", "b"],
                "address": {"city": "Uppsala"},
            },
        }
        for number in range(count)
    ]


def changes(count: int) -> list[dict[str, Any]]:
    """Return a merge for each of this many players: the required field, a changed one and a new one."""
    return [
        {
            "entityType": "player",
            "externalId": player(number),
            "data": {"email": f"player.{number}@example.com", "vip_level": 7, "status": "active"},
        }
        for number in range(count)
    ]


def _transaction(number: int) -> dict[str, Any]:
    reference = f"{number * 2_654_435_761 % 2**32:08x}"
    return {"type": "deposit", "amount": number % 500 + 0.5, "currency": "EUR", "reference": reference}


def events(count: int, players: int) -> list[dict[str, Any]]:
    """Events of the operator API, each of one player, in no order of players."""
    chance = random.Random(1)
    return [
        {"externalId": player(chance.randrange(players)), "eventType": "transaction", "data": _transaction(number)}
        for number in range(count)
    ]


def linked_events(count: int, players: int) -> list[dict[str, Any]]:
    """Events of the public API, each of two objects."""
    chance = random.Random(2)
    return [
        {
            "event": "transaction",
            "objects": [{"type": "player", "id": player(number)} for number in chance.sample(range(players), 2)],
            "properties": _transaction(number),
        }
        for number in range(count)
    ]


def objects(count: int) -> list[dict[str, Any]]:
    return [{"type": "player", "id": player(number), "properties": {"vip_level": 1}} for number in range(count)]


def states(count: int, *, add: int = 0) -> list[dict[str, Any]]:
    """All four states of one player after the other."""
    keys = len(STATE_KEYS)
    return [
        {"externalId": player(number // keys), "stateKey": STATE_KEYS[number % keys], "value": number + add}
        for number in range(count)
    ]


def batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
