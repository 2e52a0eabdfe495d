import json
from typing import Any

import msgspec
import pytest

from ingest import json_text
from ingest.items.entities import Entity, EntitySchema
from ingest.items.templates import Template
from ingest.jobs import ItemError, ItemWarning


def check(template: Template, text: bytes | dict[str, Any]) -> Any:
    sent = text if isinstance(text, bytes) else json.dumps(text).encode()
    return EntitySchema(template).check(7, msgspec.Raw(sent))


def item(**overrides: Any) -> dict[str, Any]:
    return {"entityType": "player", "externalId": "p1", "data": {"email": "a@b.example"}, **overrides}


def test_a_good_entity_keeps_the_senders_own_text(template: Template) -> None:
    document = b'{"email" : "a@b.example", "balance": 145.50, "n": 1e2, "nested": {"a": null}}'
    good = check(template, b'{"entityType": "player", "externalId": "p1", "data": ' + document + b"}")
    assert isinstance(good, Entity)
    assert (good.type, good.external_id, bytes(good.data)) == ("player", "p1", document)


@pytest.mark.parametrize("data", [{}, {"email": None}, {"phone": "1"}, {"Email": "a"}, {"nested": {"email": "a"}}])
def test_a_required_field_that_is_absent_or_null_is_missing(template: Template, data: dict[str, Any]) -> None:
    assert check(template, item(data=data)) == ItemError(
        7, "p1", "VALIDATION_FAILED", 'Missing required field: "email"', field="/data/email"
    )


@pytest.mark.parametrize("email", ["", 0, False, [], {}, "null"])
def test_a_required_field_may_be_any_other_value(template: Template, email: object) -> None:
    assert isinstance(check(template, item(data={"email": email})), Entity)


def test_of_a_required_field_sent_twice_the_last_counts(template: Template) -> None:
    assert isinstance(check(template, json.dumps(item()).replace('"email"', '"email": null, "email"').encode()), Entity)
    twice = b'{"entityType": "player", "externalId": "p1", "data": {"email": 1, "\\u0065mail": null}}'
    assert check(template, twice).message == 'Missing required field: "email"'


def test_fields_that_the_template_does_not_list_are_taken(template: Template) -> None:
    assert isinstance(check(template, item(data={"email": "a", "shoe_size": 46})), Entity)
    assert isinstance(check(template, item(entityType="operator", data={})), Entity)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ship", 'Unknown entity type: "ship"'),
        ("Player", 'Unknown entity type: "Player" (did you mean "player"?)'),
        ("playr", 'Unknown entity type: "playr" (did you mean "player"?)'),
        ("transaction", 'Unknown entity type: "transaction"'),
        (" player", 'Unknown entity type: " player" (did you mean "player"?)'),
    ],
)
def test_an_unknown_type_is_refused_with_a_hint_where_one_is_near(template: Template, name: str, message: str) -> None:
    refused = check(template, item(entityType=name, data={}))
    assert refused == ItemError(7, "p1", "VALIDATION_FAILED", message, field="/entityType")


def test_members_of_other_kinds_are_unknown(template: Template) -> None:
    warnings: list[ItemWarning] = []
    text = msgspec.Raw(json.dumps(item(eventType="session", timestamp=None)).encode())
    assert isinstance(EntitySchema(template).check(7, text, warnings), Entity)
    assert warnings == [
        ItemWarning(7, "UNKNOWN_FIELD", 'Unknown field: "eventType" (did you mean "entityType"?)', "/eventType"),
        ItemWarning(7, "UNKNOWN_FIELD", 'Unknown field: "timestamp"', "/timestamp"),
    ]


@pytest.mark.parametrize(
    ("data", "nulls"), [({"a": None}, True), ({"a": {"b": None}}, False), ({"a": [None]}, False), ({}, False)]
)
def test_only_top_level_nulls_are_removed_by_a_merge(template: Template, data: dict[str, Any], *, nulls: bool) -> None:
    good = check(template, item(entityType="operator", data=data))
    assert json_text.has_null_member(good.data) is nulls
