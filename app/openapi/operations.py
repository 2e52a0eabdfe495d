"""An operation of the document: its parameters, its body and its answers, as its view describes itself."""

import json
from collections.abc import Iterable
from typing import Any

from werkzeug.routing import Rule

from app.http import idempotency
from app.http.describe import Description, scope_of
from app.http.shapes import ref, success
from app.openapi.apis import Api
from app.openapi.examples import CSV_EXAMPLES, EXAMPLES
from app.openapi.refusals import refusals
from ingest.rights import ANY

_KEY = (
    "1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same "
    f"key has the answer of the first, with the header {idempotency.REPLAYED}"
)

_ID = {"type": "string", "minLength": 1, "maxLength": 500}

# Of calls that belong to no API.
_SERVICE_TAG = "service"


def operations(rule: Rule, description: Description, api: Api | None) -> dict[str, Any]:
    """Return the operations of a rule, by their methods.

    Args:
        rule: the route.
        description: its view's.
        api: that it belongs to; None where it belongs to none, and needs no key.
    """
    operation: dict[str, Any] = {
        "operationId": description.operation,
        "tags": [_tag(rule, api)],
        "summary": description.summary,
        "parameters": list(_parameters(rule, description, api)),
        "responses": {**_answers(description, api), **(refusals(rule, description, api) if api else {})},
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
    methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    return {method.lower(): {**operation, "security": _security(method, description, api)} for method in methods}


def _security(method: str, description: Description, api: Api | None) -> list[dict[str, list[str]]]:
    """Return the schemes of keys, of which one will do, each with the scope that the key needs.

    OpenAPI 3.1 calls it a role, of schemes other than OAuth (section 4.8.30).
    """
    scope = scope_of(description, method)
    return [{name: [] if scope == ANY else [scope]} for name in api.keys] if api else []


def _tag(rule: Rule, api: Api | None) -> str:
    """Return the tag of a call: its API's, or else its noun, which is its blueprint's name."""
    if api is None:
        return _SERVICE_TAG
    return api.tag or str(rule.endpoint).split(".")[-2]


def _parameters(rule: Rule, description: Description, api: Api | None) -> Iterable[dict[str, Any]]:
    for name in sorted(rule.arguments):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": dict(description.path.get(name, _ID)),
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
    takes_key = api is not None and api.takes_keys and description.repeat
    headers = {**description.headers, **({idempotency.NAME: _KEY} if takes_key else {})}
    for name, text in headers.items():
        yield {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}


def _answers(description: Description, api: Api | None) -> dict[str, Any]:
    """Return the answers of success and those without a body, by their status."""
    answers: dict[str, Any] = {}
    for status, shape in description.answers.items():
        body, example = ref(shape), EXAMPLES[shape]
        if api is not None and not description.bare:
            body, example = success(body), {"success": True, "data": example}
        content = {description.media: {"schema": body, "example": example}}
        answers[str(status)] = {"description": shape, "content": content}
    return answers | {str(status): {"description": reason} for status, reason in description.empty.items()}


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
