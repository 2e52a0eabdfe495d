"""The shapes of the operator face as JSON Schema, for the OpenAPI document. contracts/operator.md is the law."""

from typing import Any

from ingest.jobs import Effect, JobState
from ingest.kinds import KINDS

_Shape = dict[str, Any]

_TEXT: _Shape = {"type": "string"}
_COUNT: _Shape = {"type": "integer", "minimum": 0}
_TIME: _Shape = {"type": "string", "format": "date-time", "examples": ["2026-04-06T12:00:01.500Z"]}
_TIME_OR_NULL: _Shape = {"type": ["string", "null"], "format": "date-time"}
_NUMBER_OR_NULL: _Shape = {"type": ["number", "null"]}
_ID: _Shape = {"type": "string", "minLength": 1, "maxLength": 500}
_NAME: _Shape = {"type": "string", "minLength": 1, "maxLength": 200}
_DOCUMENT: _Shape = {"type": "object"}
_ANYTHING: _Shape = {}


def _object(optional: tuple[str, ...] = (), /, **properties: _Shape) -> _Shape:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _closed(optional: tuple[str, ...] = (), /, **properties: _Shape) -> _Shape:
    """An object that clients send: what it does not list is refused."""
    return {**_object(optional, **properties), "additionalProperties": False}


def _array(items: _Shape, **bounds: int) -> _Shape:
    return {"type": "array", "items": items, **bounds}


def _ref(name: str) -> _Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(shape: _Shape) -> _Shape:
    return {"oneOf": [shape, {"type": "null"}]}


def success(data: _Shape) -> _Shape:
    """The envelope of success around a shape."""
    return _object(success={"const": True}, data=data)


_SEEN_JOB = {
    "jobId": _TEXT,
    "status": _ref("JobState"),
    "progress": _ref("Progress"),
    "succeeded": _COUNT,
    "failed": _COUNT,
    "errors": _ref("ItemErrors"),
}
_FIELDS = _object(required=_array(_NAME), optional=_array(_NAME))
_FAULT = _object(code=_TEXT, message=_TEXT)

SHAPES: dict[str, _Shape] = {
    "Failure": _object(
        ("resetAt",),
        success={"const": False},
        error=_object(("resetAt",), code=_TEXT, message=_TEXT, resetAt=_TIME),
        resetAt=_TIME,
    ),
    "Health": _object(status={"const": "ok"}),
    "Readiness": _object(status={"enum": ["ok", "unready"]}, checks={"type": "object", "additionalProperties": _TEXT}),
    "Document": {"type": "object"},
    # What is sent, one by one and in batches.
    "Entity": _closed(entityType=_NAME, externalId=_ID, data=_DOCUMENT),
    "Event": _closed(("timestamp",), eventType=_NAME, data=_DOCUMENT, timestamp=_TIME),
    "StateValue": _ANYTHING,
    "EntityBatch": _array(_ref("Entity"), minItems=1, maxItems=KINDS["entities"].limit),
    "EventBatch": _array(
        _closed(("timestamp",), externalId=_ID, eventType=_NAME, data=_DOCUMENT, timestamp=_TIME),
        minItems=1,
        maxItems=KINDS["events"].limit,
    ),
    "StateBatch": _array(
        _closed(externalId=_ID, stateKey=_NAME, value=_ANYTHING), minItems=1, maxItems=KINDS["states"].limit
    ),
    # Jobs.
    "JobState": {"enum": [state.value for state in JobState]},
    "Progress": {"type": "integer", "minimum": 0, "maximum": 100},
    "ItemError": _object(
        index=_COUNT,
        externalId={"type": ["string", "null"]},
        code={"enum": ["VALIDATION_FAILED", "NOT_FOUND", "WRITE_FAILED"]},
        message=_TEXT,
    ),
    "ItemErrors": _array(_ref("ItemError")),
    "AcceptedBatch": _object(**_SEEN_JOB),
    "EndedBatch": _object(("error",), **_SEEN_JOB, error=_or_null(_FAULT)),
    "Job": _object(
        id=_TEXT,
        type={"enum": [kind.job_type for kind in KINDS.values()]},
        status=_ref("JobState"),
        progress=_ref("Progress"),
        output=_object(succeeded=_COUNT, failed=_COUNT, errors=_ref("ItemErrors")),
        error=_or_null(_FAULT),
        created_at=_TIME,
        completed_at=_TIME_OR_NULL,
        total=_COUNT,
        processed=_COUNT,
        effects=_object(**{effect.value: _COUNT for effect in Effect}),
        started_at=_TIME_OR_NULL,
        rate=_NUMBER_OR_NULL,
        eta_seconds=_NUMBER_OR_NULL,
        attempts=_COUNT,
        errors_truncated={"type": "boolean"},
        links=_object(self=_TEXT, errors=_TEXT),
    ),
    # What is read back.
    "WrittenEntity": _object(
        id=_TEXT, externalId=_ID, entityType=_NAME, action={"enum": ["created", "updated", "unchanged"]}
    ),
    "StoredEntity": _object(
        id=_TEXT, entityType=_NAME, externalId=_ID, data=_DOCUMENT, createdAt=_TIME, updatedAt=_TIME
    ),
    "DeletedEntity": _object(externalId=_ID, deleted={"const": True}),
    "WrittenEvent": _object(id=_TEXT),
    "StoredEvents": _array(_object(id=_TEXT, eventType=_NAME, data=_DOCUMENT, timestamp=_TIME, createdAt=_TIME)),
    "WrittenState": _object(stateKey=_NAME, value=_ANYTHING),
    "StoredState": _object(stateKey=_NAME, value=_ANYTHING, updatedAt=_TIME),
    "StoredStates": _array(_ref("StoredState")),
    # Templates, settings and keys.
    "Template": _object(
        id=_TEXT,
        name=_NAME,
        version=_TEXT,
        schema=_object(
            entity_types={"type": "object", "additionalProperties": _FIELDS},
            event_types={"type": "object", "additionalProperties": _FIELDS},
            state_keys=_array(_NAME),
            pii_fields={"type": "object", "additionalProperties": _array(_NAME)},
        ),
        created_at=_TIME,
    ),
    "Templates": _array(_ref("Template")),
    "Settings": _object(
        template=_or_null(_object(id=_TEXT, name=_NAME, version=_TEXT)),
        dataRetentionDays={"type": ["integer", "null"]},
        retentionPolicy={"type": ["object", "null"]},
        batchWaitSeconds=_COUNT,
    ),
    "NewKey": _object(id=_TEXT, key=_TEXT, label=_NAME, createdAt=_TIME),
    "Key": _object(
        id=_TEXT,
        operatorId=_TEXT,
        keyHash=_TEXT,
        label=_NAME,
        createdAt=_TIME,
        lastUsedAt=_TIME_OR_NULL,
        revoked={"type": "boolean"},
    ),
    "Keys": _array(_ref("Key")),
}
