"""The rules for items: what is stored, how an item is judged, and its effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# The built-in template `tpl_igaming` (docs/contracts/operator.md section 2): what each type requires.
IGAMING: dict[str, Any] = {
    "entity_types": {"player": ["email"], "operator": [], "game": []},
    "event_types": {
        "transaction": ["type", "amount", "currency"],
        "game_activity": ["game_id", "bet_amount"],
        **{name: [] for name in ("session", "bonus", "block", "support", "affiliate")},
    },
    "state_keys": ["balance", "kyc_status", "risk_score", "loyalty_tier"],
}

_MEMBERS: dict[str, dict[str, type]] = {
    "entities": {"entityType": str, "externalId": str, "data": dict},
    "events": {"externalId": str, "eventType": str, "data": dict},
    "states": {"externalId": str, "stateKey": str, "value": object},
}
_ABSENT = object()


@dataclass
class Row:
    """An entity that is stored."""

    entity_type: str
    data: dict[str, Any]


class Refused(Exception):
    """A request or an item is refused, as the real server refuses it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class World:
    """All that is stored, and the rules by which an item comes into it.

    Args:
        template: the fields that each type requires, of the form of IGAMING.

    Attributes:
        entities: by their external ids.
        events: in the order stored.
        states: by external id and key.
    """

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._template = template
        self.entities: dict[str, Row] = {}
        self.events: list[dict[str, Any]] = []
        self.states: dict[tuple[str, str], Any] = {}
        self._events_of: dict[str, list[dict[str, Any]]] = {}
        self._event_ids: set[str] = set()
        self._undo: list[Callable[[], object]] = []

    def begin(self) -> None:
        """Begin a batch, whose writes `roll_back` takes back."""
        self._undo = []

    def roll_back(self) -> None:
        """Take back what was written since `begin`."""
        while self._undo:
            self._undo.pop()()

    def events_of(self, external_id: str) -> list[dict[str, Any]]:
        """Return the events of an entity, the newest first."""
        return self._events_of.get(external_id, [])[::-1]

    def write(self, kind: str, item: Any, *, merge: bool = False, strict: bool = False) -> str:
        """Store an item, and return its effect.

        Args:
            kind: `entities`, `events` or `states`.
            item: as it was sent.
            merge: its data are merged into those of the entity.
            strict: members that it should not have are errors.

        Raises:
            Refused: it is not what the template requires, or its entity does not exist.
        """
        _check_shape(kind, item, strict=strict)
        if kind == "entities":
            return self._write_entity(item, merge=merge)
        self.require(item["externalId"])
        if kind == "events":
            return self._append(item)
        if item["stateKey"] not in self._template["state_keys"]:
            raise Refused(400, "VALIDATION_FAILED", f'Unknown state key: "{item["stateKey"]}"')
        return self._put(self.states, (item["externalId"], item["stateKey"]), item["value"])

    def require(self, external_id: str) -> Row:
        """Return an entity.

        Raises:
            Refused: there is none of this id.
        """
        if external_id not in self.entities:
            raise Refused(404, "NOT_FOUND", f'Entity "{external_id}" does not exist')
        return self.entities[external_id]

    def _write_entity(self, item: dict[str, Any], *, merge: bool) -> str:
        self._check_type("entity", item["entityType"], item["data"])
        stored = self.entities.get(item["externalId"])
        data = item["data"]
        if merge:
            merged = {**(stored.data if stored else {}), **data}
            data = {name: value for name, value in merged.items() if value is not None}
        return self._put(self.entities, item["externalId"], Row(item["entityType"], data))

    def _append(self, item: dict[str, Any]) -> str:
        self._check_type("event", item["eventType"], item["data"])
        event_id = item.get("eventId")
        if event_id in self._event_ids:
            return "duplicate"
        own = self._events_of.setdefault(item["externalId"], [])
        for events in (self.events, own):
            events.append(item)
            self._undo.append(events.pop)
        if event_id is not None:
            self._event_ids.add(event_id)
            self._undo.append(lambda: self._event_ids.discard(event_id))
        return "created"

    def _put(self, rows: dict[Any, Any], key: Any, value: Any) -> str:
        """Store a value, and return the effect."""
        before = rows.get(key, _ABSENT)
        rows[key] = value
        if before is _ABSENT:
            self._undo.append(lambda: rows.pop(key))
            return "created"
        self._undo.append(lambda: rows.__setitem__(key, before))
        return "unchanged" if before == value else "updated"

    def _check_type(self, noun: str, name: str, data: Mapping[str, Any]) -> None:
        types = self._template[f"{noun}_types"]
        if name not in types:
            raise Refused(400, "VALIDATION_FAILED", f'Unknown {noun} type: "{name}"')
        for required in types[name]:
            if data.get(required) is None:
                raise Refused(400, "VALIDATION_FAILED", f'Missing required field: "{required}"')


def _check_shape(kind: str, item: Any, *, strict: bool) -> None:
    if isinstance(item, Refused):
        raise item
    if not isinstance(item, dict):
        raise Refused(400, "VALIDATION_FAILED", "The item is no object")
    members = _MEMBERS[kind]
    for name, wanted in members.items():
        if name not in item:
            raise Refused(400, "VALIDATION_FAILED", f"{name}: Missing data for required field")
        if not isinstance(item[name], wanted) or item[name] == "":
            raise Refused(400, "VALIDATION_FAILED", f"{name}: Not a valid value")
    known = {*members, *(("timestamp", "eventId") if kind == "events" else ()), "_sluice"}
    if strict and (strange := sorted(item.keys() - known)):
        raise Refused(400, "UNKNOWN_FIELD", f'Unknown field: "{strange[0]}"')
