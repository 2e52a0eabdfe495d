"""Needs of client generators in the OpenAPI document, as tried with openapi-python-client and openapi-typescript."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.openapi import docs
from ingest.db.tenants.audit import OBJECT_KINDS, Action
from ingest.engine.kinds import JOB_TYPES
from ingest.jobs import ITEM_ERROR_CODES

# Once published, a name stays: it is a function in somebody's program.
OPERATIONS = {
    *("writeEntities", "writeEvents", "writeStates", "getJob", "listJobs", "listJobErrors", "listJobWarnings"),
    *("downloadJobErrors", "downloadJobErrorsAsCsv", "getJobItem", "retryJob", "commitJob"),
    *("cancelJob", "pauseJob", "resumeJob", "relabelJob", "listJobTimeline"),
    *("cancelPublicJob", "pausePublicJob", "resumePublicJob", "relabelPublicJob", "listPublicJobTimeline"),
    *("createUpload", "putUploadPart", "getUpload", "deleteUpload", "completeUpload"),
    *("upsertEntity", "getEntity", "deleteEntity", "appendEvent", "listEvents", "setState", "listStates", "getState"),
    *("listTemplates", "storeTemplate", "getSettings", "changeSettings"),
    *("createKey", "listKeys", "changeKey", "revokeKey"),
    "listAuditLog",
    *("recordEvent", "recordEvents", "upsertObject", "upsertObjects", "getObject", "getKeyHealth"),
    *("getPublicJob", "listPublicJobs", "listPublicJobErrors", "listPublicJobWarnings", "getHealth", "getReadiness"),
    *("getDocument", "getOperatorDocument", "getPublicDocument"),
}


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    return docs.document(app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, but for what its examples hold."""
    if isinstance(part, dict):
        yield part
        for name, inner in part.items():
            if name not in {"example", "examples"}:
                yield from parts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from parts(inner)


def test_every_operation_has_a_name_of_its_own_that_stays(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert {name for name in OPERATIONS if name not in names} == set()
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)


def test_every_operation_stands_under_one_tag(document: dict[str, Any]) -> None:
    assert all(len(operation["tags"]) == 1 for _, _, operation in operations(document))


def test_the_paths_are_whole_for_generators_that_ignore_servers(app: Flask, document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": "/"}]
    assert not [operation for _, _, operation in operations(document) if "servers" in operation]
    served = app.url_map.bind("")
    for path, method, operation in operations(document):
        endpoint, _ = served.match(re.sub(r"{\w+}", "x", path), method.upper())
        assert endpoint, operation["operationId"]


def test_objects_of_any_members_say_so(document: dict[str, Any]) -> None:
    objects = [part for part in parts(document["components"]["schemas"]) if part.get("type") == "object"]
    assert len(objects) > 50
    assert [part for part in objects if not part.get("properties") and "additionalProperties" not in part] == []


def test_every_query_parameter_has_its_type_its_bounds_and_its_default(document: dict[str, Any]) -> None:
    limit = {"type": "integer", "minimum": 1}
    states = "pending|processing|paused|completed|failed|cancelled"
    expected = {
        "mode": [{"type": "string", "enum": ["replace", "merge"], "default": "replace"}],
        "ordered": [{"type": "boolean", "default": True}],
        "after": [{"type": "string"}],
        "label": [{"type": "string", "minLength": 1, "maxLength": 200}],
        "maxErrors": [{"type": "integer", "minimum": 0, "maximum": 999_999_999}],
        "callback": [{"type": "string", "minLength": 1, "maxLength": 2_000}],
        "deadline": [{"type": "integer", "minimum": 1, "maximum": 604_800}],
        "atomic": [{"type": "boolean", "default": False}],
        "validateOnly": [{"type": "boolean", "default": False}],
        "keepResults": [{"type": "boolean", "default": False}],
        "effect": [{"type": "string", "enum": ["created", "updated", "unchanged", "duplicate"]}],
        "afterAny": [{"type": "boolean", "default": False}],
        "status": [{"type": "string", "pattern": f"^({states})(,({states}))*$"}],
        "type": [{"type": "string", "enum": list(JOB_TYPES.values())}],
        "created_after": [{"type": "string", "format": "date-time"}],
        "created_before": [{"type": "string", "format": "date-time"}],
        "has_errors": [{"type": "boolean", "default": False}],
        "parent": [{"type": "string", "pattern": "^job_[0-9a-f]{32}$"}],
        "limit": [
            {**limit, "maximum": 200, "default": 50},
            {**limit, "maximum": 1_000, "default": 100},
            {**limit, "maximum": 500, "default": 50},
        ],
        "empty": [{"type": "string", "enum": ["absent", "null", "string"], "default": "absent"}],
        "delimiter": [{"type": "string", "pattern": r'^([^"\r\n\0]|tab)$', "default": ","}],
        "entityType": [{"type": "string", "minLength": 1, "maxLength": 200}],
        "eventType": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "string"}],
        "stateKey": [{"type": "string", "minLength": 1, "maxLength": 200}],
        "cursor": [{"type": "string"}],
        "code": [{"type": "string", "enum": list(ITEM_ERROR_CODES)}],
        "from": [{"type": "integer", "minimum": 0, "maximum": 999_999_999}],
        "items": [{"type": "boolean", "default": False}],
        "action": [{"type": "string", "enum": list(Action)}],
        "object": [{"type": "string", "enum": list(OBJECT_KINDS)}],
        "object_id": [{"type": "string", "minLength": 1, "maxLength": 200}],
        "since": [{"type": "string", "format": "date-time"}],
        "pii": [{"type": "boolean", "default": True}],
        "group": [{"type": "boolean", "default": False}],
        "kind": [{"type": "string", "enum": ["entities", "events", "states"], "default": "entities"}],
        "id": [{"type": "string", "format": "uuid"}],
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for _, _, operation in operations(document):
        for parameter in operation["parameters"]:
            if parameter["in"] == "query" and parameter["schema"] not in found.setdefault(parameter["name"], []):
                found[parameter["name"]].append(parameter["schema"])
                assert parameter["required"] is (parameter["name"] == "id")
    assert found == expected


def test_every_call_with_a_body_names_what_can_be_wrong_with_its_transfer(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        if "requestBody" in operation:
            assert {"400", "408", "413", "415"} <= set(operation["responses"]), operation["operationId"]
