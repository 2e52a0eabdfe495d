import json
from typing import Any

import msgspec
import pytest

from ingest.items.states import State, StateSchema
from ingest.items.templates import Template
from ingest.jobs import ItemError


def check(template: Template, text: bytes | dict[str, Any]) -> Any:
    sent = text if isinstance(text, bytes) else json.dumps(text).encode()
    return StateSchema(template).check(7, msgspec.Raw(sent))


@pytest.mark.parametrize(
    "value",
    [b"null", b"0", b"145.50", b"9" * 40, b"false", b'""', b"[]", b"{}", b'{"a": [null, 1e400]}', b'"\\\\u0000"'],
)
def test_a_value_is_any_json_and_kept_as_it_was_sent(template: Template, value: bytes) -> None:
    good = check(template, b'{"externalId": "p1", "stateKey": "balance", "value":  ' + value + b" }")
    assert isinstance(good, State)
    assert (good.external_id, good.key, bytes(good.value)) == ("p1", "balance", value)


def test_a_value_must_be_there(template: Template) -> None:
    refused = check(template, {"externalId": "p1", "stateKey": "balance"})
    message = 'Missing required field: "value"'
    assert refused == ItemError(7, "p1", "VALIDATION_FAILED", message, malformed=True, field="/value")


@pytest.mark.parametrize("value", ["\0", {"\0": 1}, [["a\0"]]])
def test_a_value_with_a_nul_is_refused(template: Template, value: object) -> None:
    refused = check(template, {"externalId": "p1", "stateKey": "balance", "value": value})
    assert refused.message == 'Field "value" holds a NUL character (\\u0000), which cannot be stored'


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("mood", 'Unknown state key: "mood"'),
        ("balanc", 'Unknown state key: "balanc" (did you mean "balance"?)'),
        ("Balance", 'Unknown state key: "Balance" (did you mean "balance"?)'),
    ],
)
def test_a_key_that_the_template_does_not_list_is_refused(template: Template, key: str, message: str) -> None:
    refused = check(template, {"externalId": "p1", "stateKey": key, "value": 1})
    assert refused == ItemError(7, "p1", "VALIDATION_FAILED", message, field="/stateKey")


def test_members_of_other_kinds_are_unknown(template: Template) -> None:
    members = {"externalId": "p1", "stateKey": "balance", "value": 1, "data": {}}
    refused = StateSchema(template).check(7, msgspec.Raw(json.dumps(members).encode()), strict=True)
    assert refused == ItemError(7, "p1", "UNKNOWN_FIELD", 'Unknown field: "data"', field="/data")
