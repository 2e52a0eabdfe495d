"""The OpenAPI 3.1 document at `/openapi.json`, made from the routes themselves, and pages to read it at `/docs`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response, current_app
from flask_swagger_ui import get_swaggerui_blueprint  # type: ignore[import-untyped] # it has no types
from werkzeug.routing import Rule

from app import public
from app.http import idempotency
from app.http.describe import Description, describe, description_of
from app.http.responses import as_json
from app.http.shapes import ref, success
from app.openapi.examples import CSV_EXAMPLES, EXAMPLES
from app.operator import forms, webhook_forms, webhook_shapes
from app.operator import shapes as operator_shapes
from app.public import shapes as public_shapes

_PAGES = "/docs"
_VERSION = "1.0"  # of the contracts

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")

bp = Blueprint("openapi", __name__)

_EVERY_CALL = (401, 429, 500, 503)
_FAULTS = {
    400: "The request is not what the call takes, or breaks the tenant's template",
    401: "The key is missing, unknown, revoked or expired",
    404: "Not there, or another tenant's",
    409: "A tenant has no more room for these, or would lose its last active key; a job kept no results; an upload was "
    "completed, or cannot be completed yet; a webhook is disabled; this installation has no master key",
    410: "A job that was deleted after its retention, or its upload; an upload of which nothing was heard for 24 hours",
    408: "The body came too slowly; nothing was stored",
    413: "The body is over the byte limit",
    415: "The body has a type, a character set or a content coding that the call does not take",
    422: "The body or the query is not what the call takes; every fault is listed",
    429: "Too many requests; Retry-After says when to come again",
    500: "An error of the server; nothing was stored",
    503: "The database is away, too busy or out of room (`INSUFFICIENT_STORAGE`); nothing was stored",
}
_FAULTS_OF_REPEATS = {
    409: "The first request with this `Idempotency-Key` is still being processed; Retry-After says when to come again",
    422: "Another request, of another body or other options, had this `Idempotency-Key` in the last 24 hours",
}
_KEY = (
    "1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same "
    f"key has the answer of the first, with the header {idempotency.REPLAYED}"
)
_TAGS = {
    "batch": "Many items at once: each batch becomes a job",
    "uploads": "A batch that arrives in parts",
    "jobs": "How far a batch is, and what became of its items",
    "entities": "One entity",
    "events": "The events of an entity",
    "states": "The states of an entity",
    "templates": "What may be sent",
    "settings": "What the tenant has chosen",
    "capabilities": "What this installation takes",
    "webhooks": "Who is told of the ends of jobs",
    "keys": "Who may call",
    "public": "Events that link objects, and objects; the same calls are served below /v1",
    "service": "For those who run Sluice",
}
_FORMS = (
    *(forms.TemplateForm, forms.CheckForm, forms.SettingsForm),
    *(forms.NewKeyForm, forms.RelabelForm, forms.CompletedUploadForm),
    *(webhook_forms.NewWebhookForm, webhook_forms.WebhookChangesForm),
)


@dataclass(frozen=True, slots=True)
class _Api:
    """The common facts of an API's calls.

    Attributes:
        bases: where the same calls are served; the document shows them below the first, since generated clients look at
            a path alone.
        keys: names of security schemes, of which one will do.
        bad_query: the status of a query that a call does not know, which every call may meet.
        with_a_body: statuses of errors of calls that take a body.
        failure: the name of the shape of errors.
        failures: of those of some statuses, where it is another one.
    """

    bases: tuple[str, ...]
    keys: tuple[str, ...]
    bad_query: int
    with_a_body: tuple[int, ...]
    failure: str
    failures: Mapping[int, str] = field(default_factory=dict)


_PUBLIC = _Api(public.BASES, ("key", "header"), 422, (400, 408, 413, 415), "Detail", {422: "FaultyBody"})
_OPERATOR = _Api(("", "/functions/v1"), ("key",), 400, (408, 413, 415), "Failure")


def mount(app: Flask) -> None:
    """Serve the document and the pages."""
    app.register_blueprint(bp)
    pages = get_swaggerui_blueprint(_PAGES, "/openapi.json", config={"app_name": "Sluice"}, blueprint_name="docs")
    app.register_blueprint(pages)


@bp.get("/openapi.json")
@describe("This document", operation="getDocument", answers={200: "Document"}, public=True)
def openapi() -> Response:
    """Answer with the document."""
    return as_json(document(current_app._get_current_object()), 200)  # type: ignore[attr-defined] # noqa: SLF001 # Flask's own way


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an app, a path for each of its routes; it is made once and kept with the app."""
    made: dict[str, Any] = app.extensions.get("openapi") or app.extensions.setdefault("openapi", _made(app))
    return made


