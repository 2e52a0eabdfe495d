"""The OpenAPI document says what the routes do: tests/api/conftest.py holds every answer's status against it."""

import gc
import re
import weakref

from flask import Flask

from app import create_app, public
from app.openapi import docs
from ingest.settings import Settings

_PAGES = {"docs.show", "front.show", "error_pages.index", "error_pages.show"}


def test_every_route_stands_in_the_document_and_nothing_else(app: Flask) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).removeprefix("/functions/v1"), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in _PAGES and not rule.rule.startswith(public.BASES)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method)
        for path, item in docs.document(app)["paths"].items()
        for method in item
        if not path.startswith(public.BASES)
    }
    assert described == served


def test_every_operator_route_is_served_at_both_addresses(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    of_operator = {rule for rule in rules if rule.startswith(("/operator-data-api", "/api-keys"))}
    assert len(of_operator) == 42
    assert {f"/functions/v1{rule}" for rule in of_operator} <= rules


def test_the_document_goes_with_its_app(settings: Settings) -> None:
    app = create_app(settings)
    app.test_client().get("/openapi.json")
    app.extensions["sluice"].close()
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None


def test_the_pages_need_no_network(app: Flask) -> None:
    client = app.test_client()
    for path in ("/docs", "/docs/"):
        with client.get(path) as page:
            assert page.status_code == 200
            sources = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
        assert sources
        for source in sources:
            assert source.startswith("/docs/")
            with client.get(source) as file:
                assert file.status_code == 200
    assert client.get("/docs/none.js").status_code == 404
