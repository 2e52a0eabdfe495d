import json
from typing import Any

import msgspec
import pytest

from ingest import json_text
from ingest.items.entities import Entity
from ingest.items.objects import ObjectSchema

SCHEMA = ObjectSchema()


def check(value: Any) -> Any:
    return SCHEMA.check(3, msgspec.Raw(value if isinstance(value, bytes) else json.dumps(value).encode()))


def test_an_object_is_an_entity_whose_id_is_unique_within_its_type() -> None:
    document = b'{"n" : 1.50, "gone": null}'
    good = check(b'{"id": "1", "type": "Order", "properties": ' + document + b"}")
    assert isinstance(good, Entity)
    assert (good.scope, good.type, good.external_id) == ("Order", "Order", "1")
    assert bytes(good.data) == document
    assert json_text.has_null_member(good.data)


@pytest.mark.parametrize("more", [{}, {"properties": None}, {"unknown": [1]}, {"scope": "x", "index": 9}])
def test_what_is_absent_null_or_unknown_changes_nothing(more: dict[str, Any]) -> None:
    good = check({"type": "a", "id": "1", **more})
    assert (good.scope, bytes(good.data)) == ("a", b"{}")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "Object type name is required; Object id is required"),
        ({"type": None, "id": ""}, "Object type name is required; Object id is required"),
        ({"type": 1, "id": 123}, "Object type name must be a string; Object id must be a string"),
        (
            {"type": "t" * 101, "id": "i" * 501},
            "Object type name exceeds 100 characters; Object id exceeds 500 characters",
        ),
        ({"type": "a", "id": "1", "properties": []}, "Object properties must be an object"),
        (
            {"type": "a", "id": "1", "properties": {"x": ["\0"]}},
            "Object properties hold a NUL character, which cannot be stored",
        ),
        ({"type": "a\0", "id": "1"}, "Object type name holds a NUL character, which cannot be stored"),
    ],
)
def test_a_bad_object_says_all_that_is_wrong(item: dict[str, Any], message: str) -> None:
    assert check(item).message == message


def test_a_bad_object_is_told_apart_by_its_id() -> None:
    assert check({"id": "1"}).external_id == "1"
    assert check({"id": 1}).external_id is None
    assert check(b'{"id": "1", "type": "\\ud800"}').external_id == "1"


def test_lengths_at_the_limit_are_taken() -> None:
    good = check({"type": "\U0001f600" * 100, "id": "\U0001f600" * 500})
    assert (len(good.type), len(good.external_id)) == (100, 500)
