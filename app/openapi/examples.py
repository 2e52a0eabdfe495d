"""Examples of bodies and answers for the OpenAPI document. A test checks each against its shape."""

import json
from collections.abc import Mapping
from typing import Any

from app.openapi.webhook_examples import EXAMPLES as _OF_WEBHOOKS

_JOB_ID = "job_01985f0cf2d27b5c8d6a1f0e2b3c4d5e"
_UUID = "4f0f8a6e-4f57-4a52-9d6e-2b8d1a9c7e31"
_TIME = "2026-04-06T12:00:01.500Z"
_ENTITY = {"entityType": "player", "externalId": "p1", "data": {"email": "ada@example.com", "vip_level": 3}}
_EVENT = {
    "eventType": "transaction",
    "data": {"type": "deposit", "amount": 145.5, "currency": "EUR"},
    "timestamp": _TIME,
}
_SENT_EVENT = {**_EVENT, "eventId": "ledger-7b1f-000042"}
_OBJECT = {"type": "Order", "id": "ORD-123", "properties": {"total": 149.99}}
_OBJECT_EVENT = {
    "event": "Order Placed",
    "timestamp": "2024-01-15T10:30:00Z",
    "objects": [{"type": "Order", "id": "ORD-123"}, {"type": "Customer", "id": "CUST-456", "qualifier": "buyer"}],
    "properties": {"total": 149.99},
    "event_id": "order-placed-ORD-123",
}
_ERROR = {
    "index": 1,
    "line": None,
    "externalId": "p2",
    "code": "VALIDATION_FAILED",
    "message": 'Missing required field: "email"',
    "field": "/data/email",
    "retryable": False,
}
_WARNING = {
    "index": 0,
    "line": None,
    "code": "UNKNOWN_FIELD",
    "message": 'Unknown field: "timestmp" (did you mean "timestamp"?)',
    "field": "/timestmp",
}
_ACCEPTED = {"jobId": _JOB_ID, "status": "pending", "progress": 0, "succeeded": 0, "failed": 0, "errors": []}
_UPLOAD_ID = "upl_01985f0cf2d27b5c8d6a1f0e2b3c4d5e"
_PART = {
    "part": 1,
    "items": 120_000,
    "bytes": 9_411_806,
    "digest": "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
}
_STORED_STATE = {"stateKey": "balance", "value": 145.5, "updatedAt": _TIME}
_JOB_ROW = {
    "id": _JOB_ID,
    "type": "batch_ingest_entities",
    "status": "completed",
    "progress": 100,
    "output": {"succeeded": 1, "failed": 1},
    "error": None,
    "created_at": _TIME,
    "completed_at": "2026-04-06T12:00:01.612Z",
    "total": 2,
    "processed": 2,
    "effects": {"created": 1, "updated": 0, "unchanged": 0, "duplicate": 0, "failed": 1, "unprocessed": 0},
    "started_at": "2026-04-06T12:00:01.541Z",
    "rate": 28.2,
    "eta_seconds": 0.0,
    "attempts": 1,
    "warnings": {"count": 1},
    "label": "players of 28 November",
    "ordered": True,
    "atomic": False,
    "validate_only": False,
    "deadline_at": None,
    "finished_in_seconds": 0.112,
    "parent_job_id": None,
    "retried_by": [],
    "blocked_by": None,
    "queue_ahead": None,
    "links": {
        "self": f"/operator-data-api/batch/jobs/{_JOB_ID}",
        "errors": f"/operator-data-api/batch/jobs/{_JOB_ID}/errors",
        "warnings": f"/operator-data-api/batch/jobs/{_JOB_ID}/warnings",
        "timeline": f"/operator-data-api/batch/jobs/{_JOB_ID}/timeline",
    },
}
_TEMPLATE_SCHEMA = {
    "entity_types": {"customer": {"required": ["email"], "optional": ["name"]}},
    "event_types": {"order": {"required": ["total"], "optional": []}},
    "state_keys": ["basket"],
    "pii_fields": {},
}
_TEMPLATE = {"id": "tpl_shop", "name": "Shop", "version": "1.0", "schema": _TEMPLATE_SCHEMA, "created_at": _TIME}
_RIGHTS = {
    "scopes": ["read", "write"],
    "expiresAt": None,
    "addresses": ["203.0.113.0/24"],
    "requestsPerMinute": 600,
}
_KEY = {
    "id": _UUID,
    "operatorId": "0d6f2f0e-95c1-4b44-8d8a-7f3c1f6f4f10",
    "keyHash": "9f86d081…",
    "label": "importer",
    "createdAt": _TIME,
    "lastUsedAt": None,
    "revoked": False,
    **_RIGHTS,
}
_ENTRY = {
    "id": 17,
    "at": _TIME,
    "actor": {"kind": "key", "id": _UUID, "label": "importer"},
    "action": "key.changed",
    "object": {"kind": "key", "id": _UUID},
    "details": {"scopes": ["read"]},
    "requestId": "01985f0cf2d27b5c8d6a1f0e2b3c4d5e",
}
_NAMED = {"object_id": _UUID, "object_type": "Order", "external_id": "ORD-123"}

