"""Pages of other origins: none may call unless `SLUICE_CORS_ORIGINS` names it (the Fetch standard, "CORS protocol")."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.http.cors import EXPOSED, TAKEN
from app.http.services import Services
from ingest.origins import Origins
from tests.api.conftest import BASE, Api, document
from tests.support.answers import hold_headers
from tests.support.factories import entity

HERE, ELSEWHERE = "https://app.example", "https://thief.example"
_ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def allow(app: Flask) -> Callable[[str], None]:
    """Set the origins of the app."""
    services: Services = app.extensions["sluice"]

    def set_them(text: str) -> None:
        services.origins = Origins.parse(text)

    return set_them


def of_cors(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def preflight(app: Flask, origin: str, path: str = f"{BASE}/batch/entities") -> TestResponse:
    return app.test_client().options(path, headers={"Origin": origin, **_ASKS})


def test_no_page_of_another_origin_may_call_unless_told(app: Flask, api: Api) -> None:
    for answer in (preflight(app, HERE), api.get("/settings", Origin=HERE), api.get("/no", Origin=HERE)):
        assert of_cors(answer) == {}
        assert "Vary" not in answer.headers


def test_a_page_of_a_named_origin_may_call_and_read(app: Flask, api: Api, allow: Callable[[str], None]) -> None:
    allow(f"http://localhost:3000, {HERE}")
    asked = preflight(app, HERE)
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, HERE)
    assert {"POST", "PUT", "PATCH", "DELETE"} <= set(asked.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "Content-Type"} <= set(asked.headers["Access-Control-Allow-Headers"].split(", "))
    assert asked.headers["Access-Control-Max-Age"] == "7200"
    hold_headers(asked.headers)
    for answer in (
        api.post("/batch/entities", [entity()], Origin=HERE),
        api.get("/settings", key=None, Origin=HERE),
        api.get("/no-such", Origin=HERE),
        api.post("/batch/entities", body=b"[", Origin=HERE),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == HERE
        assert answer.headers["Access-Control-Expose-Headers"] == ", ".join(EXPOSED)
        assert answer.headers["Vary"] == "Origin"


def test_a_page_of_an_origin_that_is_not_named_may_not(app: Flask, api: Api, allow: Callable[[str], None]) -> None:
    allow(HERE)
    for origin in (ELSEWHERE, f"{HERE}.thief.example", "https://app.example:8443", "http://app.example", "null", ""):
        for answer in (preflight(app, origin), api.get("/settings", Origin=origin)):
            assert of_cors(answer) == {}
            assert answer.headers["Vary"] == "Origin", "a cache may not hand it to a page that may read it"


def test_answers_to_other_programs_vary_too(api: Api, allow: Callable[[str], None]) -> None:
    allow(HERE)
    assert api.get("/settings").headers["Vary"] == "Origin"


def test_every_page_may_call_where_that_was_chosen(app: Flask, api: Api, allow: Callable[[str], None]) -> None:
    allow("*")
    for answer in (preflight(app, ELSEWHERE), api.get("/settings", Origin="null")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("origins", [HERE, "*"])
def test_credentials_are_never_allowed(app: Flask, api: Api, allow: Callable[[str], None], origins: str) -> None:
    allow(origins)
    for answer in (preflight(app, HERE), api.get("/settings", Origin=HERE)):
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_page_learns_that_its_address_is_wrong(app: Flask, allow: Callable[[str], None]) -> None:
    allow(HERE)
    assert preflight(app, HERE, "/no-such").status_code == 204
    answer = app.test_client().get("/no-such", headers={"Origin": HERE})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (404, HERE)


def test_options_of_a_page_that_is_no_preflight_are_answered_as_ever(app: Flask, allow: Callable[[str], None]) -> None:
    allow(HERE)
    answer = app.test_client().options(f"{BASE}/settings", headers={"Origin": HERE})
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (200, {"GET", "HEAD", "PUT", "OPTIONS"})


def test_pages_may_send_each_header_that_a_call_looks_at(app: Flask) -> None:
    operations = [call for item in document(app)["paths"].values() for call in item.values()]
    named = {
        parameter["name"] for call in operations for parameter in call["parameters"] if parameter["in"] == "header"
    }
    schemes = document(app)["components"]["securitySchemes"].values()
    named |= {scheme["name"] for scheme in schemes if scheme["type"] == "apiKey"}
    assert len(named) > 3
    assert named <= set(TAKEN)
