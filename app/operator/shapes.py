"""The shapes of the operator API as JSON Schema, for the OpenAPI document. docs/contracts/operator.md is the law."""

from app.http.shapes import COUNT, DOCUMENT, ID, TEXT, TIME, Shape, array, choice, form, or_null, record, ref, to_pages
from app.jobs.groups import MOST_RANGES
from app.jobs.lists import MOST_LISTED
from app.operator import uploads
from ingest.db.jobs import timeline
from ingest.db.jobs.lookup import MOST_RETRIES_SHOWN
from ingest.db.jobs.parts import MOST_PARTS
from ingest.db.tenants.audit import OBJECT_KINDS, Action
from ingest.engine.kinds import JOB_TYPES
from ingest.engine.selection import MOST_INDEXES, MOST_ITEMS
from ingest.items.templates import ADDITIONAL
from ingest.jobs import ITEM_ERROR_CODES, JOB_ERROR_CODES, LONGEST_LABEL, WARNING_CODES, Effect, JobState
from ingest.rights import SCOPES

_TIME_OR_NULL: Shape = {"type": ["string", "null"], "format": "date-time"}
_NUMBER_OR_NULL: Shape = {"type": ["number", "null"]}
_NAME: Shape = {"type": "string", "minLength": 1, "maxLength": 200}
_ANYTHING: Shape = {}
_INDEX: Shape = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}

_SEEN_JOB = {
    "jobId": TEXT,
    "status": ref("JobState"),
    "progress": ref("Progress"),
    "succeeded": COUNT,
    "failed": COUNT,
    "errors": ref("ItemErrors"),
}
_TAKEN = [effect.value for effect in Effect if effect not in {Effect.FAILED, Effect.UNPROCESSED}]
_DEFINITIONS: Shape = {
    "type": "object",
    "additionalProperties": {
        "type": ["object", "boolean"],
        "description": "a JSON Schema: docs/contracts/templates.md",
    },
}
_FIELDS = record(
    ("fields", "additional"),
    required=array(_NAME),
    optional=array(_NAME),
    fields=_DEFINITIONS,
    additional=choice(*ADDITIONAL),
)
_PART = record(
    part={"type": "integer", "minimum": 1, "maximum": MOST_PARTS},
    items=COUNT,
    bytes={**COUNT, "description": "as they were sent"},
    digest={**TEXT, "description": "sha-256=:…: of the part as it was sent, as in RFC 9530"},
)
_FAULT = record(code={**TEXT, **to_pages(*JOB_ERROR_CODES)}, message=TEXT)
_CALLBACK_SECRET: Shape = {**TEXT, "description": "of ?callback=: what signs its messages; it is shown this once"}
_RIGHTS = {
    "scopes": array(choice(*SCOPES), minItems=1),
    "expiresAt": {**_TIME_OR_NULL, "description": "null: it never expires"},
    "addresses": {
        "type": ["array", "null"],
        "items": TEXT,
        "description": "the networks that it may be used from; null: all",
    },
    "requestsPerMinute": {"type": ["integer", "null"], "description": "its own limit; null: it has none"},
}

