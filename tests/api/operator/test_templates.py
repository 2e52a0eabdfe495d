"""docs/contracts/operator.md section 2: templates."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.api.conftest import BASE, TIME, Api, data, refused
from tests.support.factories import entity

OWN: dict[str, Any] = {
    "name": "Flights",
    "version": "2013",
    "schema": {
        "entity_types": {
            "plane": {"required": ["model"], "optional": ["seats"]},
            "airport": {"required": [], "optional": []},
        },
        "event_types": {"flight": {"required": ["origin"], "optional": []}},
        "state_keys": ["position"],
        "pii_fields": {"plane": ["owner"]},
    },
}


def own(**schema: Any) -> dict[str, Any]:
    return {**OWN, "schema": {**deepcopy(OWN["schema"]), **schema}}


def test_section_2_get_templates_shows_the_built_in_one(api: Api) -> None:
    answer = api.get("/templates")
    (template,) = data(answer)
    assert answer.status_code == 200
    assert (template["id"], template["name"], template["version"]) == ("tpl_igaming", "iGaming", "1.0")
    assert TIME.fullmatch(template["created_at"])
    schema = template["schema"]
    assert schema["entity_types"]["player"]["required"] == ["email"]
    assert schema["entity_types"]["game"] == {"required": [], "optional": ["name", "provider", "category", "status"]}
    assert schema["event_types"]["game_activity"]["required"] == ["game_id", "bet_amount"]
    assert schema["state_keys"] == ["balance", "kyc_status", "risk_score", "loyalty_tier"]
    assert schema["pii_fields"] == {"player": ["first_name", "last_name", "email", "phone", "date_of_birth"]}


def test_section_2_put_template_stores_one_of_the_tenants_own(api: Api, new_api: Callable[..., Api]) -> None:
    answer = api.put("/templates/tpl_flights", OWN)
    assert answer.status_code == 200
    assert {name: data(answer)[name] for name in ("id", "name", "version", "schema")} == {"id": "tpl_flights", **OWN}
    assert [template["id"] for template in data(api.get("/templates"))] == ["tpl_flights", "tpl_igaming"]
    assert [template["id"] for template in data(new_api().get("/templates"))] == ["tpl_igaming"]


def test_section_2_changing_a_template_affects_new_writes_only(api: Api, run_jobs: Callable[[], None]) -> None:
    api.put("/templates/tpl_flights", OWN)
    api.put("/settings", {"templateId": "tpl_flights"})
    plane = entity(entityType="plane", data={"model": "A320"})
    before = api.post("/batch/entities", [plane])
    stricter = own(entity_types={"plane": {"required": ["model", "seats"]}}, pii_fields={})
    api.put("/templates/tpl_flights", {**stricter, "version": "2014"})
    after = api.post("/batch/entities", [plane])
    run_jobs()
    assert api.job(before)["output"]["failed"] == 0
    assert [error["message"] for error in api.job(after)["output"]["errors"]] == ['Missing required field: "seats"']
    assert data(api.get("/settings"))["template"]["version"] == "2014"
    assert len(data(api.get("/templates"))) == 2


def test_section_2_only_the_entity_types_must_be_said(api: Api) -> None:
    template = {"name": "T", "schema": {"entity_types": {"x": {}}}}
    stored = data(api.put("/templates/tpl_t", template))
    assert stored["version"] == "1.0"
    assert stored["schema"] == {
        "entity_types": {"x": {"required": [], "optional": []}},
        "event_types": {},
        "state_keys": [],
        "pii_fields": {},
    }


def test_section_2_a_built_in_template_cannot_be_changed(api: Api) -> None:
    refused(api.put("/templates/tpl_igaming", OWN), 400, "INVALID_INPUT", "built in")


@pytest.mark.parametrize("slug", ["flights", "tpl_", "tpl_A", "tpl_a%0A", "tpl_%C3%A9", "tpl_" + "a" * 101])
def test_section_2_a_bad_template_id_is_refused(api: Api, slug: str) -> None:
    refused(api.put(f"/templates/{slug}", OWN), 400, "INVALID_INPUT", "tpl_")


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ([], ["object"]),
        ({}, ["name: ", "schema: "]),
        ({**OWN, "name": 1, "version": True, "extra": 1}, ["name: ", "version: ", "extra: Unknown field"]),
        ({**OWN, "name": ""}, ["name: "]),
        ({**OWN, "name": "a\0b"}, ["name: ", "NUL"]),
        ({**OWN, "name": "n" * 201, "version": "v" * 51}, ["name: ", "version: "]),
        ({**OWN, "schema": None}, ["schema: "]),
        (own(entity_types=[]), ["schema.entity_types: "]),
        (
            own(entity_types={"plane": {"required": ["a", "a"]}}),
            ["schema.entity_types.plane", "required", "Named twice: a"],
        ),
        (own(entity_types={"plane": {"required": ["a"], "optional": ["a"]}}), ["Both required and optional: a"]),
        (own(entity_types={"plane": {"required": "a"}}), ["schema.entity_types.plane", "required: "]),
        (own(entity_types={"plane": {"needed": []}}), ["needed: Unknown field"]),
        (own(entity_types={"plane": {"required": [1]}}), ["required.0: "]),
        (own(entity_types={"": {}}), ["schema.entity_types"]),
        (own(entity_types={f"t{n}": {} for n in range(201)}, pii_fields={}), ["schema.entity_types: "]),
        (own(event_types={"e": None}), ["schema.event_types.e"]),
        (own(state_keys=["a", "b", "a", "b"]), ["schema.state_keys: Named twice: a, b"]),
        (own(state_keys={}), ["schema.state_keys: "]),
        (own(pii_fields={"ship": ["name"]}), ["schema.pii_fields: Not among entity_types: ship"]),
        (own(pii_fields={"plane": "owner"}), ["schema.pii_fields.plane"]),
        (own(more=1), ["schema.more: Unknown field"]),
        (own(state_keys=[f"k{n}" for n in range(501)]), ["schema.state_keys: "]),
    ],
)
def test_section_2_a_bad_template_is_refused_with_every_mistake_named(
    api: Api, template: Any, texts: list[str]
) -> None:
    refused(api.put("/templates/tpl_x", template), 400, "INVALID_INPUT", *texts)
    assert len(data(api.get("/templates"))) == 1


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"state_keys": ["."]}, "no URL can hold it"),
        ({"state_keys": ["position", ".."]}, "no URL can hold it"),
        ({"state_keys": ["😀" * 167]}, "2004 bytes in a URL; the most is 2000"),
        ({"event_types": {"😀" * 200: {}}}, "2400 bytes in a URL"),
    ],
)
def test_a_name_that_no_url_can_hold_is_refused(api: Api, schema: dict[str, Any], text: str) -> None:
    refused(api.put("/templates/tpl_flights", own(**schema)), 400, "INVALID_INPUT", text)


@pytest.mark.parametrize(
    ("method", "path", "base"),
    [
        ("PUT", "/templates/tpl_x", BASE),
        ("PUT", "/settings", BASE),
        ("POST", "", "/api-keys"),
        ("PATCH", "", "/api-keys"),
    ],
)
def test_a_form_over_256_kb_is_413(api: Api, method: str, path: str, base: str) -> None:
    body = b'{"name": "%s"}' % (b"x" * 256 * 1024)
    refused(api.call(method, path, body=body, base=base), 413, "PAYLOAD_TOO_LARGE", "262144")
    refused(api.call(method, path, body=b'{"name": "x"' + b" " * 200_000 + b"}", base=base), 400, "INVALID_INPUT")


def test_the_fifty_first_template_is_409_and_says_what_to_do(api: Api) -> None:
    for number in range(50):
        assert api.put(f"/templates/tpl_{number}", OWN).status_code == 200
    refused(api.put("/templates/tpl_more", OWN), 409, "LIMIT_REACHED", "50", "under the id of one")
    assert api.put("/templates/tpl_7", OWN).status_code == 200
