"""The error answers of a call: each status with the codes that it may have, an example each, linked to their pages."""

from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.routing import Rule

from app.http.describe import Description
from app.http.shapes import ref
from app.openapi.apis import Api
from app.openapi.codes import CODES, Code, address
from ingest.errors import (
    DiskFull,
    Forbidden,
    Gone,
    InvalidInput,
    InvalidParameter,
    KeyInProgress,
    KeyReused,
    MasterKeyMissing,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    SecretUnreadable,
    SluiceError,
    TryAgain,
    Unauthorized,
    UnsupportedMediaType,
)

_EVERY_CALL = (Unauthorized, Forbidden, InvalidParameter, RateLimited, TryAgain, DiskFull)
_OF_BODIES = (InvalidInput, PayloadTooLarge, UnsupportedMediaType)
_OF_REPEATS = (KeyInProgress, KeyReused, MasterKeyMissing, SecretUnreadable)
_OF_JOBS = (NotFound, Gone)

_TIMEOUT, _INTERNAL = 408, 500
_RESET_AT = "2026-04-06T12:00:01.500Z"
_TOO_SLOW = "The body came too slowly; nothing was stored, send the request again"


def refusals(rule: Rule, description: Description, api: Api) -> Mapping[str, dict[str, Any]]:
    """Return the error answers of a call, by their status."""
    codes: dict[int, list[str]] = {}
    for status, name in sorted(_found(rule, description, api)):
        if name not in codes.setdefault(status, []):
            codes[status].append(name)
    return {str(status): _answer(status, names, description, api) for status, names in codes.items()}


def _found(rule: Rule, description: Description, api: Api) -> Iterator[tuple[int, str]]:
    errors: list[type[SluiceError]] = [*_EVERY_CALL, *description.faults]
    if description.body or description.lines:
        errors += [*_OF_BODIES, api.bad_body]
        yield _TIMEOUT, InvalidInput.code
    if description.repeat and api.takes_keys:
        errors += _OF_REPEATS
    if rule.arguments:
        errors.append(InvalidInput)  # a part of the path that nothing stored can have
    if "job_id" in rule.arguments:
        errors += _OF_JOBS
    yield from ((api.status(error), error.code) for error in errors)
    yield _INTERNAL, SluiceError.code


def _answer(status: int, names: list[str], description: Description, api: Api) -> dict[str, Any]:
    meanings = {name: _page(name).meaning for name in names}
    texts = [f"[`{name}`]({address(name)}): {meaning}" for name, meaning in meanings.items()]
    examples = {
        name: {"summary": meaning, "value": _example(status, name, description, api)}
        for name, meaning in meanings.items()
    }
    schema = ref(api.failures.get(status, api.failure))
    return {
        "description": texts[0] if len(texts) == 1 else "\n".join(f"- {text}" for text in texts),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _page(name: str) -> Code:
    if name not in CODES:
        raise LookupError(f"{name} has no page: add it to app/openapi/codes/, and run `make docs-reference`")
    return CODES[name]


def _example(status: int, name: str, description: Description, api: Api) -> dict[str, Any]:
    message = _TOO_SLOW if status == _TIMEOUT else CODES[name].message
    if status in api.failures:
        return {"detail": [_place(name, message, in_body=bool(description.body))]}
    if api.failure == "Detail":
        return {"detail": message}
    reset = {"resetAt": _RESET_AT} if name == RateLimited.code else {}
    error = {"code": name, "message": message, "docs": address(name), **reset}
    return {"success": False, "error": error, **reset}


def _place(name: str, message: str, *, in_body: bool) -> dict[str, Any]:
    if name != InvalidInput.code:
        return {"loc": ["body"], "msg": message, "type": f"value_error.{name.lower()}"}
    if in_body:
        return {"loc": ["body", "objects", 0, "type"], "msg": "field required", "type": "value_error.missing"}
    return {"loc": ["query", "limit"], "msg": message, "type": "value_error.query"}
