"""The page at `/`, and that every answer ends a line."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import guide
from tests.api.conftest import Api

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(("accept", "form"), [("*/*", "text/plain"), ("", "text/plain"), (BROWSER, "text/html")])
def test_the_page_at_the_root_says_what_this_is_in_the_form_that_is_wanted(
    client: FlaskClient, accept: str, form: str
) -> None:
    answer = client.get("/", headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (200, form)
    assert answer.text.endswith("\n")
    for address in ("/docs", "/openapi.json", "/healthz", "/readyz"):
        assert address in answer.text


def test_every_link_of_the_page_leads_somewhere_here(client: FlaskClient) -> None:
    links = re.findall('(?:href|src)="([^"]*)"', client.get("/", headers={"Accept": "text/html"}).text)
    assert len(links) == 6
    for link in links:
        with client.get(f"/{link}", follow_redirects=True) as answer:
            assert answer.status_code == (200 if link != "guide/" or guide.PAGES.is_dir() else 404)


def test_every_json_answer_ends_with_a_newline_and_says_its_length(api: Api, client: FlaskClient) -> None:
    answers = [
        api.get("/settings"),
        api.get("/entities/none"),
        client.get("/healthz"),
        client.get("/openapi.json"),
        client.get("/v1/health"),
        client.get("/none"),
    ]
    for answer in answers:
        assert answer.get_data().endswith(b"}\n")
        assert answer.content_length == len(answer.get_data())
