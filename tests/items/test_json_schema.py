"""The JSON Schema of an item takes what the marshmallow schemas take, and refuses what they refuse."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest import json_text
from ingest.engine.kinds import KINDS
from ingest.items.examples import example_items
from ingest.items.json_schema import json_schema
from ingest.items.templates import ADDITIONAL, Template, TypeRules, exact_json
from ingest.jobs import ItemError
from tests.items.types.test_agreement import DEFINITIONS, VALUES, Validator


def make_template(**parts: Any) -> Template:
    values: dict[str, Any] = {
        "id": 1,
        "slug": "tpl_x",
        "name": "X",
        "version": "1",
        "entity_types": {},
        "event_types": {},
        "state_keys": {},
        "pii_fields": {},
        "created_at": datetime.now(UTC),
    }
    return Template(**{**values, **parts})


TYPED = make_template(
    entity_types={
        "customer": TypeRules(
            ("email",),
            ("name",),
            {
                "email": {"type": "string"},
                "age": {"type": "integer", "minimum": 0},
                "nick": {"type": ["string", "null"], "maxLength": 3},
                "vip": False,
            },
            "refuse",
        ),
        "shop": TypeRules(("city", "zip"), fields={"zip": {"maxLength": 3}}),
    },
    event_types={"order": TypeRules(("total",), fields={"total": {"type": ["number", "null"]}})},
    state_keys={"basket": None, "mood": None},
    states={"basket": {"type": "array", "maxItems": 1}},
)


def agree(template: Template, kind: str, item: Any) -> bool:
    """Return whether an item is good, of which both are of one mind."""
    schema = KINDS[kind].schema(template)
    text = msgspec.Raw(exact_json(item))
    good = not isinstance(schema.check(0, text), ItemError)
    document = json_text.decode(exact_json(json_schema(schema)))
    Validator.check_schema(msgspec.json.decode(exact_json(document)))
    assert Validator(document).is_valid(json_text.decode(text)) is good
    return good


CUSTOMER = {"entityType": "customer", "externalId": "c"}
EVENT = {"eventType": "order", "externalId": "c", "data": {"total": 1}}


@pytest.mark.parametrize(
    ("kind", "item", "good"),
    [
        ("entities", {**CUSTOMER, "data": {"email": "a", "age": None, "nick": None, "name": 1, "vip": None}}, True),
        ("entities", {**CUSTOMER, "data": {"email": "a"}, "unknown": 1}, True),
        ("entities", {**CUSTOMER, "data": {"email": None}}, False),
        ("entities", {**CUSTOMER, "data": {}}, False),
        ("entities", {**CUSTOMER, "data": {"email": "a", "age": -1}}, False),
        ("entities", {**CUSTOMER, "data": {"email": "a", "vip": 1}}, False),
        ("entities", {**CUSTOMER, "data": {"email": "a", "other": 1}}, False),
        ("entities", {**CUSTOMER, "data": []}, False),
        ("entities", {**CUSTOMER, "externalId": "", "data": {"email": "a"}}, False),
        ("entities", {**CUSTOMER, "externalId": "a" * 501, "data": {"email": "a"}}, False),
        ("entities", {**CUSTOMER, "externalId": "a\0b", "data": {"email": "a"}}, False),
        ("entities", {"entityType": "custmer", "externalId": "c", "data": {"email": "a"}}, False),
        ("entities", {"externalId": "c", "data": {"email": "a"}}, False),
        ("entities", {"entityType": "shop", "externalId": "c", "data": {"city": 1, "zip": 2, "other": 3}}, True),
        ("entities", {"entityType": "shop", "externalId": "c", "data": {"city": None, "zip": 2}}, False),
        ("entities", {"entityType": "shop", "externalId": "c", "data": {"city": 1, "zip": None}}, False),
        ("events", EVENT, True),
        ("events", {**EVENT, "data": {"total": None}}, False),
        ("events", {**EVENT, "timestamp": None, "eventId": None}, True),
        ("events", {**EVENT, "timestamp": "2026-04-06T12:00Z", "eventId": "e" * 255}, True),
        ("events", {**EVENT, "timestamp": "2026-04-06"}, False),
        ("events", {**EVENT, "timestamp": 1}, False),
        ("events", {**EVENT, "eventId": ""}, False),
        ("states", {"externalId": "c", "stateKey": "basket", "value": [None]}, True),
        ("states", {"externalId": "c", "stateKey": "basket", "value": None}, False),
        ("states", {"externalId": "c", "stateKey": "mood", "value": None}, True),
        ("states", {"externalId": "c", "stateKey": "mood"}, False),
        ("states", {"externalId": "c", "stateKey": "moon", "value": 1}, False),
        ("states", 1, False),
    ],
)
def test_the_schema_and_the_check_are_of_one_mind(kind: str, item: Any, *, good: bool) -> None:
    assert agree(TYPED, kind, item) is good


def test_the_schema_of_a_template_without_names_takes_nothing() -> None:
    assert not agree(make_template(), "entities", {**CUSTOMER, "data": {}})


_NAMES = st.sampled_from(["a", "b", "c", "d"])
_RULES = st.builds(
    TypeRules,
    st.lists(_NAMES, max_size=2, unique=True).map(tuple),
    st.lists(_NAMES, max_size=1).map(tuple),
    st.dictionaries(_NAMES, DEFINITIONS, max_size=2),
    st.sampled_from(ADDITIONAL),
)


@given(_RULES, st.dictionaries(_NAMES, VALUES, max_size=3))
@example(TypeRules(("a",), fields={"a": {"type": ["null", "string"]}}), {"a": None})
@example(TypeRules(("a",), fields={"a": True}, additional="refuse"), {"a": None})
@example(TypeRules((), fields={"a": {"enum": [1, None]}}), {"a": None})
def test_any_rules_and_any_data(rules: TypeRules, data: dict[str, Any]) -> None:
    template = make_template(entity_types={"customer": rules})
    agree(template, "entities", {**CUSTOMER, "data": data})


@given(_RULES)
def test_examples_are_good_unless_one_is_unknown(rules: TypeRules) -> None:
    template = make_template(entity_types={"customer": rules}, event_types={"order": rules})
    for kind in ("entities", "events"):
        [item] = example_items(template, kind, datetime.now(UTC))
        if "?" not in item["data"].values():
            assert agree(template, kind, item)
