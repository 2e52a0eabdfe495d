"""The OpenAPI document and the routes say the same; conftest.py holds every answer's status against it."""

import re
from typing import Any

import marshmallow
from flask import Flask

from app import public
from app.openapi import docs
from ingest.engine.kinds import KINDS


def test_every_call_stands_in_the_document_below_the_first_address(public_app: Flask) -> None:
    document = docs.document(public_app)
    for base in public.BASES:
        served = {
            (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(base)), method.lower())
            for rule in public_app.url_map.iter_rules()
            if rule.rule.startswith(f"{base}/")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
        described = {
            (path.removeprefix(public.BASES[0]), method)
            for path, item in document["paths"].items()
            for method in item
            if path.startswith(f"{public.BASES[0]}/")
        }
        assert described == served
        assert len(served) == 10


def test_the_shapes_of_items_have_the_fields_that_items_are_checked_for(public_app: Flask) -> None:
    shapes = docs.document(public_app)["components"]["schemas"]
    for kind, shape in ((KINDS["objects"], shapes["Object"]), (KINDS["object_events"], shapes["ObjectEvent"])):
        declared: dict[str, marshmallow.fields.Field[Any]] = kind.schema._declared_fields
        assert set(shape["properties"]) == set(declared)
        assert set(shape["required"]) == {name for name, field in declared.items() if field.required}


def test_every_call_takes_either_header(public_app: Flask) -> None:
    document = docs.document(public_app)
    assert document["paths"][f"{public.BASES[0]}/health"]["get"]["security"] == [{"key": []}, {"header": []}]
    assert document["components"]["securitySchemes"]["header"]["name"] == "X-FlowMyna-Api-Key"


def test_every_answer_is_of_a_shape_that_is_there(public_app: Flask) -> None:
    document = docs.document(public_app)

    def look(part: Any) -> None:
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            look(inner)
        if isinstance(part, dict) and isinstance(name := part.get("$ref"), str):
            assert name.removeprefix("#/components/schemas/") in document["components"]["schemas"]

    look(document)
