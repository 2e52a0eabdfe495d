"""The JSON Schema of a kind's items under a template, for editors and generators (docs/contracts/templates.md).

It is as narrow as JSON Schema can be: it does not know that a day exists, nor the bounds of an item's bytes and levels,
nor those of numbers' exponents, nor that no text may hold NUL.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import fields

from ingest.items.fields import TIMESTAMP, Document, ObjectDocument, OptionalText, Text, Timestamp
from ingest.items.schema import ItemSchema
from ingest.items.templates import ADDITIONAL, Definition, TypeRules
from ingest.items.types.field import lists_null

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]

_NOT_NULL: _Schema = {"type": ["string", "number", "boolean", "object", "array"]}
_NO_NUL = "^[^\\u0000]*$"


def json_schema(schema: ItemSchema) -> _Schema:
    """Return the JSON Schema of an item, a branch for each name of the vocabulary.

    Args:
        schema: of a kind that has a template, under that template.
    """
    template, vocabulary = schema.template, schema.vocabulary
    assert vocabulary is not None  # noqa: S101 # of kinds with a template
    branches = [_branch(schema, vocabulary.member, name, rules) for name, rules in vocabulary.names.items()]
    title = f"{template.name} {template.version}: {vocabulary.noun}"
    return {"$schema": _DIALECT, "title": title, **({"oneOf": branches} if branches else {"not": {}})}


def _branch(schema: ItemSchema, member: str, name: str, rules: TypeRules) -> _Schema:
    names = {field.data_key or attribute: field for attribute, field in schema.fields.items()}
    return {
        "title": name,
        "type": "object",
        "properties": {
            text: {"const": name} if text == member else _member(field, rules) for text, field in names.items()
        },
        "required": [text for text, field in names.items() if field.required],
    }


def _member(field: fields.Field[Any], rules: TypeRules) -> Definition:
    if isinstance(field, ObjectDocument):
        return _data(rules)
    if isinstance(field, Document):
        return True if rules.value is None else rules.value
    if isinstance(field, Timestamp):
        return {"type": ["string", "null"], "pattern": f"^(?:{TIMESTAMP})$"}
    if isinstance(field, Text):
        types = ["string", "null"] if isinstance(field, OptionalText) else "string"
        return {"type": types, "minLength": 1, "maxLength": field.longest, "pattern": _NO_NUL}
    raise TypeError(type(field))


def _data(rules: TypeRules) -> _Schema:
    return {
        "type": "object",
        "properties": {
            name: (_not_null if name in rules.required else _or_null)(rules.fields.get(name, True))
            for name in rules.listed
        },
        "required": list(rules.required),
        **({"additionalProperties": False} if rules.additional == ADDITIONAL[-1] else {}),
    }


def _not_null(definition: Definition) -> Definition:
    """Return the definition of a required field, for which null is as absent."""
    if definition is True:
        return _NOT_NULL
    takes_null = isinstance(definition, Mapping) and ("type" not in definition or lists_null(definition))
    return {"allOf": [definition, _NOT_NULL]} if takes_null else definition


def _or_null(definition: Definition) -> Definition:
    """Return the definition of an optional field, for which null is as absent unless its type lists it."""
    if definition is True or lists_null(definition):
        return definition
    return {"anyOf": [definition, {"type": "null"}]}