_OF_QUEUE = "an estimate, which changes as the queue does"
_JOB_ROW = {
    "id": TEXT,
    "type": choice(*JOB_TYPES.values()),
    "status": ref("JobState"),
    "progress": ref("Progress"),
    "error": or_null(_FAULT),
    "created_at": TIME,
    "completed_at": _TIME_OR_NULL,
    "total": COUNT,
    "processed": COUNT,
    "effects": record(**{effect.value: COUNT for effect in Effect}),
    "started_at": _TIME_OR_NULL,
    "rate": {**_NUMBER_OR_NULL, "description": "items a second"},
    "eta_seconds": {**_NUMBER_OR_NULL, "description": f"until its end; before it has begun, {_OF_QUEUE}"},
    "attempts": COUNT,
    "label": {"type": ["string", "null"], "description": "the client's own name for the job"},
    "ordered": {"type": "boolean"},
    "atomic": {"type": "boolean"},
    "validate_only": {"type": "boolean", "description": "its effects are predicted, and nothing is written"},
    "deadline_at": {**_TIME_OR_NULL, "description": "not ended by then, it fails"},
    "finished_in_seconds": {**_NUMBER_OR_NULL, "description": "from created_at to its end"},
    "parent_job_id": {"type": ["string", "null"], "description": "the job of which it sends items again"},
    "retried_by": {**array(TEXT, maxItems=MOST_RETRIES_SHOWN), "description": "the jobs that sent items of it again"},
    "blocked_by": {"type": ["string", "null"], "description": "the earliest job that it waits for"},
    "queue_ahead": {
        "type": ["integer", "null"],
        "description": f"items of this and other tenants' jobs that will be run before it, at least: {_OF_QUEUE}; "
        "null once it has begun",
    },
    "links": record(("results",), self=TEXT, errors=TEXT, warnings=TEXT, timeline=TEXT, results=TEXT),
}

