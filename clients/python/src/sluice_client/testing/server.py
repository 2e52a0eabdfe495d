"""The calls of the fake server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx2

from sluice_client._async.client import AsyncClient
from sluice_client._sync.client import Client
from sluice_client.limits import ATOMIC_BYTES, ATOMIC_ITEMS, JOB_BYTES, JOB_ITEMS
from sluice_client.testing.answers import (
    DECODE,
    capabilities,
    item_error,
    items_of,
    page,
    refusal,
    success,
    without_item,
)
from sluice_client.testing.parameters import elsewhere, query_of
from sluice_client.testing.rules import Refused, Row, World

_MOST_ERRORS = 1_000
_WRITES = {"entities": "writeEntities", "events": "writeEvents", "states": "writeStates"}
_TYPES = {"entities": "batch_ingest_entities", "events": "batch_ingest_events", "states": "batch_ingest_states"}
_EFFECTS = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")
_LIMITS = {"jobItems": JOB_ITEMS, "jobBytes": JOB_BYTES, "atomicItems": ATOMIC_ITEMS, "atomicBytes": ATOMIC_BYTES}


class FakeServer:
    """A server in memory.

    Args:
        template: the fields that each type requires.
        limits: of `GET /capabilities`, those that differ from the real server's defaults.

    Attributes:
        entities: by their external ids.
        events: in the order stored.
        states: by external id and key.
        requests: method and path of every request so far.
        transport: for a client that a program makes itself.
    """

    def __init__(self, template: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
        self._world, self._limits = World(template), {**_LIMITS, **limits}
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
        """Return a client of this server.

        Args:
            options: as `Client` takes them.
        """
        return Client("http://fake", key="oh_live_fake", transport=self.transport, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        """Return an asynchronous client of this server.

        Args:
            options: as `AsyncClient` takes them.
        """
        return AsyncClient("http://fake", key="oh_live_fake", transport=self.transport, **options)

    def refuse(self, status: int, code: str, *, times: int = 1, retry_after: float | None = None) -> None:
        """Refuse the next requests, to see what a program does then; what a client asks of its own accord too.

        Args:
            status: of HTTP.
            code: of the error.
            times: how many requests to refuse.
            retry_after: the seconds that `Retry-After` says; None for no such header.
        """
        self._refusals += [(status, code, retry_after)] * times

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/operator-data-api")
        self.requests.append((request.method, path))
        if self._refusals:
            status, code, wait = self._refusals.pop(0)
            return refusal(status, code, "as the test asked", {} if wait is None else {"Retry-After": f"{wait:g}"})
        try:
            return self._once(request, [unquote(part) for part in path.strip("/").split("/")])
        except Refused as refused:
            return refusal(refused.status, refused.code, refused.message, {})

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
            raise Refused(422, "IDEMPOTENCY_KEY_REUSED", "Another request had this Idempotency-Key")
        first = known[1]
        return httpx2.Response(first.status_code, content=first.content, headers=first.headers)

    def _routed(self, request: httpx2.Request, path: list[str]) -> httpx2.Response:
        match [request.method, *path]:
            case ["POST", "batch", kind] if kind in _WRITES:
                return self._batch(kind, request, query_of(_WRITES[kind], request))
            case ["GET", "batch", "jobs", *of_jobs]:
                return self._job(request, of_jobs)
            case ["POST", "batch", "jobs", job_id, ("cancel" | "pause" | "resume") as verb] if job_id in self._jobs:
                raise Refused(409, "WRONG_STATE", f"The job is {self._jobs[job_id]['status']}; {verb} is too late")
            case ["GET", "capabilities"]:
                query_of("getCapabilities", request)
                return success(capabilities(self._limits))
            case ["GET", "workers"]:
                query_of("getWorkers", request)
                return success({"running": 1, "busy": 0})
            case [_, "entities", *of_entities]:
                return self._single(request, of_entities)
        raise elsewhere(f"{request.method} {request.url.path}")

    def _batch(self, kind: str, request: httpx2.Request, query: dict[str, str]) -> httpx2.Response:
        items, is_atomic = items_of(request), query.get("atomic") == "true"
        self._check_size(len(items), len(request.content), is_atomic=is_atomic)
        strict = "handling=strict" in request.headers.get("Prefer", "")
        effects, errors = dict.fromkeys(_EFFECTS, 0), []
        self._world.begin()
        for index, (item, line) in enumerate(items):
            try:
                effects[self._world.write(kind, item, merge=query.get("mode") == "merge", strict=strict)] += 1
            except Refused as refused:  # noqa: PERF203 # a bad item sinks no other
                effects["failed"] += 1
                errors.append(item_error(index, line, item, refused))
        fault = None
        if is_atomic and errors:
            fault = {"code": "ATOMIC_ABORTED", "message": f"{len(errors)} of {len(items)} items are bad"}
            effects = {**dict.fromkeys(_EFFECTS, 0), "failed": len(errors), "unprocessed": len(items) - len(errors)}
        elif len(errors) > int(query.get("maxErrors", len(errors))):
            fault = {"code": "TOO_MANY_ERRORS", "message": "More items failed than ?maxErrors= allows"}
        if (is_atomic and fault) or query.get("validateOnly") == "true":
            self._world.roll_back()
        job = self._ended(kind, len(items), effects=effects, errors=errors, fault=fault, query=query)
        seen = {**job["output"], "jobId": job["id"], "status": job["status"], "progress": job["progress"]}
        return success({**seen, **({"callbackSecret": f"whsec_{uuid4().hex}"} if "callback" in query else {})}, 202)

    def _check_size(self, items: int, size: int, *, is_atomic: bool) -> None:
        limits = self._limits
        if size > limits["jobBytes"]:
            raise Refused(413, "PAYLOAD_TOO_LARGE", f"The body is over {limits['jobBytes']} bytes")
        if items > limits["jobItems"]:
            raise Refused(400, "INVALID_INPUT", f"The body has over {limits['jobItems']} items")
        if is_atomic and (items > limits["atomicItems"] or size > limits["atomicBytes"]):
            most = f"{limits['atomicItems']} items and {limits['atomicBytes']} bytes"
            raise Refused(400, "INVALID_INPUT", f"An atomic batch may have {most}")

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
            "output": {
                "succeeded": succeeded,
                "failed": effects["failed"],
                "errors": [without_item(error) for error in errors[:_MOST_ERRORS]],
            },
            "errors_truncated": len(errors) > _MOST_ERRORS,
            "error": fault,
            "label": query.get("label"),
            "ordered": query.get("ordered") != "false",
            "atomic": query.get("atomic") == "true",
            "validate_only": query.get("validateOnly") == "true",
            **dict.fromkeys(("created_at", "started_at", "completed_at"), now),
        }
        return self._jobs[job_id]

    def _job(self, request: httpx2.Request, path: list[str]) -> httpx2.Response:
        if not path:
            return self._list(query_of("listJobs", request))
        job = self._jobs.get(path[0])
        if job is None:
            raise Refused(404, "NOT_FOUND", f"There is no job {path[0]!r}")
        if not path[1:]:
            query_of("getJob", request)
            return success(job)
        if path[1:] != ["errors"]:
            raise elsewhere(f"{request.method} …/batch/jobs/{{id}}/{'/'.join(path[1:])}")
        query = query_of("listJobErrors", request)
        code, first, items = query.get("code"), int(query.get("from", 0)), query.get("items") == "true"
        errors = [
            error if items else without_item(error)
            for error in self._errors[path[0]]
            if code in {None, error["code"]} and error["index"] >= first
        ]
        return page(errors, query)

    def _list(self, query: dict[str, str]) -> httpx2.Response:
        wanted = {name: query[name].split(",") for name in ("status", "type", "label") if name in query}
        jobs = [
            job for job in reversed(self._jobs.values()) if all(job[name] in values for name, values in wanted.items())
        ]
        return page(jobs, query)

    def _single(self, request: httpx2.Request, path: list[str]) -> httpx2.Response:
        match [request.method, *path]:
            case ["POST"]:
                item, query = DECODE(request.content), query_of("upsertEntity", request)
                action = self._write("entities", item, merge=query.get("mode") == "merge")
                named = {"externalId": item["externalId"], "entityType": item["entityType"]}
                return success({"id": f"ent_{uuid4().hex}", "action": action, **named}, 201)
            case ["POST", external_id, "events"]:
                query_of("appendEvent", request)
                action = self._write("events", {"externalId": external_id, **DECODE(request.content)})
                return success({"id": f"eev_{uuid4().hex}", "action": action}, 201)
            case ["PUT", external_id, "state", key]:
                query_of("setState", request)
                value = DECODE(request.content)["value"]
                self._write("states", {"externalId": external_id, "stateKey": key, "value": value})
                return success({"stateKey": key, "value": value})
            case [_, external_id, *_]:
                return self._read(request, external_id, self._world.require(external_id), path[1:])
        raise elsewhere(f"{request.method} {request.url.path}")

    def _write(self, kind: str, item: Any, *, merge: bool = False) -> str:
        self._world.begin()
        return self._world.write(kind, item, merge=merge)

    def _read(self, request: httpx2.Request, external_id: str, row: Row, path: list[str]) -> httpx2.Response:
        now = datetime.now(timezone.utc)
        match [request.method, *path]:
            case ["GET"]:
                query_of("getEntity", request)
                named = {"id": "ent_", "entityType": row.entity_type, "externalId": external_id}
                return success({**named, "data": row.data, "createdAt": now, "updatedAt": now})
            case ["DELETE"]:
                query_of("deleteEntity", request)
                del self.entities[external_id]
                return success({"externalId": external_id, "deleted": True})
            case ["GET", "events"]:
                query = query_of("listEvents", request)
                kinds = {None, query.get("eventType")}
                found = [event for event in self._world.events_of(external_id) if {None, event["eventType"]} >= kinds]
                return page([{"id": "eev_", "timestamp": now, **event, "createdAt": now} for event in found], query)
            case ["GET", "state", key]:
                query_of("getState", request)
                if (external_id, key) not in self.states:
                    raise Refused(404, "NOT_FOUND", "There is no such state")
                return success({"stateKey": key, "value": self.states[external_id, key], "updatedAt": now})
            case ["GET", "state"]:
                query_of("listStates", request)
                states = [(key, value) for (owner, key), value in self.states.items() if owner == external_id]
                return success([{"stateKey": key, "value": value, "updatedAt": now} for key, value in states])
        raise elsewhere(f"{request.method} {request.url.path}")
