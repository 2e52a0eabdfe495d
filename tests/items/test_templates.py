import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.items.templates import Template, TypeRules, unknown

_CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def of_schema(**parts: Any) -> Template:
    schema = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}, **parts}
    row = {
        "id": 1,
        "slug": "tpl_x",
        "name": "X",
        "version": "2",
        "schema": json.dumps(schema),
        "created_at": _CREATED_AT,
    }
    return Template.from_row(row)


def test_a_template_shows_the_schema_that_it_was_made_of() -> None:
    schema = {
        "entity_types": {"plane": {"required": ["tail", "maker"], "optional": ["seats"]}},
        "event_types": {"flight": {"required": [], "optional": ["delay"]}},
        "state_keys": ["airborne", "odometer"],
        "pii_fields": {"plane": ["owner"]},
    }
    assert of_schema(**schema).schema() == schema


def test_lists_of_fields_may_be_left_out() -> None:
    template = of_schema(entity_types={"plane": {}})
    assert template.entity_types == {"plane": TypeRules(required=(), optional=())}
    assert template.schema()["entity_types"] == {"plane": {"required": [], "optional": []}}


def test_a_state_key_listed_twice_is_one() -> None:
    assert of_schema(state_keys=["b", "a", "b"]).schema()["state_keys"] == ["b", "a"]


def test_two_versions_are_two_templates_even_where_they_say_the_same() -> None:
    assert of_schema() != of_schema()
    assert len({of_schema(), of_schema()}) == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("plane", ' (did you mean "plane"?)'),
        ("plan", ' (did you mean "plane"?)'),
        ("Flight", ' (did you mean "flight"?)'),
        ("ship", ""),
        ("", ""),
        ("'plane\"", ' (did you mean "plane"?)'),
    ],
)
def test_a_hint_is_added_where_a_name_is_near(name: str, hint: str) -> None:
    assert unknown("event type", name, ["plane", "flight"]) == f'Unknown event type: "{name}"{hint}'


def test_a_hint_costs_little_even_for_a_name_of_a_megabyte() -> None:
    assert unknown("entity type", "plane" * 200_000, ["plane"]).startswith('Unknown entity type: "planeplane')
