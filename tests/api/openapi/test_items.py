"""The document's shapes of items are made of the fields that check them, so a new rule or field changes both."""

from typing import Any

import marshmallow
import pytest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.http.shapes import DOCUMENT, TIME
from app.openapi import items
from ingest.items import fields, public_fields


class Inner(public_fields.PublicSchema):
    """An object in a list."""

    type = public_fields.Text("Type", 3, description="Any type")


class Item(marshmallow.Schema):
    """One field of each class."""

    text = fields.Text(7, attribute="text")
    renamed = fields.Text(7, attribute="x", description="Any name")
    optional = fields.OptionalText(9, attribute="optional")
    value = fields.Document(required=True)
    data = fields.ObjectDocument(required=True)
    timestamp = fields.Timestamp(attribute="at")
    label = public_fields.Text("Label", 5)
    qualifier = public_fields.Text("Qualifier", 6, required=False)
    event_id = public_fields.OptionalText("Id", 8)
    properties = public_fields.Properties("Properties", attribute="properties")
    when = public_fields.When(attribute="when")
    things = public_fields.Items(Inner, "thing")


def converted(schema: type[marshmallow.Schema]) -> tuple[dict[str, Any], APISpec]:
    plugin = MarshmallowPlugin()
    spec = APISpec("x", "1", "3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    items.add_to(plugin.converter)
    return plugin.converter.schema2jsonschema(schema), spec


def or_null(shape: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [shape, {"type": "null"}]}


def test_each_field_has_its_bounds_and_may_be_null_if_it_need_not_be_there() -> None:
    shape, spec = converted(Item)
    assert shape["properties"] == {
        "text": {"type": "string", "minLength": 1, "maxLength": 7},
        "renamed": {"type": "string", "minLength": 1, "maxLength": 7, "description": "Any name"},
        "optional": or_null({"type": "string", "minLength": 1, "maxLength": 9}),
        "value": {},
        "data": DOCUMENT,
        "timestamp": or_null(TIME),
        "label": {"type": "string", "minLength": 1, "maxLength": 5},
        "qualifier": or_null({"type": "string", "maxLength": 6}),
        "event_id": or_null({"type": "string", "minLength": 1, "maxLength": 8}),
        "properties": or_null(DOCUMENT),
        "when": or_null(TIME),
        "things": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Inner"}},
    }
    assert set(shape["required"]) == {"text", "renamed", "value", "data", "label", "things"}
    inner = spec.to_dict()["components"]["schemas"]["Inner"]
    assert inner["properties"] == {
        "type": {"type": "string", "minLength": 1, "maxLength": 3, "description": "Any type"}
    }


def test_a_field_of_a_new_class_is_refused_with_what_to_do() -> None:
    class Colour(fields.FastField):
        pass

    with pytest.raises(LookupError, match=r"Colour is a field of items: register its shape in app/openapi/items\.py"):
        converted(marshmallow.Schema.from_dict({"colour": Colour()}))


def test_fields_of_forms_stay_as_apispec_has_them() -> None:
    shape, _ = converted(marshmallow.Schema.from_dict({"name": marshmallow.fields.String(load_default="x")}))
    assert shape["properties"] == {"name": {"type": "string", "default": "x"}}
