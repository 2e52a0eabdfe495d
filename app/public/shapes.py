"""The shapes of the public API as JSON Schema, for the OpenAPI document. docs/contracts/public.md is the law."""

from app.http.shapes import COUNT, DOCUMENT, TEXT, TIME, Shape, array, record, ref, success
from ingest.items.fields import ADDRESSED
from ingest.items.public_fields import LONGEST_EVENT_NAME, LONGEST_ID, LONGEST_TYPE_NAME

_UUID: Shape = {"type": "string", "format": "uuid"}
_BOOLEAN: Shape = {"type": "boolean"}
_DONE: Shape = {"const": True}
_ERRORS = array({**TEXT, "examples": ["Event 15: Invalid timestamp format 'Jan 15 2024'"]})


def _text(longest: int) -> Shape:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _one_of_two(of_list: str) -> Shape:
    return {
        "oneOf": [ref(of_list), ref("EndedObjectBatch")],
        "description": f"{of_list} for a list; EndedObjectBatch for lines whose job ended in time",
    }


_ADDRESSED: Shape = {"description": ADDRESSED}
_EVENT_NAME = _text(LONGEST_EVENT_NAME)
_TYPE_NAME, _OBJECT_ID = {**_text(LONGEST_TYPE_NAME), **_ADDRESSED}, {**_text(LONGEST_ID), **_ADDRESSED}
_WARNED, _WARNINGS = ("warnings",), {"warnings": ref("Warnings")}
_NAMED = {"object_id": _UUID, "object_type": _TYPE_NAME, "external_id": _OBJECT_ID}

SHAPES: dict[str, Shape] = {
    "Detail": record(detail=TEXT),
    "FaultyBody": record(
        detail=array(record(loc=array({"type": ["string", "integer"]}), msg=TEXT, type=TEXT), minItems=1)
    ),
    # Results of writes.
    "RecordedEvent": record(
        _WARNED,
        **_WARNINGS,
        success=_DONE,
        event_id=_UUID,
        event_type=_EVENT_NAME,
        timestamp=TIME,
        objects_count=COUNT,
        message=TEXT,
    ),
    "RecordedEvents": record(
        _WARNED, **_WARNINGS, success=_BOOLEAN, processed=COUNT, failed=COUNT, event_ids=array(_UUID), errors=_ERRORS
    ),
    "UpsertedObject": record(_WARNED, **_WARNINGS, success=_DONE, **_NAMED, created=_BOOLEAN, message=TEXT),
    "UpsertedObjects": record(
        _WARNED,
        **_WARNINGS,
        success=_BOOLEAN,
        processed=COUNT,
        failed=COUNT,
        objects=array(record(**_NAMED, created=_BOOLEAN)),
        errors=_ERRORS,
    ),
    "AcceptedObjectBatch": success(ref("AcceptedBatch")),
    "EndedObjectBatch": success(ref("EndedBatch")),
    "RecordedOrEnded": _one_of_two("RecordedEvents"),
    "UpsertedOrEnded": _one_of_two("UpsertedObjects"),
    # Results of reads.
    "StoredObject": record(**_NAMED, properties=DOCUMENT, created_at=TIME, updated_at=TIME),
    "KeyHealth": record(
        status={"const": "healthy"},
        workspace_id=_UUID,
        workspace_name=TEXT,
        dataset_id=_UUID,
        dataset_name=TEXT,
        api_key_name=TEXT,
    ),
}
