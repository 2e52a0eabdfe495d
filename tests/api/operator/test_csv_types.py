"""docs/contracts/templates.md: CSV cells without a type in their header take the type of their field."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api, data

SHOP: dict[str, Any] = {
    "entity_types": {
        "customer": {
            "required": ["code"],
            "fields": {
                "code": {"type": "string"},
                "age": {"type": "integer", "minimum": 0},
                "vip": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "level": {"enum": [1, 2]},
                "score": {"type": ["number", "null"]},
                "address": {"type": "object", "properties": {"zip": {"type": "integer"}, "city": {"type": "string"}}},
            },
        },
        "shop": {"required": ["code"], "fields": {"code": {"type": "integer"}, "age": {"type": "string"}}},
    },
    "state_keys": ["basket", "mood"],
    "states": {"basket": {"type": "array"}},
}


@pytest.fixture
def send(api: Api, run_jobs: Callable[[], int]) -> Callable[..., list[tuple[int, str | None, str]]]:
    """Send CSV, and return the errors of its rows."""
    data(api.put("/templates/tpl_shop", {"name": "Shop", "schema": SHOP}))
    data(api.put("/settings", {"templateId": "tpl_shop"}))

    def post(path: str, body: str) -> list[tuple[int, str | None, str]]:
        accepted = api.post(path, body=body.encode(), Content_Type="text/csv")
        run_jobs()
        errors = api.job(accepted)["output"]["errors"]
        return [(error["index"], error["field"], error["message"]) for error in errors]

    return post


def stored(api: Api, external_id: str) -> Any:
    return data(api.get(f"/entities/{external_id}"))["data"]


def test_a_cell_takes_the_type_of_its_field(api: Api, send: Callable[..., Any]) -> None:
    body = (
        "externalId,code,age,vip,tags,level,score,address.zip,address.city,other\n"
        'c1,007,36,true,"[""a""]",2,null,75001,1,5\n'
        "c2,1,,,,,1.50,,,\n"
    )
    assert send("/batch/entities?entityType=customer", body) == []
    assert stored(api, "c1") == {
        "code": "007",
        "age": 36,
        "vip": True,
        "tags": ["a"],
        "level": 2,
        "score": None,
        "address": {"zip": 75001, "city": "1"},
        "other": "5",
    }
    assert stored(api, "c2") == {"code": "1", "score": 1.5}


def test_a_cell_that_cannot_be_of_its_type_is_an_error_of_its_row(send: Callable[..., Any]) -> None:
    body = "externalId,code,age,vip\nc1,a,young,true\nc2,a,1,yes\nc3,a,1.5,true\nc4,a,1,true\n"
    assert send("/batch/entities?entityType=customer", body) == [
        (0, "/data/age", 'Column "age" must be a number as JSON writes it, such as 145.50'),
        (1, "/data/vip", 'Column "vip" must be true or false'),
        (2, "/data/age", 'Field "age" must be an integer, not a number with a fraction'),
    ]


def test_a_suffix_in_the_header_counts_more_than_the_template(send: Callable[..., Any]) -> None:
    [error] = send("/batch/entities?entityType=customer", "externalId,code,age:string\nc1,a,1\n")
    assert error == (0, "/data/age", 'Field "age" must be an integer, not a string')


def test_each_row_has_the_types_of_its_own_item(api: Api, send: Callable[..., Any]) -> None:
    body = "externalId,entityType,code,age\nc1,customer,1,2\ns1,shop,1,2\nx,ghost,1,2\ns2,shop,a,b\nc2,customer,1\n"
    errors = send("/batch/entities", body)
    assert [(index, message[:20]) for index, _, message in errors] == [
        (2, "Unknown entity type:"),
        (3, 'Column "code" must b'),
        (4, "The row has 3 cells "),
    ]
    assert stored(api, "c1") == {"code": "1", "age": 2}
    assert stored(api, "s1") == {"code": 1, "age": "2"}


def test_values_of_states_have_the_types_of_their_keys(api: Api, send: Callable[..., Any]) -> None:
    assert send("/batch/entities?entityType=customer", "externalId,code\nc1,a\n") == []
    assert send("/batch/states", "externalId,stateKey,value\nc1,basket,[1]\nc1,mood,[1]\n") == []
    values = {state["stateKey"]: state["value"] for state in data(api.get("/entities/c1/state"))}
    assert values == {"basket": [1], "mood": "[1]"}
