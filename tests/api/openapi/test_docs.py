"""The OpenAPI document says what the routes do: tests/api/conftest.py holds every answer's status against it."""

import base64
import gc
import hashlib
import re
import weakref

import pytest
from flask import Flask

from app import console, create_app, public
from app.openapi import docs
from ingest.settings import Settings

_PAGES = {"docs.show", "front.show", "error_pages.index", "error_pages.show", "guide.page"}


def test_every_route_stands_in_the_document_and_nothing_else(app: Flask) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).removeprefix("/functions/v1"), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in _PAGES and not rule.rule.startswith((*public.BASES, console.BASE))
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
    assert len(of_operator) == 44
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


@pytest.mark.parametrize("host", ["localhost", "sluice.example"])
def test_browsers_run_no_script_of_the_pages_but_theirs(app: Flask, host: str) -> None:
    with app.test_client().get("/docs/", headers={"Host": host}) as page:
        policy, text = page.headers["Content-Security-Policy"], page.get_data()
    [script] = re.findall(rb"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert f"default-src 'none'; script-src 'self' 'sha256-{digest}'; " in policy
    assert "unsafe" not in policy
    assert re.findall(rb"\son\w+=|style=|javascript:", text) == []


def test_the_files_of_the_pages_are_confined_too(app: Flask) -> None:
    for name in ("swagger-ui-bundle.js", "oauth2-redirect.html"):
        with app.test_client().get(f"/docs/{name}") as file:
            assert "script-src 'self'; " in file.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/", "/docs/", "/docs/swagger-ui.css", "/docs/errors", "/openapi.json", "/healthz", "/no"]
)
def test_no_answer_is_taken_for_another_kind_than_it_says(app: Flask, path: str) -> None:
    with app.test_client().get(path) as answer:
        assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
