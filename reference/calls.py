"""api.md: each call of both APIs and each shape of the OpenAPI document."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from app import create_app
from app.openapi import docs
from reference import markdown
from reference.installation import default_settings

_INTRODUCTION = """\
The same stands in the OpenAPI document of a running `web` (`/openapi.json`), which `/docs` shows. [The API by
example](../how-to/call-the-api.md) tells how the calls work together, the contracts
([operator](../contracts/operator.md), [public](../contracts/public.md), [jobs](../contracts/jobs.md),
[templates](../contracts/templates.md)) fix them, and [errors](errors.md) has each code.

The operator API answers `{"success": true, "data": …}`; a shape below is that of `data`. Its calls stand below
`/functions/v1` too, and those of the public API below `/v1` and `/api/public/v1`."""

_LINK = re.compile(r"\(/docs/errors(?:/(\w+))?\)")
_CODE = re.compile(r"\[`(\w+)`\]")
_SHAPE = re.compile(r"[A-Z]\w+")
_REFUSED = 400


def page() -> str:
    """Return the page."""
    app = create_app(default_settings())
    try:
        document = docs.document(app)
    finally:
        app.extensions["sluice"].close()
    calls: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, call in item.items():
            calls.setdefault(call["tags"][0], []).append(_call(f"{method.upper()} {path}", call))
    groups = [
        part
        for tag in document["tags"]
        for part in (f"## {tag['name'].capitalize()}\n\n{tag['description']}.", *calls.get(tag["name"], []))
    ]
    shapes = [_shape(name, shape) for name, shape in sorted(document["components"]["schemas"].items())]
    return markdown.page("All calls", _INTRODUCTION, *groups, "## Shapes", *shapes)


def _call(title: str, call: Mapping[str, Any]) -> str:
    """Return the section of a call."""
    parts = [f"### {title}", f"{call['summary']}."]
    if "description" in call:
        parts.append(call["description"])
    if rows := [
        [f"`{parameter['name']}`", parameter["in"], _type(parameter["schema"]), parameter.get("description", "")]
        for parameter in call.get("parameters", [])
    ]:
        parts.append(markdown.table(["parameter", "in", "type", "meaning"], rows))
    if body := call.get("requestBody"):
        types = ", ".join(
            f"`{name}` {_type(form['schema'])}" if "schema" in form else f"`{name}`"
            for name, form in body["content"].items()
        )
        parts.append(f"Body: {types}.")
    parts.extend(_answers(call["responses"]))
    return "\n\n".join(parts)


def _answers(answers: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answers of a call by status: first those of success, then the codes of refusals."""
    answered, refused = [], []
    for status, answer in sorted(answers.items()):
        described = answer["description"]
        if int(status) >= _REFUSED and (codes := _CODE.findall(described)):
            refused.append(f"{status} {', '.join(f'[`{code}`](errors.md#{code.lower()})' for code in codes)}")
        else:
            answered.append(f"{status} {_to_shape(described) if _SHAPE.fullmatch(described) else described}")
    yield f"Answers: {'; '.join(answered)}."
    if refused:
        yield f"Refusals: {'; '.join(refused)}."


def _shape(name: str, shape: Mapping[str, Any]) -> str:
    """Return the section of a shape: its members, or its type."""
    parts = [f"### {name}"]
    if "description" in shape:
        parts.append(_linked(shape["description"][0].upper() + shape["description"][1:] + "."))
    if members := shape.get("properties"):
        rows = [
            [
                f"`{member}`",
                _type(inner),
                "yes" if member in shape.get("required", []) else "",
                _linked(inner.get("description", "")),
            ]
            for member, inner in members.items()
        ]
        parts.append(markdown.table(["member", "type", "always", "meaning"], rows))
    else:
        parts.append(f"Type: {_type(shape)}.")
    return "\n\n".join(parts)


def _linked(text: str) -> str:
    return _LINK.sub(lambda found: f"(errors.md#{found[1].lower()})" if found[1] else "(errors.md)", text)


def _type(shape: Any) -> str:
    """Return the type of a shape in words, with its bounds."""
    match shape:
        case {"$ref": str(place)}:
            return _to_shape(place.rpartition("/")[2])
        case {"oneOf": list(shapes)} | {"anyOf": list(shapes)}:
            return " or ".join(_type(inner) for inner in shapes)
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": list(values)}:
            words = ", ".join(f"`{value}`" for value in values)
        case {"type": "object", "properties": dict(members)}:
            words = f"object of {', '.join(f'`{member}`' for member in members)}"
        case {"type": "array", "items": inner}:
            words = f"array of {_type(inner)}"
        case {"type": list(types)}:
            words = " or ".join(types)
        case {"type": str(kind)}:
            words = kind
        case _:
            words = "any JSON"
    return words + _bounds(shape)


def _bounds(shape: Any) -> str:
    names = {"format": "", "minLength": "from ", "maxLength": "to ", "minimum": "from ", "maximum": "to "}
    names |= {"minItems": "from ", "maxItems": "to ", "default": "default "}
    found = [
        f"{word}{str(shape[name]).lower() if isinstance(shape[name], bool) else shape[name]}"
        for name, word in names.items()
        if isinstance(shape, dict) and name in shape
    ]
    return f" ({', '.join(found)})" if found else ""


def _to_shape(name: str) -> str:
    return f"[{name}](#{name.lower()})"
