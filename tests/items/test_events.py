import json
from typing import Any

import msgspec
import pytest

from ingest.items.events import Event, EventSchema
from ingest.items.templates import Template
from ingest.jobs import ItemError


def check(template: Template, **overrides: Any) -> Any:
    members = {"externalId": "p1", "eventType": "transaction", "data": {"type": "deposit", "amount": 1}, **overrides}
    return EventSchema(template).check(7, msgspec.Raw(json.dumps(members).encode()))


def test_a_good_event_keeps_the_senders_own_text(template: Template) -> None:
    good = check(template, data={"type": "deposit", "amount": 145.5, "note": None})
    assert isinstance(good, Event)
    assert (good.external_id, good.type, good.occurred_at) == ("p1", "transaction", None)
    assert bytes(good.data) == b'{"type": "deposit", "amount": 145.5, "note": null}'


@pytest.mark.parametrize("event_id", ["e", "é" * 255, " ", "."])
def test_an_event_keeps_the_id_that_its_sender_gave_it(template: Template, event_id: str) -> None:
    assert check(template, eventId=event_id).event_id == event_id


def test_an_event_id_of_null_is_as_absent(template: Template) -> None:
    assert check(template, eventId=None) == check(template)
    assert check(template).event_id is None


@pytest.mark.parametrize(
    ("event_id", "message"),
    [
        ("", 'Field "eventId" must be 1 to 255 characters long'),
        ("e" * 256, 'Field "eventId" must be 1 to 255 characters long'),
        (7, 'Field "eventId" must be a string'),
        ({}, 'Field "eventId" must be a string'),
        ("a\0", 'Field "eventId" holds a NUL character (\\u0000), which cannot be stored'),
    ],
)
def test_a_bad_event_id_makes_a_bad_event(template: Template, event_id: object, message: str) -> None:
    refused = check(template, eventId=event_id)
    assert refused == ItemError(7, "p1", "VALIDATION_FAILED", message, malformed=True, field="/eventId")


def test_every_required_field_that_is_missing_is_named(template: Template) -> None:
    message = 'Missing required field: "type"; Missing required field: "amount"'
    refused = check(template, data={"amount": None})
    assert refused == ItemError(7, "p1", "VALIDATION_FAILED", message, field="/data/type")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("launch", 'Unknown event type: "launch"'),
        ("transaction.deposit", 'Unknown event type: "transaction.deposit" (did you mean "transaction"?)'),
        ("player", 'Unknown event type: "player"'),
    ],
)
def test_an_unknown_type_is_refused_dotted_ones_included(template: Template, name: str, message: str) -> None:
    assert check(template, eventType=name) == ItemError(7, "p1", "VALIDATION_FAILED", message, field="/eventType")


def test_members_of_other_kinds_are_unknown(template: Template) -> None:
    text = msgspec.Raw(b'{"externalId": "p1", "eventType": "session", "data": {}, "entityType": "player"}')
    refused = EventSchema(template).check(7, text, strict=True)
    message = 'Unknown field: "entityType" (did you mean "eventType"?)'
    assert refused == ItemError(7, "p1", "UNKNOWN_FIELD", message, field="/entityType")
