"""The OpenAPI 3.1 documents, made from the routes themselves, and pages to read them at `/docs`.

`/openapi.json` is the whole, and `/openapi/operator.json` and `/openapi/public.json` have the calls of one API each.
"""

import re
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response, current_app
from flask_swagger_ui import get_swaggerui_blueprint  # type: ignore[import-untyped] # it has no types

from app.http import scripts
from app.http.describe import describe, description_of
from app.http.responses import as_json
from app.http.shapes import ERROR_PAGES
from app.openapi import error_pages, items
from app.openapi.apis import APIS, OPERATOR, PUBLIC, Api, api_of
from app.openapi.faces import face
from app.openapi.links import Call, add_links
from app.openapi.operations import operations
from app.operator import forms, key_forms, webhook_forms, webhook_shapes
from app.operator import shapes as operator_shapes
from app.public import shapes as public_shapes

_PAGES = "/docs"
_VERSION = "1.0"  # of the contracts

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")

bp = Blueprint("openapi", __name__)

# A tag is the name of the blueprint that its calls stand in.
TAGS = {
    "batch": "Many items at once: each batch becomes a job",
    "uploads": "A batch that arrives in parts",
    "jobs": "How far a batch is, and what became of its items",
    "entities": "One entity",
    "events": "The events of an entity",
    "states": "The states of an entity",
    "templates": "The rules for what may be sent",
    "settings": "The choices of the tenant",
    "capabilities": "The limits and formats of this installation",
    "workers": "The processes that run jobs",
    "webhooks": "Messages about the ends of jobs",
    "keys": "Keys, and what each may do",
    "audit": "The log of changes",
    "public": "Events that link objects, and objects; the same calls are served below /v1",
    "service": "For those who run Sluice",
}
_FORMS = (
    *(forms.TemplateForm, forms.CheckForm, forms.SettingsForm),
    *(key_forms.NewKeyForm, key_forms.KeyChangesForm, forms.CompletedUploadForm),
    *(webhook_forms.NewWebhookForm, webhook_forms.WebhookChangesForm),
)
_UI = {
    "app_name": "Sluice",
    "urls": [
        *({"url": f"/openapi/{api.name}.json", "name": api.title} for api in APIS),
        {"url": "/openapi.json", "name": "Everything"},
    ],
}
# The user interface comes with its styles, and has its images in them. It calls this server alone. Its logo brings a
# style of its own, without which its letters are black.
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def mount(app: Flask) -> None:
    """Serve the documents and the pages."""
    app.register_blueprint(bp)
    app.register_blueprint(error_pages.bp)
    pages = get_swaggerui_blueprint(_PAGES, "/openapi.json", config=_UI, blueprint_name="docs")
    pages.after_request(_confine)
    app.register_blueprint(pages)


def _confine(response: Response) -> Response:
    """Have browsers run the scripts of a page alone, the one that stands in it by its digest, and ask nobody else."""
    page = b"" if response.direct_passthrough else response.get_data()  # files have no script in them
    response.headers["Content-Security-Policy"] = _POLICY.format(scripts=scripts.sources(page))
    return response


@bp.get("/openapi.json")
@describe("All calls of both APIs, as this document", operation="getDocument", answers={200: "Document"}, public=True)
def openapi() -> Response:
    """Answer with the whole document."""
    return as_json(document(_app()), 200)


@bp.get("/openapi/operator.json")
@describe(
    "The document of the operator API alone",
    operation="getOperatorDocument",
    answers={200: "Document"},
    public=True,
)
def operator() -> Response:
    """Answer with the document of the operator API."""
    return as_json(document(_app(), OPERATOR), 200)


@bp.get("/openapi/public.json")
@describe(
    "The document of the public API alone",
    operation="getPublicDocument",
    answers={200: "Document"},
    public=True,
)
def public() -> Response:
    """Answer with the document of the public API."""
    return as_json(document(_app(), PUBLIC), 200)


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 # Flask's own way
    return app


def document(app: Flask, api: Api | None = None) -> dict[str, Any]:
    """Return the OpenAPI document of an app; each is made once and kept with the app.

    Args:
        app: whose routes have a path each.
        api: the one whose calls are wanted; None for the whole.
    """
    documents: dict[str, dict[str, Any]] = app.extensions.setdefault("openapi", {})
    name = "" if api is None else api.name
    if name not in documents:
        documents[name] = _made(app) if api is None else face(document(app), api, _paths(app, api))
    return documents[name]


def _paths(app: Flask, api: Api) -> dict[str, Any]:
    """Return the paths of an API's calls in the whole document."""
    whole = document(app)["paths"]
    paths = [_path(rule.rule) for rule, _, its_api in _described(app) if its_api is api]
    return {path: whole[path] for path in paths}


def _described(app: Flask) -> list[Call]:
    """Return each route that the document shows, with its description and its API; the first address of each call."""
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        description = description_of(app.view_functions[rule.endpoint])
        if description is None:
            continue
        api, base = (None, "") if description.public else api_of(rule)
        if api is None or base == api.bases[0]:
            found.append((rule, description, api))
    return found


def _path(rule: str) -> str:
    return _ARGUMENT.sub(r"{\1}", rule)


def _made(app: Flask) -> dict[str, Any]:
    plugin = MarshmallowPlugin()
    spec = APISpec(
        "Sluice",
        _VERSION,
        "3.1.0",
        plugins=[plugin],
        info={"description": "Batches of entities, events, states and objects in; jobs to poll out."},
        servers=[{"url": "/"}],
        externalDocs={"url": ERROR_PAGES, "description": "Every error code, with its cause and what to do"},
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("header", {"type": "apiKey", "in": "header", "name": "X-FlowMyna-Api-Key"})
    assert plugin.converter is not None  # noqa: S101 # since the document has the plugin
    items.add_to(plugin.converter)
    for name, shape in {
        **operator_shapes.SHAPES,
        **webhook_shapes.SHAPES,
        **public_shapes.SHAPES,
        **items.shapes(plugin.converter),
    }.items():
        spec.components.schema(name, shape)
    for form in _FORMS:
        spec.components.schema(form.__name__, schema=form)
    calls = _described(app)
    for rule, description, api in calls:
        made = operations(rule, description, api)
        add_links(made, description, api, calls)
        spec.path(_path(rule.rule), operations=made)
    return spec.to_dict()
