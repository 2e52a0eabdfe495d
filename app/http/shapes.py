"""Build shapes for the OpenAPI document: JSON Schema as Python values."""

from typing import Any, TypeAlias

from ingest.items.fields import ADDRESSED

Shape: TypeAlias = dict[str, Any]

# The pages of error codes, served by `app.openapi.error_pages`.
ERROR_PAGES = "/docs/errors"

TEXT: Shape = {"type": "string"}
COUNT: Shape = {"type": "integer", "minimum": 0}
TIME: Shape = {"type": "string", "format": "date-time", "examples": ["2026-04-06T12:00:01.500Z"]}
ID: Shape = {"type": "string", "minLength": 1, "maxLength": 500, "description": ADDRESSED}
DOCUMENT: Shape = {"type": "object", "additionalProperties": True}  # without it, TypeScript takes it for empty


def record(optional: tuple[str, ...] = (), /, **properties: Shape) -> Shape:
    """Return an object.

    Args:
        optional: which of its members may be absent.
        properties: all of them.
    """
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def form(optional: tuple[str, ...] = (), /, **properties: Shape) -> Shape:
    """Return an object of which a call takes these members and no others; the arguments are those of `record`."""
    return {**record(optional, **properties), "additionalProperties": False}


def to_pages(*codes: str) -> Shape:
    """Return a description that links error codes to their pages, or to the list of all where none is named."""
    links = ", ".join(f"[`{code}`]({ERROR_PAGES}/{code})" for code in codes)
    return {"description": links or f"[an error code]({ERROR_PAGES})"}


def array(items: Shape, **bounds: int) -> Shape:
    """Return an array; `bounds` as in `maxItems=100`."""
    return {"type": "array", "items": items, **bounds}


def choice(*words: str) -> Shape:
    """Return one of a few words."""
    return {"type": "string", "enum": list(words)}


def ref(name: str) -> Shape:
    """Return a shape by its name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(shape: Shape) -> Shape:
    """Return that shape, or null."""
    return {"oneOf": [shape, {"type": "null"}]}


def success(data: Shape) -> Shape:
    """Return the envelope of success around a shape."""
    return record(success={"const": True}, data=data)