SHAPES: dict[str, Shape] = {
    "Failure": record(
        ("resetAt",),
        success={"const": False},
        error=record(
            ("docs", "resetAt"),
            code={**TEXT, **to_pages()},
            message=TEXT,
            docs={**TEXT, "description": "the path of the code's page on this server"},
            resetAt=TIME,
        ),
        resetAt=TIME,
    ),
    "Health": record(status={"const": "ok"}),
    "Readiness": record(status=choice("ok", "unready"), checks={"type": "object", "additionalProperties": TEXT}),
    "Document": DOCUMENT,
    # Request bodies.
    "RetryForm": form(
        ("select", "patch"),
        select={
            "oneOf": [choice("failed", "retryable", "unprocessed"), array(_INDEX, minItems=1, maxItems=MOST_INDEXES)],
            "description": "which items, or the indexes of failed ones, of which all are taken or none; a retry takes "
            f"{MOST_ITEMS:,} failed items at most, and the same again takes the next ones",
        },
        patch={
            **DOCUMENT,
            "propertyNames": {"pattern": "^(0|[1-9][0-9]{0,8})$"},
            "description": "by index, a merge patch (RFC 7396) of the item",
        },
    ),
    # Jobs.
    "JobState": choice(*(state.value for state in JobState if state is not JobState.RECEIVING)),
    "Progress": {"type": "integer", "minimum": 0, "maximum": 100},
    "ItemError": record(
        ("item",),
        index=COUNT,
        line={"type": ["integer", "null"], "description": "of the item in a body of lines, from 1; null for arrays"},
        externalId={"type": ["string", "null"]},
        code={**choice(*ITEM_ERROR_CODES), **to_pages(*ITEM_ERROR_CODES)},
        message=TEXT,
        field={
            "type": ["string", "null"],
            "description": "a JSON Pointer (RFC 6901) into the item, to its first fault",
        },
        retryable={"type": "boolean", "description": "the same item may be taken later: true for NOT_FOUND alone"},
        item={"description": "as it was sent, if ?items=true; a text where it was no JSON, null if it is not kept"},
    ),
    "ItemErrors": array(ref("ItemError")),
    "ItemErrorsOrGroups": {
        "anyOf": [ref("ItemErrors"), ref("ErrorGroups")],
        "description": "ErrorGroups if ?group=true",
    },
    "ErrorGroups": array(
        record(
            code=choice(*ITEM_ERROR_CODES),
            field={"type": ["string", "null"], "description": "`*` in the place of an index of an array"},
            message={**TEXT, "description": "`…` in the place of what differs from item to item"},
            count=COUNT,
            ranges=array(array(COUNT, minItems=2, maxItems=2), maxItems=MOST_RANGES),
            sample=ref("ItemError"),
        )
    ),
    "ErrorLines": TEXT,
    "ErrorRows": TEXT,
    "ItemWarning": record(
        index=COUNT,
        line={"type": ["integer", "null"]},
        code={**choice(*WARNING_CODES), **to_pages(*WARNING_CODES)},
        message=TEXT,
        field={"type": ["string", "null"], "description": "a JSON Pointer (RFC 6901) into the item"},
    ),
    "ItemWarnings": array(ref("ItemWarning")),
    "ItemResults": array(
        record(
            index=COUNT,
            line={"type": ["integer", "null"]},
            effect=choice(*_TAKEN),
            id={"type": ["string", "null"], "description": "null for states, and where nothing was written"},
        )
    ),
    "JobItem": record(
        index=COUNT,
        line={"type": ["integer", "null"]},
        effect={"enum": [*(effect.value for effect in Effect), None], "description": "null if it is not kept"},
        id={"type": ["string", "null"], "description": "of what was written, if the job keeps results"},
        error=or_null(ref("ItemError")),
        warnings=ref("ItemWarnings"),
    ),
    "Warnings": record(count=COUNT, first=array(ref("ItemWarning"), maxItems=10)),
    "AcceptedBatch": record(("callbackSecret",), **_SEEN_JOB, callbackSecret=_CALLBACK_SECRET),
    "EndedBatch": record(
        ("error", "warnings", "callbackSecret"),
        **_SEEN_JOB,
        error=or_null(_FAULT),
        warnings=ref("Warnings"),
        callbackSecret=_CALLBACK_SECRET,
    ),
    # Uploads in parts.
    "NewUpload": form(
        ("contentEncoding", *uploads.PARAMETERS),
        kind=choice(*uploads.KIND_NAMES),
        contentType=choice(*uploads.CONTENT_TYPES),
        contentEncoding=choice(*uploads.CODINGS),
        **{name: {**parameter.schema, "description": parameter.text} for name, parameter in uploads.PARAMETERS.items()},
    ),
    "CreatedUpload": record(
        ("callbackSecret",), uploadId=TEXT, partMaxBytes=COUNT, expiresAt=TIME, callbackSecret=_CALLBACK_SECRET
    ),
    "UploadedPart": _PART,
    "Upload": record(
        uploadId=TEXT,
        kind=choice(*uploads.KIND_NAMES),
        contentType=choice(*uploads.CONTENT_TYPES),
        contentEncoding=choice(*uploads.CODINGS),
        status=choice("open", "completed"),
        expiresAt={**_TIME_OR_NULL, "description": "when it is gone if no part arrives until then"},
        jobId={"type": ["string", "null"], "description": "once it is completed"},
        parts=array(ref("UploadedPart"), maxItems=MOST_PARTS),
    ),
    "DeletedUpload": record(uploadId=TEXT, deleted={"const": True}),
    "Job": record(
        **_JOB_ROW,
        family={
            **or_null(record(total=COUNT, effects=record(**{effect.value: COUNT for effect in Effect}))),
            "description": "of a job whose items were sent again: what became of each in the end",
        },
        output=record(succeeded=COUNT, failed=COUNT, errors=ref("ItemErrors")),
        errors_truncated={"type": "boolean"},
        warnings=ref("Warnings"),
    ),
    "JobLabel": form(label={"type": ["string", "null"], "minLength": 1, "maxLength": LONGEST_LABEL}),
    "Timeline": array(
        record(
            at=TIME,
            what=choice(*timeline.WHAT),
            by={"type": ["string", "null"], "description": "the label of an API key, `command` or `sweeper`"},
            detail={"type": ["string", "null"], "description": "code of a failure, new label, block delivered again"},
        )
    ),
    "JobRow": record(
        **_JOB_ROW,
        output=record(succeeded=COUNT, failed=COUNT),
        warnings=record(count=COUNT),
    ),
    "JobEvents": {**TEXT, "description": "text/event-stream, of which each event has a JobRow as its data"},
    "JobList": array(ref("JobRow"), maxItems=MOST_LISTED),
    # Results of writes and reads.
    "WrittenEntity": record(
        ("warnings",),
        id=TEXT,
        externalId=ID,
        entityType=_NAME,
        action=choice("created", "updated", "unchanged"),
        warnings=ref("Warnings"),
    ),
    "StoredEntity": record(id=TEXT, entityType=_NAME, externalId=ID, data=DOCUMENT, createdAt=TIME, updatedAt=TIME),
    "DeletedEntity": record(externalId=ID, deleted={"const": True}),
    "WrittenEvent": record(("warnings",), id=TEXT, warnings=ref("Warnings")),
    "DuplicateEvent": record(("warnings",), id=TEXT, action={"const": "duplicate"}, warnings=ref("Warnings")),
    "StoredEvents": array(record(id=TEXT, eventType=_NAME, data=DOCUMENT, timestamp=TIME, createdAt=TIME)),
    "WrittenState": record(stateKey=_NAME, value=_ANYTHING),
    "StoredState": record(stateKey=_NAME, value=_ANYTHING, updatedAt=TIME),
    "StoredStates": array(ref("StoredState")),
    # Templates, settings and keys.
    "Template": record(
        id=TEXT,
        name=_NAME,
        version=TEXT,
        schema=record(
            ("states",),
            entity_types={"type": "object", "additionalProperties": _FIELDS},
            event_types={"type": "object", "additionalProperties": _FIELDS},
            state_keys=array(_NAME),
            states=_DEFINITIONS,
            pii_fields={"type": "object", "additionalProperties": array(_NAME)},
        ),
        created_at=TIME,
    ),
    "Templates": array(ref("Template")),
    "ItemSchema": {**DOCUMENT, "description": "a JSON Schema, draft 2020-12"},
    "ExampleCsv": TEXT,
    "ExampleLines": TEXT,
    "Settings": record(
        template=or_null(record(id=TEXT, name=_NAME, version=TEXT)),
        dataRetentionDays={"type": ["integer", "null"]},
        retentionPolicy=or_null(DOCUMENT),
        batchWaitSeconds=COUNT,
    ),
    "Capabilities": record(
        kinds=array(TEXT),
        limits={"type": "object", "additionalProperties": {"type": ["integer", "object"]}},
        rates={"type": "object", "additionalProperties": TEXT},
        formats=array(record(form=TEXT, contentTypes=array(TEXT))),
        contentCodings=array(TEXT),
        contentDigests=array(TEXT),
        modes=array(TEXT),
        preferences=record(wait=COUNT, handling=array(TEXT)),
        uploads=record(kinds=array(TEXT), contentTypes=array(TEXT), contentCodings=array(TEXT)),
        webhooks=record(events=array(TEXT), available={"type": "boolean"}, privateAddresses={"type": "boolean"}),
        parameters=array(record(name=TEXT, schema=DOCUMENT, description=TEXT, kinds=array(TEXT))),
    ),
    "Workers": record(
        running={
            "type": ["integer", "null"],
            "description": "processes of the workers that were heard of in the last 15 seconds, idle or busy; 0: no "
            "worker runs; null: Redis, by which they are heard of, does not answer",
        },
        busy={
            "type": ["integer", "null"],
            "description": "processes that work at a job at this moment; null behind a pooler, where their connections "
            "cannot be told from others",
        },
    ),
    "NewKey": record(id=TEXT, key=TEXT, label=_NAME, createdAt=TIME, **_RIGHTS),
    "Key": record(
        id=TEXT,
        operatorId=TEXT,
        keyHash=TEXT,
        label=_NAME,
        createdAt=TIME,
        lastUsedAt=_TIME_OR_NULL,
        revoked={"type": "boolean"},
        **_RIGHTS,
    ),
    "Keys": array(ref("Key")),
    "AuditEntry": record(
        id=COUNT,
        at=TIME,
        actor=record(
            kind=choice("key", "command"),
            id={**TEXT, "description": "of the key, or the name of the user who ran the command"},
            label={**TEXT, "description": "of the key, or the command"},
        ),
        action=choice(*Action),
        object=record(kind=choice(*OBJECT_KINDS), id=TEXT),
        details=DOCUMENT,
        requestId={"type": ["string", "null"]},
    ),
    "AuditEntries": array(ref("AuditEntry")),
}
