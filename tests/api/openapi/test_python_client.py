"""The Python client has every operation, parameter, property and error code that the OpenAPI documents have."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask
from sluice_client import errors, models, operations, options
from sluice_client.testing import parameters

from app.openapi import docs
from app.openapi.apis import OPERATOR, PUBLIC
from app.openapi.codes import statuses
from app.openapi.docs import document

_ASYNC = Path(errors.__file__).parent / "_async"

# Shapes of answers, each with the class that holds it; the rest are bodies of requests, texts and lists of these.
_MODELS: Mapping[str, type[msgspec.Struct]] = {
    **{name: getattr(models, name) for name in (
        *("ItemError", "ItemWarning", "Warnings", "JobItem", "CreatedUpload", "UploadedPart", "Upload"),
        *("WrittenEntity", "StoredEntity", "WrittenEvent", "StoredState", "Template", "Settings", "Capabilities"),
        *("NewKey", "Key", "AuditEntry", "Webhook", "NewWebhook", "Delivery", "RecordedEvent", "RecordedEvents"),
        *("UpsertedObject", "UpsertedObjects", "StoredObject", "KeyHealth", "Workers"),
    )},
    "Job": models.JobInfo,
    "JobRow": models.JobInfo,
    "AcceptedBatch": models.SeenJob,
    "EndedBatch": models.SeenJob,
    "DuplicateEvent": models.WrittenEvent,
    "WrittenState": models.StoredState,
    "Timeline": models.TimelineEntry,
    "ItemResults": models.ItemResult,
    "ErrorGroups": models.ErrorGroup,
    "StoredEvents": models.StoredEvent,
}  # fmt: skip
_NO_MODELS = {
    # Refusals, which become exceptions; envelopes; confirmations that say nothing.
    *("Failure", "Detail", "FaultyBody", "AcceptedObjectBatch", "EndedObjectBatch"),
    *("DeletedEntity", "DeletedUpload", "DeletedWebhook"),
    # Lists and choices of shapes above, and plain values.
    *("ItemErrors", "ItemErrorsOrGroups", "ItemWarnings", "JobList", "StoredStates", "Templates", "Keys"),
    *("AuditEntries", "Webhooks", "Deliveries", "RecordedOrEnded", "UpsertedOrEnded"),
    *("JobState", "Progress", "ItemSchema"),
    *("Document", "ErrorLines", "ErrorRows", "JobEvents", "ExampleCsv", "ExampleLines", "Health", "Readiness"),
    # Bodies of requests: items as the caller has them, and forms whose members are arguments.
    *("Entity", "Event", "StateValue", "EntityBatch", "EventBatch", "StateBatch", "Object", "ObjectEvent"),
    *("LinkedObject", "ObjectBatch", "ObjectEventBatch", "RetryForm", "JobLabel", "NewUpload", "CompletedUploadForm"),
    *("TemplateForm", "TemplateSchemaForm", "TypeForm", "CheckForm", "SettingsForm", "PolicyForm", "SpanForm"),
    *("NewKeyForm", "KeyChangesForm", "NewWebhookForm", "WebhookChangesForm"),
}


def operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield name, method, path and content of each operation, those of public jobs by the names of the operator's."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["tags"] != ["service"]:
                yield operation["operationId"].replace("PublicJob", "Job"), method.upper(), path, operation


def known(api: str) -> Mapping[str, operations.Operation]:
    return operations.OPERATOR if api == "operator" else operations.PUBLIC


@pytest.fixture(params=["operator", "public"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def face(app: Flask, api: str) -> dict[str, Any]:
    return docs.document(app, OPERATOR if api == "operator" else PUBLIC)


def test_every_operation_of_a_document_is_one_of_the_client_s(face: dict[str, Any], api: str) -> None:
    told = {name: (method, re.sub(r"{\w+}", "{}", path)) for name, method, path, _ in operations_of(face)}
    assert told == {name: (operation.method, operation.path) for name, operation in known(api).items()}


def test_the_client_sends_a_key_with_each_call_that_takes_one(face: dict[str, Any], api: str) -> None:
    takes = {
        name
        for name, _, _, operation in operations_of(face)
        if "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    }
    assert takes == {name for name, operation in known(api).items() if operation.repeat == "key"}


def calling() -> dict[str, set[str]]:
    """The texts in the client's methods by the operation that each calls; names of what it sends are among them."""
    found: dict[str, set[str]] = {}
    names = {*operations.OPERATOR, *operations.PUBLIC}
    for file in _ASYNC.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for method in ast.walk(tree):
            if isinstance(method, ast.AsyncFunctionDef | ast.FunctionDef):
                nodes = [*ast.walk(method)]
                texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
                called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
                for name in texts & names:
                    found.setdefault(name, set()).update(texts, {"cursor"} if "pages" in called else ())
    return found


