"""The document of one API: its calls out of the whole document, and of all else what they need."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.openapi.apis import Api

_SCHEMAS = "#/components/schemas/"


def face(document: Mapping[str, Any], api: Api, paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of an API.

    Args:
        document: the whole one.
        api: the API.
        paths: those of its calls, as they stand in the whole document.
    """
    operations = [operation for item in paths.values() for operation in item.values()]
    tags = {tag for operation in operations for tag in operation["tags"]}
    components = document["components"]
    return {
        **document,
        "info": {**document["info"], "title": f"{document['info']['title']}: {api.title}"},
        "tags": [tag for tag in document["tags"] if tag["name"] in tags],
        "paths": paths,
        "components": {
            "schemas": _needed(components["schemas"], paths),
            "securitySchemes": {name: components["securitySchemes"][name] for name in api.keys},
        },
    }


def _needed(schemas: Mapping[str, Any], paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas that paths name, and those that these name in their turn."""
    needed: set[str] = set()
    left = set(_named(paths))
    while left:
        needed |= left
        left = {name for schema in left for name in _named(schemas[schema])} - needed
    return {name: schema for name, schema in schemas.items() if name in needed}


def _named(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(reference)}:
            yield reference.removeprefix(_SCHEMAS)
        case dict():
            for inner in part.values():
                yield from _named(inner)
        case list():
            for inner in part:
                yield from _named(inner)