def _made(app: Flask) -> dict[str, Any]:
    spec = APISpec(
        "Sluice",
        _VERSION,
        "3.1.0",
        plugins=[MarshmallowPlugin()],
        info={"description": "Batches of entities, events, states and objects in; jobs to poll out."},
        servers=[{"url": "/"}],
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("header", {"type": "apiKey", "in": "header", "name": "X-FlowMyna-Api-Key"})
    for name, shape in {**operator_shapes.SHAPES, **webhook_shapes.SHAPES, **public_shapes.SHAPES}.items():
        spec.components.schema(name, shape)
    for form in _FORMS:
        spec.components.schema(form.__name__, schema=form)
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        description = description_of(app.view_functions[rule.endpoint])
        if description is None:
            continue
        api, base = (None, "") if description.public else _api_of(rule)
        if api is None or base == api.bases[0]:
            spec.path(_ARGUMENT.sub(r"{\1}", rule.rule), operations=_operations(rule, description, api))
    return spec.to_dict()


def _api_of(rule: Rule) -> tuple[_Api, str]:
    """Return the API that a call belongs to, and the base under which this rule serves it."""
    for api in (_PUBLIC, _OPERATOR):
        for base in sorted(api.bases, key=len, reverse=True):
            if rule.rule.startswith(f"{base}/"):
                return api, base
    raise LookupError(rule.rule)


def _operations(rule: Rule, description: Description, api: _Api | None) -> dict[str, Any]:
    methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    operation: dict[str, Any] = {
        "operationId": description.operation,
        "tags": [_tag(rule, api)],
        "summary": description.summary,
        "parameters": list(_parameters(rule, description)),
        "responses": _responses(description, api),
        "security": [{name: []} for name in api.keys] if api else [],
    }
    if description.body:
        content = _json(ref(description.body), EXAMPLES[description.body])
        if description.lines:
            content |= _lines(description.body)
        if description.csv:
            content |= _csv(description.body)
        operation["requestBody"] = {"required": True, "content": content}
    elif description.lines:
        operation["requestBody"] = {"required": True, "content": _lines("EntityBatch") | _csv("EntityBatch")}
    return {method.lower(): operation for method in methods}


def _tag(rule: Rule, api: _Api | None) -> str:
    """Return the tag of a call: its noun in the operator API; the public API has few calls, and one tag."""
    if api is _OPERATOR:
        return str(rule.endpoint).split(".")[-2]
    return "public" if api else "service"


def _parameters(rule: Rule, description: Description) -> Iterable[dict[str, Any]]:
    for name in sorted(rule.arguments):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 500},
        }
    for parameter in description.query:
        told = {"description": parameter.text} if parameter.text else {}
        yield {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            **told,
            "schema": dict(parameter.schema),
        }
    headers = {**description.headers, **({idempotency.NAME: _KEY} if description.repeat else {})}
    for name, text in headers.items():
        yield {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}


def _responses(description: Description, api: _Api | None) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, shape in description.answers.items():
        body, example = ref(shape), EXAMPLES[shape]
        if api is not None and not description.bare:
            body, example = success(body), {"success": True, "data": example}
        content = {description.media: {"schema": body, "example": example}}
        answers[str(status)] = {"description": shape, "content": content}
    if api is not None:
        faults = {*_EVERY_CALL, api.bad_query, *description.faults, *(api.with_a_body if description.body else ())}
        texts = {status: _FAULTS[status] for status in faults} | (_FAULTS_OF_REPEATS if description.repeat else {})
        for status, text in sorted(texts.items()):
            failure = api.failures.get(status, api.failure)
            answers[str(status)] = {"description": text, "content": _json(ref(failure), EXAMPLES[failure])}
    return answers


def _lines(body: str) -> dict[str, Any]:
    """Return newline-delimited JSON, which a schema can describe as text alone."""
    batch = EXAMPLES[body]
    [items] = batch.values() if isinstance(batch, dict) else [batch]
    example = "".join(f"{json.dumps(item)}\n" for item in items)
    text = {"type": "string", "description": f"An item of {body} on each line, up to 10,000,000"}
    return {"application/x-ndjson": {"schema": text, "example": example}}


def _csv(body: str) -> dict[str, Any]:
    """Return CSV, which a schema can describe as text alone."""
    text = {"type": "string", "description": f"An item of {body} in each row below a header, up to 10,000,000"}
    return {"text/csv": {"schema": text, "example": CSV_EXAMPLES[body]}}


def _json(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example}}
