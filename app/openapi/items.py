"""The shapes of items, which apispec makes of the marshmallow schemas that check them: nothing of a field stands twice.

apispec knows marshmallow's fields. Ours refuse more or take other values, so each class of ours has its shape here.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import marshmallow
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow.fields import Field

from app.http.shapes import DOCUMENT, TIME, Shape, array, or_null, record, ref
from ingest.engine.kinds import KINDS, Kind
from ingest.items import fields, public_fields
from ingest.items.events import EventSchema
from ingest.items.states import StateSchema

_PATH_MEMBERS = {"externalId"}  # of a single event, whose entity stands in the path


def add_to(converter: OpenAPIConverter) -> None:
    """Have a converter make the shapes of our fields by `shape_of`; all other fields stay apispec's."""

    def of_item(converter: OpenAPIConverter, field: Field[Any], ret: Shape) -> Shape:
        if not isinstance(field, fields.FastField):
            return {}
        ret.clear()
        shape = shape_of(field, converter)
        told = {name: field.metadata[name] for name in ("description",) if name in field.metadata}
        # A member that need not be there may be null, too: both mean the same.
        return {**shape, **told} if field.required else or_null({**shape, **told})

    converter.add_attribute_function(of_item)  # type: ignore[no-untyped-call] # of apispec


@singledispatch
def shape_of(field: object, converter: OpenAPIConverter) -> Shape:  # noqa: ARG001 # as of the fields below
    """Return the shape of the values that a field takes, null aside.

    Args:
        field: of an item's schema.
        converter: names the schemas of the objects in a list.

    Raises:
        LookupError: its class has none.
    """
    raise LookupError(f"{type(field).__name__} is a field of items: register its shape in app/openapi/items.py")


@shape_of.register(fields.Text)
def _(field: fields.Text, _converter: OpenAPIConverter) -> Shape:
    return {"type": "string", "minLength": 1, "maxLength": field.longest}


@shape_of.register(public_fields.Text)
def _(field: public_fields.Text, _converter: OpenAPIConverter) -> Shape:
    shortest = {"minLength": field.shortest} if field.shortest else {}
    return {"type": "string", **shortest, "maxLength": field.longest}


@shape_of.register(fields.Document)
def _(field: fields.Document, _converter: OpenAPIConverter) -> Shape:
    return DOCUMENT if field.is_object else {}


@shape_of.register(fields.Timestamp)
def _(_field: fields.Timestamp, _converter: OpenAPIConverter) -> Shape:
    return TIME


@shape_of.register(public_fields.Items)
def _(field: public_fields.Items, converter: OpenAPIConverter) -> Shape:
    inner: Shape = converter.resolve_nested_schema(type(field.schema))  # type: ignore[no-untyped-call] # of apispec
    return array(inner, minItems=1)


def shapes(converter: OpenAPIConverter) -> Mapping[str, Shape]:
    """Return the shapes of single items and of batches, by their names in the document."""

    def of(schema: type[marshmallow.Schema]) -> Shape:
        shape: Shape = converter.schema2jsonschema(schema)  # type: ignore[no-untyped-call] # of apispec
        return shape

    entities, events, states = (KINDS[name] for name in ("entities", "events", "states"))
    objects, object_events = KINDS["objects"], KINDS["object_events"]
    event = of(EventSchema)
    return {
        "Entity": of(entities.schema),
        "Event": _without(event, _PATH_MEMBERS),
        "StateValue": of(StateSchema)["properties"]["value"],
        "EntityBatch": _batch(ref("Entity"), entities),
        "EventBatch": _batch(event, events),
        "StateBatch": _batch(of(states.schema), states),
        "Object": of(objects.schema),
        "ObjectEvent": of(object_events.schema),
        "ObjectBatch": record(objects=array(ref("Object"), maxItems=objects.limit)),
        "ObjectEventBatch": record(events=array(ref("ObjectEvent"), maxItems=object_events.limit)),
    }


def _batch(item: Shape, kind: Kind) -> Shape:
    return array(item, minItems=1, maxItems=kind.limit)


def _without(shape: Shape, members: set[str]) -> Shape:
    properties = {name: inner for name, inner in shape["properties"].items() if name not in members}
    return {**shape, "properties": properties, "required": [name for name in shape["required"] if name in properties]}
