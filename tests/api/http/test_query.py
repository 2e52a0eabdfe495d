"""A query parameter that a call does not know, or that stands twice, is refused before anything is written."""

import re

import pytest
from flask import Flask

from app.http.describe import description_of
from tests.api.conftest import BASE, Api, data, refused
from tests.support.factories import entity


@pytest.mark.parametrize(
    ("query", "name", "hint"),
    [
        ("Mode=merge", '"Mode"', 'did you mean "mode"?'),
        ("mod=merge", '"mod"', 'did you mean "mode"?'),
        ("dryRun=true", '"dryRun"', "this call takes mode"),
        ("mode=merge&%F0%9F%98%80=", '"😀"', "this call takes mode"),
        ("=", '""', "this call takes mode"),
    ],
)
@pytest.mark.parametrize("path", ["/entities", "/batch/entities"])
def test_an_unknown_parameter_is_named_beside_the_nearest_known_one(
    api: Api, path: str, query: str, name: str, hint: str
) -> None:
    stored = entity(data={"email": "a@example.com", "country": "SE"})
    api.post("/entities", stored)
    changed = entity(data={"email": "b@example.com"})
    answer = api.post(f"{path}?{query}", [changed] if "batch" in path else changed)
    refused(answer, 400, "INVALID_INPUT", name, hint)
    assert data(api.get("/entities/player_000001"))["data"] == stored["data"]


@pytest.mark.parametrize("query", ["after=job_1&after=job_2", "after=&after="])
def test_a_parameter_that_stands_twice_is_refused(api: Api, query: str) -> None:
    refused(api.post(f"/batch/events?{query}", [{}]), 400, "INVALID_INPUT", '"after" stands 2 times')


def test_every_call_refuses_what_its_description_does_not_name(api: Api, app: Flask) -> None:
    calls = 0
    for rule in app.url_map.iter_rules():
        description = description_of(app.view_functions[rule.endpoint])
        if description is None or not rule.rule.startswith((BASE, "/api-keys", "/functions/v1")):
            continue
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            refused(api.call(method, f"{path}?nope=1", base=""), 400, "INVALID_INPUT", '"nope"')
            calls += 1
            for parameter in description.query:
                answer = api.call(method, f"{path}?{parameter.name}=1&{parameter.name}=1", base="")
                refused(answer, 400, "INVALID_INPUT", f'"{parameter.name}" stands 2 times')
    assert calls > 40


def test_a_key_that_opens_nothing_is_401_whatever_the_query(api: Api) -> None:
    assert api.get("/settings?nope=1", key="oh_live_x").status_code == 401


def test_calls_without_a_key_take_any_query(app: Flask) -> None:
    assert app.test_client().get("/healthz?from=balancer").status_code == 200