def test_every_operation_is_called_by_a_method() -> None:
    assert {*operations.OPERATOR, *operations.PUBLIC} - {*calling()} == set()


def test_every_query_parameter_is_sent_by_a_method(face: dict[str, Any]) -> None:
    methods, batch = calling(), {*map(options.camel, options.BatchOptions.__annotations__)}
    missing = [
        (name, parameter["name"])
        for name, _, _, operation in operations_of(face)
        for parameter in operation["parameters"]
        if parameter["in"] == "query"
        and parameter["name"] not in (batch if name.startswith("write") else methods[name])
    ]
    assert missing == []


def test_the_fake_server_knows_the_parameters_of_its_calls(app: Flask) -> None:
    told = {
        name: {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        for name, _, _, operation in operations_of(docs.document(app, OPERATOR))
        if name in parameters.HEEDED
    }
    assert told == {name: heeded | parameters.ELSEWHERE.get(name, set()) for name, heeded in parameters.HEEDED.items()}


def test_uploads_take_every_option_of_a_batch(face: dict[str, Any]) -> None:
    if "NewUpload" in face["components"]["schemas"]:
        told = {*face["components"]["schemas"]["NewUpload"]["properties"]} - {"kind", "contentType", "contentEncoding"}
        assert told == {*map(options.camel, options.BatchOptions.__annotations__)} - {"strict"}


def test_every_shape_of_the_documents_is_known(app: Flask) -> None:
    told = {*document(app)["components"]["schemas"]}
    assert told - {*_MODELS} - _NO_MODELS == set(), "give these a class in models.py, or say here why they need none"
    assert {*_MODELS, *_NO_MODELS} - told == set()
    assert {*_MODELS} & _NO_MODELS == set()


def test_every_property_of_an_answer_is_a_field(app: Flask) -> None:
    schemas = document(app)["components"]["schemas"]
    missing = [
        f"{name}: {path}"
        for name, kind in _MODELS.items()
        for path in _missing(schemas, schemas[name], msgspec.inspect.type_info(kind), "")
    ]
    assert missing == []


def _missing(schemas: Mapping[str, Any], shape: Mapping[str, Any], kind: Any, path: str) -> Iterator[str]:
    """Yield the ways to properties of a shape that a type has no field for."""
    if "$ref" in shape:
        shape = schemas[shape["$ref"].rpartition("/")[2]]
    for choice in shape.get("oneOf", ()):
        yield from _missing(schemas, choice, kind, path)
    if isinstance(kind, msgspec.inspect.UnionType):
        for inner in kind.types:
            if not isinstance(inner, msgspec.inspect.NoneType):
                yield from _missing(schemas, shape, inner, path)
    elif isinstance(kind, msgspec.inspect.ListType):
        yield from _missing(schemas, shape.get("items", {}), kind.item_type, f"{path}/*")
    elif isinstance(kind, msgspec.inspect.StructType):
        fields = {field.encode_name: field.type for field in kind.fields}
        properties = shape["items"]["properties"] if shape.get("type") == "array" else shape.get("properties", {})
        for name, inner in properties.items():
            if name not in fields:
                yield f"{path}/{name}"
            else:
                yield from _missing(schemas, inner, fields[name], f"{path}/{name}")


def test_every_code_of_an_answer_is_known() -> None:
    assert {*statuses()} == {*errors.ANSWER_CODES}


def test_every_status_of_a_refusal_has_its_class() -> None:
    told = {status for answered in statuses().values() for status in answered}
    classes = {status: errors.class_of(status) for status in told}
    by_digits = {status for status, kind in classes.items() if kind in {errors.Invalid, errors.Unavailable}}
    assert by_digits == {400, 405, 408, 415, 422, 500, 501, 503}, "give others a class in errors.py, or name them here"
