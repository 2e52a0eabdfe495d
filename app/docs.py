"""The OpenAPI 3.1 document at `/openapi.json`, made from the routes themselves, and pages to read it at `/docs`."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response, current_app
from flask_swagger_ui import get_swaggerui_blueprint  # type: ignore[import-untyped] # it has no types
from werkzeug.routing import Rule

from app.describe import Description, describe, description_of
from app.operator import forms, shapes
from app.replies import as_json

_PAGES = "/docs"
_ALSO_UNDER = "/functions/v1"
_VERSION = "1.0"  # of the contract

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")

bp = Blueprint("openapi", __name__)

_EVERY_CALL = (401, 429, 500, 503)
_WITH_A_BODY = (400, 413, 415)
_FAULTS = {
    400: "The request is not what the call takes, or breaks the tenant's template",
    401: "No key, or one that opens nothing",
    404: "Not there, or another tenant's",
    409: "The tenant's last active key",
    413: "The body is over the byte limit",
    415: "The body is not JSON in UTF-8",
    429: "Too many requests; Retry-After says when to come again",
    500: "A fault of the server's; nothing was stored",
    503: "The database is away or too busy; nothing was stored",
}
_FORMS = (forms.TemplateForm, forms.SettingsForm, forms.NewKeyForm, forms.RelabelForm)


def mount(app: Flask) -> None:
    """Serve the document and the pages."""
    app.register_blueprint(bp)
    pages = get_swaggerui_blueprint(_PAGES, "/openapi.json", config={"app_name": "Sluice"}, blueprint_name="docs")
    app.register_blueprint(pages)


@bp.get("/openapi.json")
@describe("This document", answers={200: "Document"}, public=True)
def openapi() -> Response:
    """The document."""
    return as_json(document(current_app._get_current_object()), 200)  # type: ignore[attr-defined] # noqa: SLF001 # Flask's own way


@cache
def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of an app: a path for each of its routes."""
    spec = APISpec(
        "Sluice",
        _VERSION,
        "3.1.0",
        plugins=[MarshmallowPlugin()],
        info={"description": "Batches of entities, events and states in; jobs to poll out."},
        security=[{"key": []}],
    )
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    for name, shape in shapes.SHAPES.items():
        spec.components.schema(name, shape)
    for form in _FORMS:
        spec.components.schema(form.__name__, schema=form)
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        description = description_of(app.view_functions[rule.endpoint])
        if description is not None and not rule.rule.startswith(_ALSO_UNDER):
            spec.path(_path(rule), operations=_operations(rule, description), **_servers(description))
    return spec.to_dict()


def _path(rule: Rule) -> str:
    return _ARGUMENT.sub(r"{\1}", rule.rule)


def _servers(description: Description) -> dict[str, Any]:
    """Every call of a face is served at two addresses."""
    return {} if description.public else {"servers": [{"url": "/"}, {"url": _ALSO_UNDER}]}


def _operations(rule: Rule, description: Description) -> dict[str, Any]:
    methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    operation: dict[str, Any] = {
        "summary": description.summary,
        "parameters": list(_parameters(rule, description)),
        "responses": _responses(description),
    }
    if description.body:
        operation["requestBody"] = {"required": True, "content": _json(_ref(description.body))}
    if description.public:
        operation["security"] = []
    return {method.lower(): operation for method in methods}


def _parameters(rule: Rule, description: Description) -> Iterable[dict[str, Any]]:
    for name in sorted(rule.arguments):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 500}}
    for place, parameters in (("query", description.query), ("header", description.headers)):
        for name, text in parameters.items():
            yield {"name": name, "in": place, "description": text, "schema": {"type": "string"}}


def _responses(description: Description) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, shape in description.answers.items():
        body = _ref(shape) if description.public else shapes.success(_ref(shape))
        answers[str(status)] = {"description": shape, "content": _json(body)}
    if not description.public:
        faults = {*_EVERY_CALL, *description.faults, *(_WITH_A_BODY if description.body else ())}
        for status in sorted(faults):
            answers[str(status)] = {"description": _FAULTS[status], "content": _json(_ref("Failure"))}
    return answers


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
