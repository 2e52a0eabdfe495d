"""docs/contracts/templates.md: the JSON Schema of items, and the files to start from, are those of the checks."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.api.conftest import Api, data, refused

SHOP: dict[str, Any] = {
    "entity_types": {
        "customer": {
            "required": ["email", "code"],
            "optional": ["name"],
            "fields": {
                "email": {"type": "string", "format": "email"},
                "code": {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["ABC"]},
                "age": {"type": "integer", "minimum": 18},
                "score": {"type": "number", "multipleOf": 0.1, "minimum": 0.35},
                "vip": {"type": "boolean"},
                "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                "unguessed": {"type": "string", "pattern": "^[0-9]+$"},
                "empty": {"const": ""},
                "suffixed:number": {"type": "string"},
            },
            "additional": "refuse",
        },
        # The same names with other types, and a name that no column has.
        "depot": {"required": ["code"], "optional": ["a.b"], "fields": {"code": {"type": "integer"}}},
        "shop": {"required": ["code"], "fields": {"code": {"type": "integer"}, "vip": {"type": "boolean"}}},
    },
    "event_types": {
        "order": {"required": ["total"], "fields": {"total": {"exclusiveMinimum": 0, "maximum": 0.5}}},
        "visit": {"required": [], "optional": []},
    },
    "state_keys": ["basket", "mood"],
    "states": {"basket": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True}},
}


@pytest.fixture(params=["tpl_igaming", "tpl_shop"])
def template(request: pytest.FixtureRequest, api: Api) -> str:
    """The id of the template that the tenant has chosen."""
    if request.param == "tpl_shop":
        data(api.put("/templates/tpl_shop", {"name": "Shop", "schema": SHOP}))
    data(api.put("/settings", {"templateId": request.param}))
    return str(request.param)


@pytest.mark.parametrize(("file", "media"), [("example.csv", "text/csv"), ("example.ndjson", "application/x-ndjson")])
def test_a_batch_takes_the_file_to_start_from_without_an_error(
    api: Api, template: str, run_jobs: Callable[[], int], file: str, media: str
) -> None:
    for kind in ("entities", "events", "states"):
        sent = api.get(f"/templates/{template}/{file}?kind={kind}")
        assert sent.headers["Content-Type"].split(";")[0] == media
        accepted = api.post(f"/batch/{kind}", body=sent.data, Content_Type=media)
        run_jobs()
        job = api.job(accepted)
        assert job["output"]["errors"] == []
        assert job["warnings"]["count"] == 0
        assert job["output"]["succeeded"] == job["total"] >= 2


def test_the_file_has_a_good_value_for_each_field_of_which_one_is_known(api: Api) -> None:
    data(api.put("/templates/tpl_shop", {"name": "Shop", "schema": SHOP}))
    lines = api.get("/templates/tpl_shop/example.ndjson").text.splitlines()
    assert [json.loads(line)["externalId"] for line in lines] == ["example-1", "example-2", "example-3"]
    assert {json.loads(line)["entityType"]: json.loads(line)["data"] for line in lines} == {
        "customer": {
            "email": "ada@example.com",
            "code": "ABC",
            "name": "text",
            "age": 18,
            "score": 1,
            "vip": True,
            "address": {"city": "text"},
            "empty": "",
            "suffixed:number": "text",
        },
        "depot": {"code": 1, "a.b": "text"},
        "shop": {"code": 1, "vip": True},
    }
    assert api.get("/templates/tpl_shop/example.csv").text == (
        "externalId,entityType,code:json,vip:boolean,email,name,age:number,empty:json,score:number,address:json,"
        "suffixed:number:string\n"
        "example-1,shop,1,true,,,,,,,\n"
        'example-3,customer,"""ABC""",true,ada@example.com,text,18,"""""",1,"{""city"":""text""}",text\n'
    )
    assert api.get("/templates/tpl_shop/example.csv?kind=states").text == (
        'externalId,stateKey,value:json\nexample-1,basket,"[1,2]"\nexample-1,mood,"""text"""\n'
    )


def test_a_required_field_without_a_known_example_has_a_question_mark(api: Api) -> None:
    types = {"a": {"required": ["code"], "optional": [], "fields": {"code": {"pattern": "^[A-Z]{3}$"}}}}
    data(api.put("/templates/tpl_x", {"name": "X", "schema": {"entity_types": types}}))
    assert '"data":{"code":"?"}' in api.get("/templates/tpl_x/example.ndjson").text


def test_the_json_schema_takes_the_examples_and_is_the_schema_itself(api: Api, template: str) -> None:
    for kind in ("entities", "events", "states"):
        schema = api.get(f"/templates/{template}/json-schema?kind={kind}").get_json()
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        items = api.get(f"/templates/{template}/example.ndjson?kind={kind}")
        for line in items.text.splitlines():
            validator.validate(json.loads(line))
            assert not validator.is_valid({**json.loads(line), "externalId": ""})


def test_the_numbers_of_a_schema_keep_their_digits(api: Api) -> None:
    body = (
        b"""{"name": "X", "schema": {"entity_types": {"a": {"fields": {"n": {"maximum": 12345678901234567890.10}}}}}}"""
    )
    api.put("/templates/tpl_x", body=body)
    assert '"maximum":12345678901234567890.10' in api.get("/templates/tpl_x/json-schema").text


@pytest.mark.parametrize("file", ["json-schema", "example.csv", "example.ndjson"])
def test_a_template_that_is_not_there_or_another_tenants_is_404(
    api: Api, new_api: Callable[..., Api], file: str
) -> None:
    data(new_api().put("/templates/tpl_other", {"name": "X", "schema": {"entity_types": {}}}))
    refused(api.get(f"/templates/tpl_other/{file}"), 404, "NOT_FOUND", "tpl_other")
    refused(
        api.get(f"/templates/tpl_igaming/{file}?kind=objects"), 400, "INVALID_INPUT", "entities or events or states"
    )


def test_a_number_that_would_read_back_as_megabytes_is_no_part_of_a_template(api: Api) -> None:
    body = b'{"name": "X", "schema": {"entity_types": {"a": {"fields": {"n": {"minLength": 1e999999999}}}}}}'
    refused(api.put("/templates/tpl_x", body=body), 400, "INVALID_INPUT", "exponent is beyond 999")
