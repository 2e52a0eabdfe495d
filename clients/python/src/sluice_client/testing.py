"""A server in memory, for the tests of programs that use this client.

    from sluice_client.testing import fake

    server = fake()
    with server.client() as sluice:
        my_program(sluice)
    assert server.entities["p1"].data == {"email": "ada@example.com"}

It judges items as the real server does by what its template requires, and gives each its effect; jobs have ended when
their batch is answered. It knows batches, their jobs and errors, and single writes and reads; it does not check the
types of typed templates, and has no uploads, retries, keys or webhooks.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx2
import msgspec

from sluice_client._async.client import AsyncClient
from sluice_client._sync.client import Client
from sluice_client.values import exact_json

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

_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode
_MOST_ERRORS = 1_000
_TYPES = {"entities": "batch_ingest_entities", "events": "batch_ingest_events", "states": "batch_ingest_states"}
_EFFECTS = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")
_MEMBERS: dict[str, dict[str, type]] = {
    "entities": {"entityType": str, "externalId": str, "data": dict},
    "events": {"externalId": str, "eventType": str, "data": dict},
    "states": {"externalId": str, "stateKey": str, "value": object},
}


@dataclass
class Row:
    """An entity that is stored."""

    entity_type: str
    data: dict[str, Any]


@dataclass
class _World:
    """All that is stored."""

    entities: dict[str, Row] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    states: dict[tuple[str, str], Any] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


def fake(template: Mapping[str, Any] = IGAMING) -> FakeServer:
    """Return a server in memory.

    Args:
        template: the fields that each type requires, of the form of IGAMING.
    """
    return FakeServer(template)


class FakeServer:
    """A server in memory.

    Attributes:
        entities: by their external ids; likewise `states`, by external id and key. `events` in the order stored.
        requests: method and path of every request so far.
        transport: for a client that a program makes itself.
    """

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._template, self._world = template, _World()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._errors: dict[str, list[dict[str, Any]]] = {}
        self._keys: dict[tuple[str, str], tuple[bytes, httpx2.Response]] = {}
        self._refusals: list[tuple[int, str, float | None]] = []
        self.requests: list[tuple[str, str]] = []
        self.transport = httpx2.MockTransport(self._answer)

    @property
    def entities(self) -> dict[str, Row]:
        """Entities by their external ids."""
        return self._world.entities

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events in the order stored."""
        return self._world.events

    @property
    def states(self) -> dict[tuple[str, str], Any]:
        """States by external id and key."""
        return self._world.states

    def client(self, **options: Any) -> Client:
        """Return a client of this server."""
        return Client("http://fake", key="oh_live_fake", transport=self.transport, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        """Return an asynchronous client of this server."""
        return AsyncClient("http://fake", key="oh_live_fake", transport=self.transport, **options)

    def refuse(self, status: int, code: str, *, times: int = 1, retry_after: float | None = None) -> None:
        """Refuse the next requests, to see what a program does then."""
        self._refusals += [(status, code, retry_after)] * times

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/operator-data-api")
        self.requests.append((request.method, path))
        if self._refusals:
            status, code, wait = self._refusals.pop(0)
            return _refusal(status, code, "as the test asked", {} if wait is None else {"Retry-After": f"{wait:g}"})
        try:
            return self._once(request, [unquote(part) for part in path.strip("/").split("/")])
        except _Refused as refused:
            return _refusal(refused.status, refused.code, refused.message, {})

    def _once(self, request: httpx2.Request, path: list[str]) -> httpx2.Response:
        """Answer a request, and one that is repeated under its key as before."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return self._routed(request, path)
        place = (f"{request.method} {request.url.path}", key)
        print_ = hashlib.sha256(request.content + request.url.query).digest()
        known = self._keys.get(place)
        if known is None:
            self._keys[place] = known = (print_, self._routed(request, path))
        elif known[0] != print_:
            raise _Refused(422, "IDEMPOTENCY_KEY_REUSED", "Another request had this Idempotency-Key")
        first = known[1]
        return httpx2.Response(first.status_code, content=first.content, headers=first.headers)

    def _routed(self, request: httpx2.Request, path: list[str]) -> httpx2.Response:
        query = dict(request.url.params)
        if request.method == "POST" and path[0] == "batch" and path[1] in _TYPES:
            return self._batch(path[1], request, query)
        if request.method == "GET" and path[:2] == ["batch", "jobs"]:
            return self._job(path[2:], query)
        if path[0] == "entities":
            return self._single(request, path[1:], query)
        raise NotImplementedError(f"The fake server has no {request.method} {request.url.path}")

    def _batch(self, kind: str, request: httpx2.Request, query: dict[str, str]) -> httpx2.Response:
        if "json" not in request.headers["Content-Type"]:
            raise NotImplementedError("The fake server takes JSON and lines of JSON")
        items = _items(request)
        strict = "handling=strict" in request.headers.get("Prefer", "")
        before = copy.deepcopy(self._world) if {"atomic", "validateOnly"} & {*query} else self._world
        effects, errors = dict.fromkeys(_EFFECTS, 0), []
        for index, (item, line) in enumerate(items):
            try:
                effects[self._write(kind, item, merge=query.get("mode") == "merge", strict=strict)] += 1
            except _Refused as refused:  # noqa: PERF203 # a bad item sinks no other
                effects["failed"] += 1
                errors.append(_item_error(index, line, item, refused))
        fault = None
        if query.get("atomic") == "true" and errors:
            fault = {"code": "ATOMIC_ABORTED", "message": f"{len(errors)} of {len(items)} items are bad"}
            effects = {**dict.fromkeys(_EFFECTS, 0), "failed": len(errors), "unprocessed": len(items) - len(errors)}
        if fault or query.get("validateOnly") == "true":
            self._world = before
        job = self._ended(kind, len(items), effects=effects, errors=errors, fault=fault, query=query)
        seen = {**job["output"], "jobId": job["id"], "status": job["status"], "progress": job["progress"]}
        return _success(seen, 202)

    def _ended(
        self,
        kind: str,
        total: int,
        *,
        effects: dict[str, int],
        errors: list[dict[str, Any]],
        fault: dict[str, str] | None,
        query: dict[str, str],
    ) -> dict[str, Any]:
        """Keep a job that has ended."""
        now, job_id = datetime.now(timezone.utc), f"job_{uuid4().hex}"
        processed = total - effects["unprocessed"]
        succeeded = processed - effects["failed"]
        self._errors[job_id] = errors
        self._jobs[job_id] = {
            "id": job_id,
            "type": _TYPES[kind],
            "status": "failed" if fault else "completed",
            "progress": processed * 100 // total,
            "total": total,
            "processed": processed,
            "effects": effects,
            "output": {"succeeded": succeeded, "failed": effects["failed"], "errors": errors[:_MOST_ERRORS]},
            "errors_truncated": len(errors) > _MOST_ERRORS,
            "error": fault,
            "label": query.get("label"),
            "ordered": query.get("ordered") != "false",
            "atomic": query.get("atomic") == "true",
            "validate_only": query.get("validateOnly") == "true",
            **dict.fromkeys(("created_at", "started_at", "completed_at"), now),
        }
        return self._jobs[job_id]

    def _job(self, path: list[str], query: dict[str, str]) -> httpx2.Response:
        if not path:
            jobs = [job for job in reversed(self._jobs.values()) if query.get("label") in {None, job["label"]}]
            return _page(jobs, query)
        job = self._jobs.get(path[0])
        if job is None:
            raise _Refused(404, "NOT_FOUND", f"There is no job {path[0]!r}")
        if path[1:] == ["errors"]:
            code, first = query.get("code"), int(query.get("from", 0))
            errors = [error for error in self._errors[path[0]] if code in {None, error["code"]}]
            return _page([error for error in errors if error["index"] >= first], query)
        if path[1:]:
            raise NotImplementedError(f"The fake server has no …/jobs/{{id}}/{'/'.join(path[1:])}")
        return _success(job)

    def _write(self, kind: str, item: Any, *, merge: bool, strict: bool) -> str:
        """Store an item, and return its effect."""
        _check_shape(kind, item, strict=strict)
        if kind == "entities":
            return self._write_entity(item, merge=merge)
        if item["externalId"] not in self.entities:
            raise _Refused(404, "NOT_FOUND", f'Entity "{item["externalId"]}" does not exist')
        if kind == "events":
            self._check_type("event", item["eventType"], item["data"])
            known = {event.get("eventId") for event in self.events} - {None}
            if item.get("eventId") in known:
                return "duplicate"
            self.events.append(item)
            return "created"
        if item["stateKey"] not in self._template["state_keys"]:
            raise _Refused(400, "VALIDATION_FAILED", f'Unknown state key: "{item["stateKey"]}"')
        return _put(self.states, (item["externalId"], item["stateKey"]), item["value"])

    def _write_entity(self, item: dict[str, Any], *, merge: bool) -> str:
        self._check_type("entity", item["entityType"], item["data"])
        stored = self.entities.get(item["externalId"])
        data = item["data"]
        if merge:
            merged = {**(stored.data if stored else {}), **data}
            data = {name: value for name, value in merged.items() if value is not None}
        return _put(self.entities, item["externalId"], Row(item["entityType"], data))

    def _check_type(self, noun: str, name: str, data: Mapping[str, Any]) -> None:
        types = self._template[f"{noun}_types"]
        if name not in types:
            raise _Refused(400, "VALIDATION_FAILED", f'Unknown {noun} type: "{name}"')
        for required in types[name]:
            if data.get(required) is None:
                raise _Refused(400, "VALIDATION_FAILED", f'Missing required field: "{required}"')

    def _single(self, request: httpx2.Request, path: list[str], query: dict[str, str]) -> httpx2.Response:
        match [request.method, *path]:
            case ["POST"]:
                item = _DECODE(request.content)
                action = self._write("entities", item, merge=query.get("mode") == "merge", strict=False)
                named = {"externalId": item["externalId"], "entityType": item["entityType"]}
                return _success({"id": f"ent_{uuid4().hex}", "action": action, **named}, 201)
            case ["POST", external_id, "events"]:
                action = self._write(
                    "events", {"externalId": external_id, **_DECODE(request.content)}, merge=False, strict=False
                )
                return _success({"id": f"eev_{uuid4().hex}", "action": action}, 201)
            case ["PUT", external_id, "state", key]:
                value = _DECODE(request.content)["value"]
                self._write(
                    "states", {"externalId": external_id, "stateKey": key, "value": value}, merge=False, strict=False
                )
                return _success({"stateKey": key, "value": value})
        external_id = path[0]
        if external_id not in self.entities:
            raise _Refused(404, "NOT_FOUND", f'Entity "{external_id}" does not exist')
        return self._read(request.method, external_id, path[1:], query)

    def _read(self, method: str, external_id: str, path: list[str], query: dict[str, str]) -> httpx2.Response:
        now = datetime.now(timezone.utc)
        match [method, *path]:
            case ["GET"]:
                row, times = self.entities[external_id], {"createdAt": now, "updatedAt": now}
                named = {"id": "ent_", "entityType": row.entity_type, "externalId": external_id}
                return _success({**named, "data": row.data, **times})
            case ["DELETE"]:
                del self.entities[external_id]
                return _success({"externalId": external_id, "deleted": True})
            case ["GET", "events"]:
                found = [event for event in reversed(self.events) if event["externalId"] == external_id]
                return _page([{"id": "eev_", "timestamp": now, **event, "createdAt": now} for event in found], query)
            case ["GET", "state", key] if (external_id, key) in self.states:
                return _success({"stateKey": key, "value": self.states[external_id, key], "updatedAt": now})
            case ["GET", "state"]:
                keys = [key for owner, key in self.states if owner == external_id]
                return _success(
                    [{"stateKey": key, "value": self.states[external_id, key], "updatedAt": now} for key in keys]
                )
        raise _Refused(404, "NOT_FOUND", "There is no such state")


def _items(request: httpx2.Request) -> list[tuple[Any, int | None]]:
    """Return the items of a body, each with the number of its line."""
    if request.headers["Content-Type"] == "application/json":
        items: list[tuple[Any, int | None]] = [(item, None) for item in _DECODE(request.content)]
    else:
        lines = enumerate(request.content.split(b"\n"), 1)
        items = [(_line(line), number) for number, line in lines if line.strip()]
    if not items:
        raise _Refused(400, "INVALID_INPUT", "The body holds no item")
    return items


def _line(line: bytes) -> Any:
    try:
        return _DECODE(line)
    except msgspec.DecodeError:
        return _Refused(400, "INVALID_JSON", "The line is not valid JSON")


def _check_shape(kind: str, item: Any, *, strict: bool) -> None:
    if isinstance(item, _Refused):
        raise item
    if not isinstance(item, dict):
        raise _Refused(400, "VALIDATION_FAILED", "The item is no object")
    members = _MEMBERS[kind]
    for name, wanted in members.items():
        if name not in item:
            raise _Refused(400, "VALIDATION_FAILED", f"{name}: Missing data for required field")
        if not isinstance(item[name], wanted) or item[name] == "":
            raise _Refused(400, "VALIDATION_FAILED", f"{name}: Not a valid value")
    known = {*members, *(("timestamp", "eventId") if kind == "events" else ()), "_sluice"}
    if strict and (strange := sorted(item.keys() - known)):
        raise _Refused(400, "UNKNOWN_FIELD", f'Unknown field: "{strange[0]}"')


def _item_error(index: int, line: int | None, item: Any, refused: _Refused) -> dict[str, Any]:
    external_id = item.get("externalId") if isinstance(item, dict) else None
    named = external_id if isinstance(external_id, str) else None
    told = {"index": index, "line": line, "externalId": named, "code": refused.code, "message": refused.message}
    return {**told, "field": None, "retryable": refused.code == "NOT_FOUND"}


def _put(rows: dict[Any, Any], key: Any, value: Any) -> str:
    """Store a value, and return the effect."""
    effect = "created" if key not in rows else "unchanged" if rows[key] == value else "updated"
    rows[key] = value
    return effect


def _success(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    body = exact_json({"success": True, "data": data})
    return httpx2.Response(status, content=body, headers={"Content-Type": "application/json", **(headers or {})})


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str]) -> httpx2.Response:
    body = msgspec.json.encode({"success": False, "error": {"code": code, "message": message}})
    return httpx2.Response(status, content=body, headers={"Content-Type": "application/json", **headers})


def _page(rows: list[Any], query: dict[str, str]) -> httpx2.Response:
    first, most = int(query.get("cursor", 0)), int(query.get("limit", 50))
    more = {"Link": f'</page?cursor={first + most}>; rel="next"'} if len(rows) > first + most else {}
    return _success(rows[first : first + most], 200, more)