EXAMPLES: Mapping[str, Any] = {
    # Request bodies.
    "Entity": _ENTITY,
    "Event": _SENT_EVENT,
    "StateValue": 145.5,
    "EntityBatch": [_ENTITY],
    "EventBatch": [{"externalId": "p1", **_SENT_EVENT}],
    "StateBatch": [{"externalId": "p1", "stateKey": "balance", "value": 145.5}],
    "TemplateForm": {"name": "Shop", "version": "1.0", "schema": _TEMPLATE_SCHEMA},
    "CheckForm": {"schema": _TEMPLATE_SCHEMA},
    "SettingsForm": {"templateId": "tpl_igaming", "batchWaitSeconds": 5},
    "NewKeyForm": {"label": "importer", "scopes": ["read", "write"], "requestsPerMinute": 600},
    "NewUpload": {
        "kind": "entities",
        "contentType": "application/x-ndjson",
        "contentEncoding": "gzip",
        "label": "players of 28 November",
    },
    "CompletedUploadForm": {"parts": 12},
    "RetryForm": {"select": [17], "patch": {"17": {"data": {"email": "p17@example.com"}}}},
    "KeyChangesForm": {"id": _UUID, "label": "importer of the night", "addresses": ["203.0.113.0/24"]},
    "Object": _OBJECT,
    "ObjectEvent": _OBJECT_EVENT,
    "ObjectBatch": {"objects": [_OBJECT]},
    "ObjectEventBatch": {"events": [_OBJECT_EVENT]},
    # Results of writes.
    "AcceptedBatch": _ACCEPTED,
    "AcceptedObjectBatch": {"success": True, "data": _ACCEPTED},
    "EndedBatch": {
        **_ACCEPTED,
        "status": "completed",
        "progress": 100,
        "succeeded": 1,
        "failed": 1,
        "errors": [_ERROR],
    },
    "CreatedUpload": {"uploadId": _UPLOAD_ID, "partMaxBytes": 33_554_432, "expiresAt": _TIME},
    "UploadedPart": _PART,
    "Upload": {
        "uploadId": _UPLOAD_ID,
        "kind": "entities",
        "contentType": "application/x-ndjson",
        "contentEncoding": "gzip",
        "status": "open",
        "expiresAt": _TIME,
        "jobId": None,
        "parts": [_PART],
    },
    "DeletedUpload": {"uploadId": _UPLOAD_ID, "deleted": True},
    "Job": {
        **_JOB_ROW,
        "output": {"succeeded": 1, "failed": 1, "errors": [_ERROR]},
        "errors_truncated": False,
        "family": None,
        "warnings": {"count": 1, "first": [_WARNING]},
    },
    "JobEvents": f"event: end\nid: 1775476801612000\ndata: {json.dumps(_JOB_ROW)}\n\n",
    "JobList": [_JOB_ROW],
    "JobLabel": {"label": "players of 28 November"},
    "Timeline": [
        {"at": _TIME, "what": "accepted", "by": None, "detail": None},
        {"at": "2026-04-06T12:00:01.541Z", "what": "begun", "by": None, "detail": None},
        {"at": "2026-04-06T12:00:01.612Z", "what": "paused", "by": "importer of the night", "detail": None},
    ],
    "ItemErrors": [_ERROR],
    "ItemErrorsOrGroups": [_ERROR],
    "ErrorLines": (
        '{"entityType": "player", "externalId": "p2", "data": {}, "_sluice": {"index": 1, "line": 2, '
        '"code": "VALIDATION_FAILED", "field": "/data/email", "message": "Missing required field: \\"email\\""}}\n'
    ),
    "ErrorRows": (
        "externalId,entityType,email,sluice_index,sluice_line,sluice_code,sluice_field,sluice_message\n"
        'p2,player,,1,3,VALIDATION_FAILED,/data/email,"Missing required field: ""email"""\n'
    ),
    "JobItem": {
        "index": 1,
        "line": None,
        "effect": "failed",
        "id": None,
        "error": _ERROR,
        "warnings": [],
    },
    "ItemWarnings": [_WARNING],
    "ItemResults": [
        {"index": 0, "line": None, "effect": "created", "id": "ent_0d6f2f0e95c14b448d8a7f3c1f6f4f10"},
    ],
    "WrittenEntity": {
        "id": "ent_0d6f2f0e95c14b448d8a7f3c1f6f4f10",
        "externalId": "p1",
        "entityType": "player",
        "action": "created",
    },
    "WrittenEvent": {"id": "eev_01985f0cf2d27b5c8d6a1f0e2b3c4d5f"},
    "DuplicateEvent": {"id": "eev_01985f0cf2d27b5c8d6a1f0e2b3c4d5f", "action": "duplicate"},
    "WrittenState": {"stateKey": "balance", "value": 145.5},
    "RecordedEvent": {
        "success": True,
        "event_id": _UUID,
        "event_type": "Order Placed",
        "timestamp": "2024-01-15T10:30:00Z",
        "objects_count": 2,
        "message": "Event 'Order Placed' recorded successfully",
    },
    "RecordedOrEnded": {
        "success": False,
        "processed": 1,
        "failed": 1,
        "event_ids": [_UUID],
        "errors": ["Event 1: Invalid timestamp format 'Jan 15 2024'"],
    },
    "UpsertedObject": {
        "success": True,
        **_NAMED,
        "created": True,
        "message": "Object 'Order/ORD-123' created successfully",
    },
    "UpsertedOrEnded": {
        "success": True,
        "processed": 1,
        "failed": 0,
        "objects": [{**_NAMED, "created": True}],
        "errors": [],
    },
    # Results of reads.
    "StoredEntity": {"id": "ent_0d6f2f0e95c14b448d8a7f3c1f6f4f10", **_ENTITY, "createdAt": _TIME, "updatedAt": _TIME},
    "DeletedEntity": {"externalId": "p1", "deleted": True},
    "StoredEvents": [{"id": "eev_01985f0cf2d27b5c8d6a1f0e2b3c4d5f", **_EVENT, "createdAt": _TIME}],
    "StoredState": _STORED_STATE,
    "StoredStates": [_STORED_STATE],
    "StoredObject": {
        **_NAMED,
        "properties": {"total": 149.99},
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
    },
    "Template": _TEMPLATE,
    "Templates": [_TEMPLATE],
    "ItemSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Shop 1.0: entity type",
        "oneOf": [{"title": "customer", "type": "object", "properties": {"entityType": {"const": "customer"}}}],
    },
    "ExampleCsv": "externalId,entityType,email,name\nexample-1,customer,text,text\n",
    "ExampleLines": '{"externalId":"example-1","entityType":"customer","data":{"email":"text","name":"text"}}\n',
    "Settings": {
        "template": {"id": "tpl_igaming", "name": "iGaming", "version": "1.0"},
        "dataRetentionDays": None,
        "retentionPolicy": None,
        "batchWaitSeconds": 0,
    },
    "Capabilities": {
        "kinds": ["entities", "events", "states"],
        "limits": {"itemBytes": 1_048_576, "jobItems": 10_000_000, "arrayItems": {"entities": 1_000}},
        "rates": {"ingest:batch": "6000/minute"},
        "formats": [{"form": "array", "contentTypes": ["application/json"]}],
        "contentCodings": ["identity", "gzip", "zstd"],
        "contentDigests": ["sha-256", "sha-512"],
        "modes": ["replace", "merge"],
        "preferences": {"wait": 30, "handling": ["strict", "lenient"]},
        "uploads": {
            "kinds": ["entities", "events", "states"],
            "contentTypes": ["application/x-ndjson"],
            "contentCodings": ["identity", "gzip", "zstd"],
        },
        "webhooks": {"events": ["job.completed", "job.failed"], "available": True, "privateAddresses": False},
        "parameters": [
            {
                "name": "atomic",
                "schema": {"type": "boolean", "default": False},
                "description": "true: all items are written, in one transaction, or none",
                "kinds": ["entities", "events", "states"],
            }
        ],
    },
    "Workers": {"running": 4, "busy": 1},
    "NewKey": {
        "id": _UUID,
        "key": f"oh_live_{'0123456789abcdef' * 4}",
        "label": "importer",
        "createdAt": _TIME,
        **_RIGHTS,
    },
    "Key": _KEY,
    "Keys": [_KEY],
    "AuditEntry": _ENTRY,
    "AuditEntries": [_ENTRY],
    "KeyHealth": {
        "status": "healthy",
        "workspace_id": _UUID,
        "workspace_name": "Acme",
        "dataset_id": "0d6f2f0e-95c1-4b44-8d8a-7f3c1f6f4f10",
        "dataset_name": "Order desk",
        "api_key_name": "importer",
    },
    **_OF_WEBHOOKS,
    "Health": {"status": "ok"},
    "Readiness": {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "broker": "ok"}},
    "Document": {"openapi": "3.1.0"},
}

# The same batches as CSV.
CSV_EXAMPLES: Mapping[str, str] = {
    "EntityBatch": "externalId,entityType,email,vip_level:number\np1,player,ada@example.com,3\n",
    "EventBatch": "externalId,eventType,type,amount:number,currency\np1,transaction,deposit,145.50,EUR\n",
    "StateBatch": "externalId,stateKey,value:number\np1,balance,145.5\n",
}
