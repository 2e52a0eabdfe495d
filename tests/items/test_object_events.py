import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ingest.items.object_events import LinkedObject, ObjectEvent, ObjectEventSchema

SCHEMA = ObjectEventSchema()


def check(value: Any) -> Any:
    return SCHEMA.check(3, msgspec.Raw(value if isinstance(value, bytes) else json.dumps(value).encode()))


def test_an_event_links_its_objects_in_the_order_sent() -> None:
    good = check(
        b'{"event": "Paid", "timestamp": "2024-01-15T12:30:00+02:00", "properties": {"n": 1.50, "x": null},'
        b' "objects": [{"type": "Order", "id": "1", "properties": {"paid":  true}},'
        b' {"type": "Account", "id": "1", "qualifier": "from"}]}'
    )
    assert isinstance(good, ObjectEvent)
    assert (good.type, good.occurred_at) == ("Paid", datetime(2024, 1, 15, 10, 30, tzinfo=UTC))
    assert bytes(good.data) == b'{"n": 1.50, "x": null}'
    assert good.links == [
        LinkedObject("1", "Order", msgspec.Raw(b'{"paid":  true}'), ""),
        LinkedObject("1", "Account", msgspec.Raw(b"{}"), "from"),
    ]
    assert [link.scope for link in good.links] == ["Order", "Account"]


@pytest.mark.parametrize("qualifier", [None, ""])
@pytest.mark.parametrize("more", [{}, {"timestamp": None, "properties": None}, {"more": 1}])
def test_what_is_absent_null_or_unknown_changes_nothing(more: dict[str, Any], qualifier: str | None) -> None:
    thing = {"type": "a", "id": "1", "qualifier": qualifier, "properties": None, "more": {}}
    good = check({"event": "e", "objects": [thing], **more})
    assert (good.occurred_at, bytes(good.data)) == (None, b"{}")
    assert good.links == [LinkedObject("1", "a", msgspec.Raw(b"{}"), "")]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "At least one object is required"),
        (None, "At least one object is required"),
        ({}, "Objects must be a list"),
        ("x", "Objects must be a list"),
        ([1], "The item must be an object"),
        ([{"type": "a", "id": "1", "qualifier": 1}], "Qualifier must be a string"),
        ([{"type": "a"}, {"id": "1"}], "Object id is required; Object type name is required"),
    ],
)
def test_bad_objects_make_a_bad_event(objects: Any, message: str) -> None:
    assert check({"event": "e", "objects": objects}).message == message


@pytest.mark.parametrize("event_id", ["e", "é" * 255, None])
def test_an_event_keeps_the_id_that_its_sender_gave_it(event_id: str | None) -> None:
    assert check({"event": "e", "objects": [{"type": "a", "id": "1"}], "event_id": event_id}).event_id == event_id


@pytest.mark.parametrize(
    ("event_id", "message"),
    [
        ("", "Event id must not be empty"),
        ("e" * 256, "Event id exceeds 255 characters"),
        (7, "Event id must be a string"),
        ("a\0", "Event id holds a NUL character, which cannot be stored"),
    ],
)
def test_a_bad_event_id_makes_a_bad_event(event_id: object, message: str) -> None:
    assert check({"event": "e", "objects": [{"type": "a", "id": "1"}], "event_id": event_id}).message == message


def test_of_a_member_sent_twice_the_last_counts() -> None:
    good = check(b'{"event": 1, "objects": 1, "event": "e", "objects": [{"type": "a", "id": "1"}]}')
    assert (good.type, len(good.links)) == ("e", 1)
