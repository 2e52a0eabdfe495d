"""docs/contracts/templates.md: types in templates, from the template to the stored item."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api, data, refused

CUSTOMER: dict[str, Any] = {
    "required": ["email"],
    "optional": ["name"],
    "fields": {
        "email": {"type": "string", "format": "email"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "nickname": {"type": ["string", "null"], "maxLength": 5},
    },
}


def shop(additional: str | None = None, **parts: Any) -> dict[str, Any]:
    customer = CUSTOMER if additional is None else {**CUSTOMER, "additional": additional}
    schema = {
        "entity_types": {"customer": customer},
        "event_types": {"order": {"required": ["total"], "optional": [], "fields": {"total": {"minimum": 0.1}}}},
        "state_keys": ["basket", "mood"],
        "states": {"basket": {"type": "array", "maxItems": 2}},
        "pii_fields": {"customer": ["email"]},
        **parts,
    }
    return {"name": "Shop", "version": "2.0", "schema": schema}


@pytest.fixture
def store(api: Api) -> Callable[..., None]:
    """Give the tenant the typed template."""

    def put(additional: str | None = None) -> None:
        data(api.put("/templates/tpl_shop", shop(additional)))
        data(api.put("/settings", {"templateId": "tpl_shop"}))

    return put


def customer(number: int, **members: Any) -> dict[str, Any]:
    return {"externalId": f"c{number}", "entityType": "customer", "data": {"email": "ada@example.com", **members}}


def test_a_template_shows_its_types(api: Api, store: Callable[..., None]) -> None:
    store("warn")
    [template] = [template for template in data(api.get("/templates")) if template["id"] == "tpl_shop"]
    assert template["schema"] == shop("warn")["schema"]


def test_the_numbers_of_a_type_keep_their_digits(api: Api) -> None:
    body = b"""{"name": "X", "schema": {"entity_types": {"a": {"fields":
        {"n": {"maximum": 12345678901234567890.10}}}}, "event_types": {}}}"""
    assert "12345678901234567890.10" in api.put("/templates/tpl_x", body=body).text
    assert "12345678901234567890.10" in api.get("/templates").text


def test_wrong_items_are_told_of_with_their_place_and_sink_no_other(
    api: Api, store: Callable[..., None], run_jobs: Callable[[], int]
) -> None:
    store()
    accepted = api.post(
        "/batch/entities",
        [
            customer(0, age=36, address={"city": "Paris"}, nickname=None, other=1),
            customer(1, age="36"),
            customer(2, address={}, nickname="Adalovelace"),
            customer(3, email="nobody"),
            customer(4, age=None),
        ],
    )
    run_jobs()
    job = api.job(accepted)
    assert job["effects"]["created"] == 2
    assert [(error["index"], error["field"], error["message"]) for error in job["output"]["errors"]] == [
        (1, "/data/age", 'Field "age" must be an integer, not a string'),
        (
            2,
            "/data/address/city",
            'Missing required field: "address.city"; Field "nickname" must have at most 5 characters, not 11',
        ),
        (3, "/data/email", 'Field "email" must be an e-mail address such as "ada@example.com"'),
    ]


def test_events_and_states_are_held_to_their_types(
    api: Api, store: Callable[..., None], run_jobs: Callable[[], int]
) -> None:
    store()
    api.post("/batch/entities", [customer(0)])
    totals = (1, 0.05)
    events = api.post(
        "/batch/events", [{"externalId": "c0", "eventType": "order", "data": {"total": total}} for total in totals]
    )
    values = (("basket", [1]), ("basket", 1), ("mood", 1))
    states = api.post("/batch/states", [{"externalId": "c0", "stateKey": key, "value": value} for key, value in values])
    run_jobs()
    [late] = api.job(events)["output"]["errors"]
    assert (late["index"], late["field"]) == (1, "/data/total")
    assert late["message"] == 'Field "total" must be at least 0.1, not 0.05'
    [wrong] = api.job(states)["output"]["errors"]
    assert (wrong["index"], wrong["field"]) == (1, "/value")
    assert wrong["message"] == 'Field "value" must be an array, not an integer'


def test_a_single_write_is_held_to_its_type(api: Api, store: Callable[..., None]) -> None:
    store()
    message = 'Field "age" must be at least 0, not -1'
    refused(api.post("/entities", customer(0, age=-1)), 400, "VALIDATION_FAILED", message)
    assert api.post("/entities", customer(0, age=1)).status_code == 201


@pytest.mark.parametrize(
    ("additional", "stored", "warning"),
    [
        ("store", True, None),
        ("warn", True, 'Unknown field: "nme" (did you mean "name"?); it is stored all the same'),
        ("drop", False, 'Unknown field: "nme" (did you mean "name"?); it is not stored'),
    ],
)
def test_members_that_a_type_does_not_list_are_stored_warned_of_or_dropped(
    api: Api, store: Callable[..., None], additional: str, *, stored: bool, warning: str | None
) -> None:
    store(additional)
    answer = data(api.post("/entities", customer(0, nme="Ada", age=1.0)))
    found = [(told["field"], told["message"]) for told in answer.get("warnings", {"first": []})["first"]]
    assert found == ([("/data/nme", warning)] if warning else [])
    read = api.get("/entities/c0")
    assert ("nme" in data(read)["data"]) is stored
    assert '"age":1.0' in read.text.replace(" ", "")


def test_members_that_a_type_does_not_list_are_refused_where_it_says_so(api: Api, store: Callable[..., None]) -> None:
    store("refuse")
    message = 'Unknown field: "nme" (did you mean "name"?)'
    refused(api.post("/entities", customer(0, nme="Ada")), 400, "VALIDATION_FAILED", message)


def test_a_merge_is_checked_on_what_is_sent(api: Api, store: Callable[..., None]) -> None:
    store()
    data(api.post("/entities", customer(0, age=1)))
    data(api.post("/entities?mode=merge", customer(0, nickname="A")))
    refused(api.post("/entities?mode=merge", customer(0, age="x")), 400, "VALIDATION_FAILED", "age")
    assert data(api.get("/entities/c0"))["data"]["age"] == 1


@pytest.mark.parametrize(
    ("parts", "texts"),
    [
        (
            {"entity_types": {"a": {"fields": {"n": {"type": "text"}, "m": {"minimun": 0}}}}},
            ["/schema/entity_types/a/fields/n/type must be one of string", "/m/minimun is no keyword", '"minimum"'],
        ),
        ({"event_types": {"a": {"fields": {"n": 1}}}}, ["/schema/event_types/a/fields/n must be a JSON Schema"]),
        ({"states": {"basket": {"pattern": "(?=a)"}}}, ["/schema/states/basket/pattern", "linear time"]),
        ({"states": {"unknown": {}}}, ["Not among state_keys: unknown"]),
        ({"entity_types": {"a": {"additional": "ignore"}}}, ["additional", "store, warn, drop, refuse"]),
        (
            {"states": {"basket": {"properties": {f"p{n}": {} for n in range(1_000)}}}},
            ["describe 1007 values; the most is 1000"],
        ),
    ],
)
def test_a_wrong_type_is_refused_with_the_place_of_each_mistake(
    api: Api, parts: dict[str, Any], texts: list[str]
) -> None:
    template = shop(**{"pii_fields": {}, **parts})
    refused(api.put("/templates/tpl_shop", template), 400, "INVALID_INPUT", *texts)
