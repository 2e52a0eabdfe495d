"""The OpenAPI document and the routes say the same; conftest.py holds every answer's status against it."""

import re

from flask import Flask

from app import public
from app.openapi import docs


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
        assert len(served) >= 10


def test_every_call_takes_either_header(public_app: Flask) -> None:
    document = docs.document(public_app)
    assert document["paths"][f"{public.BASES[0]}/health"]["get"]["security"] == [{"key": []}, {"header": []}]
    assert document["components"]["securitySchemes"]["header"]["name"] == "X-FlowMyna-Api-Key"
