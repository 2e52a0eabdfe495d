"""Build shapes for the OpenAPI document: JSON Schema as Python values."""

from typing import Any, TypeAlias

Shape: TypeAlias = dict[str, Any]

TEXT: Shape = {"type": "string"}
COUNT: Shape = {"type": "integer", "minimum": 0}
TIME: Shape = {"type": "string", "format": "date-time", "examples": ["2026-04-06T12:00:01.500Z"]}
ID: Shape = {"type": "string", "minLength": 1, "maxLength": 500, "description": 'Any text but "." and ".."'}
DOCUMENT: Shape = {"type": "object", "additionalProperties": True}  # without it, TypeScript takes it for empty


def record(optional: tuple[str, ...] = (), /, **properties: Shape) -> Shape:
    """Return an object.

    Args:
        optional: which of its members may be absent.
        properties: all of them.
    """
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


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
