"""Checks that all kinds share, tested with events: the shape of an item, names, ids and timestamps."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.items.events import Event, EventSchema
from ingest.items.schema import ItemSchema
from ingest.items.templates import Template
from ingest.jobs import ItemError


@pytest.fixture
def schema(template: Template) -> ItemSchema:
    return EventSchema(template)


def check(schema: ItemSchema, text: bytes) -> Any:
    return schema.check(7, msgspec.Raw(text))


def item(**overrides: Any) -> bytes:
    return json.dumps({"externalId": "p1", "eventType": "session", "data": {}, **overrides}).encode()


def refusal(schema: ItemSchema, text: bytes) -> str:
    refused = check(schema, text)
    assert isinstance(refused, ItemError)
    assert refused.index == 7
    assert refused.code == "VALIDATION_FAILED"
    assert refused.malformed
    return refused.message


@pytest.mark.parametrize("text", [b"null", b"1", b"1.50", b'"a"', b"[]", b"[{}]", b"true", b"false"])
def test_an_item_must_be_an_object(schema: ItemSchema, text: bytes) -> None:
    assert refusal(schema, text) == "The item must be a JSON object"


def test_all_that_is_wrong_is_said_at_once(schema: ItemSchema) -> None:
    assert refusal(schema, b'{"eventType": 1, "colour": "red", "timestamp": 5}') == (
        'Missing required field: "externalId"; Field "eventType" must be a string; Missing required field: "data"; '
        'Field "timestamp" must be a timestamp such as "2026-04-06T12:00:01.500Z"; Unknown field: "colour"'
    )


def test_of_equal_members_the_last_counts(schema: ItemSchema) -> None:
    good = check(schema, b'{"externalId": 1, "eventType": "session", "data": [], "data": {}, "externalId": "p1"}')
    assert good == Event("p1", "session", good.data)
    assert bytes(good.data) == b"{}"


@pytest.mark.parametrize("name", ["externalId", "eventType"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, [["a"]]])
def test_a_name_or_an_id_must_be_a_string(schema: ItemSchema, name: str, value: object) -> None:
    assert refusal(schema, item(**{name: value})) == f'Field "{name}" must be a string'


@pytest.mark.parametrize("name", ["externalId", "eventType", "data"])
def test_null_is_as_good_as_missing(schema: ItemSchema, name: str) -> None:
    members = json.loads(item())
    del members[name]
    message = f'Missing required field: "{name}"'
    assert refusal(schema, json.dumps(members).encode()) == message
    assert refusal(schema, item(**{name: None})) == message


@pytest.mark.parametrize(
    "external_id", ["a", "x" * 500, "\U0001f600" * 500, "a/b c%20", " ", "'; DROP TABLE", "\x7f\x01"]
)
def test_an_id_is_any_text_of_1_to_500_characters(schema: ItemSchema, external_id: str) -> None:
    assert check(schema, item(externalId=external_id)).external_id == external_id


@pytest.mark.parametrize("external_id", ["", "x" * 501, "\U0001f600" * 501, "x" * 100_000])
def test_an_id_of_another_length_is_refused(schema: ItemSchema, external_id: str) -> None:
    assert refusal(schema, item(externalId=external_id)) == 'Field "externalId" must be 1 to 500 characters long'


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_is_1_to_200_characters(schema: ItemSchema, name: str) -> None:
    assert refusal(schema, item(eventType=name)) == 'Field "eventType" must be 1 to 200 characters long'
    longest: ItemError = check(schema, item(eventType="x" * 200))
    assert longest.message.startswith("Unknown event type:")


@pytest.mark.parametrize("name", ["externalId", "eventType"])
def test_a_name_or_an_id_with_a_nul_is_refused(schema: ItemSchema, name: str) -> None:
    message = f'Field "{name}" holds a NUL character (\\u0000), which cannot be stored'
    assert refusal(schema, item(**{name: "a\0b"})) == message


@pytest.mark.parametrize("data", [{"a": "\0"}, {"\0": 1}, {"a": [{"b": ["x\0y"]}]}])
def test_a_nul_anywhere_in_a_document_is_refused(schema: ItemSchema, data: object) -> None:
    assert refusal(schema, item(data=data)) == 'Field "data" holds a NUL character (\\u0000), which cannot be stored'


@pytest.mark.parametrize("data", [None, 1, "{}", [], True, [{}]])
def test_data_must_be_an_object(schema: ItemSchema, data: object) -> None:
    message = refusal(schema, item(data=data))
    assert message == ('Missing required field: "data"' if data is None else 'Field "data" must be an object')


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDBFF", rb"\udc00", rb"\uDFFF", rb"\ude00\ud83d"])
@pytest.mark.parametrize(
    ("text", "external_id"),
    [
        (b'{"externalId": "p1", "eventType": "session", "data": {"a": "%s"}}', "p1"),
        (b'{"externalId": "p1", "eventType": "session", "data": {"%s": 1}}', "p1"),
        (b'{"externalId": "p1", "eventType": "%s", "data": {}}', "p1"),
        (b'{"externalId": "p1", "%s": 1}', "p1"),
        (b'{"externalId": {"a": "%s"}}', None),
        (b'{"eventType": "%s"}', None),
        (b'["%s"]', None),
        (b'"%s"', None),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_by_its_item_alone(
    schema: ItemSchema, half: bytes, text: bytes, external_id: str | None
) -> None:
    refused = check(schema, text % half)
    assert isinstance(refused, ItemError)
    assert refused.external_id == external_id
    if text[:1] == b"{":
        message = "The item holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
        assert refused.message == message


def test_a_whole_surrogate_pair_is_a_character(schema: ItemSchema) -> None:
    text = b'{"externalId": "\\ud83d\\ude00", "eventType": "session", "data": {"a": "\\uD83D\\uDE00"}}'
    assert check(schema, text).external_id == "\U0001f600"


@pytest.mark.parametrize("number", ["9" * 40, "9" * 5_000, "1e400", "1E+0999", "-0.0", "145.50", "1E5"])
def test_numbers_in_a_document_are_passed_on_as_they_were_sent(schema: ItemSchema, number: str) -> None:
    document = b'{"text": "\\\\u0000", "n": [' + number.encode() + b"]}"
    good = check(schema, b'{"externalId": "p1", "eventType": "session", "data": ' + document + b"}")
    assert bytes(good.data) == document


@pytest.mark.parametrize("number", ["9" * 5_000, "1e1000000000000000000000"])
@pytest.mark.parametrize("name", ["externalId", "eventType", "timestamp", "colour"])
def test_a_number_that_nothing_can_hold_is_refused_by_its_item_alone(
    schema: ItemSchema, name: str, number: str
) -> None:
    text = item()[:-1] + f', "x": "\\ud83d\\ude00", "{name}": {number}}}'.encode()
    refused = check(schema, text)
    assert isinstance(refused, ItemError)
    assert refused.external_id == (None if name == "externalId" else "p1")


def test_depth_beyond_reading_is_refused_by_its_item_alone(schema: ItemSchema) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    text = b'{"externalId": "p1", "eventType": "session", "data": {"a": ' + deep + b"}}"
    assert refusal(schema, text).startswith("The item cannot be read: ")


_ACCEPTED = {
    "2024-01-15T10:30:00Z": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30:00": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30:00+00:00": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30:00-00:00": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30:00+05:30": datetime(2024, 1, 15, 5, 0, tzinfo=UTC),
    "2024-01-15T10:30:00-23:59": datetime(2024, 1, 16, 10, 29, tzinfo=UTC),
    "2024-01-15T10:30Z": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30-0130": datetime(2024, 1, 15, 12, 0, tzinfo=UTC),
    "2024-01-15t10:30:00.5z": datetime(2024, 1, 15, 10, 30, 0, 500_000, tzinfo=UTC),
    "2024-01-15T10:30:00+0000": datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
    "2024-01-15T10:30:00.25+02": datetime(2024, 1, 15, 8, 30, 0, 250_000, tzinfo=UTC),
    "2024-01-15T10:30:00.1Z": datetime(2024, 1, 15, 10, 30, 0, 100_000, tzinfo=UTC),
    "2024-01-15T10:30:00.123": datetime(2024, 1, 15, 10, 30, 0, 123_000, tzinfo=UTC),
    "2024-01-15T10:30:00.123456+02:00": datetime(2024, 1, 15, 8, 30, 0, 123_456, tzinfo=UTC),
    "2024-01-15T10:30:00.123456789Z": datetime(2024, 1, 15, 10, 30, 0, 123_456, tzinfo=UTC),
    "2024-01-15T10:30:00.999999999Z": datetime(2024, 1, 15, 10, 30, 0, 999_999, tzinfo=UTC),
    "2024-02-29T00:00:00Z": datetime(2024, 2, 29, tzinfo=UTC),
    "2999-01-01T00:00:00Z": datetime(2999, 1, 1, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "0001-01-01T00:00:00-00:01": datetime(1, 1, 1, 0, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999999999Z": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "9999-12-31T23:59:59+00:01": datetime(9999, 12, 31, 23, 58, 59, tzinfo=UTC),
}


@pytest.mark.parametrize(("text", "timestamp"), _ACCEPTED.items(), ids=_ACCEPTED)
def test_a_timestamp_is_taken_to_the_microsecond_in_utc(schema: ItemSchema, text: str, timestamp: datetime) -> None:
    assert check(schema, item(timestamp=text)).occurred_at == timestamp
    assert check(schema, item(timestamp=text)).occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "Jan 15, 2024",
        "01/15/2024",
        "1705312200",
        1705312200,
        1705312200.5,
        True,
        [],
        {},
        "2024-01-15",
        "2024-01-15 10:30:00",
        "2024-01-15T10",
        "2024-01-15T10Z",
        "2024-01-15T10:30.5Z",
        "2024-01-15T10:30:00 Z",
        " 2024-01-15T10:30:00Z",
        "2024-01-15T10:30:00Z\n",
        "2024-01-15T10:30:00.Z",
        "2024-01-15T10:30:00,5Z",
        "2024-01-15T10:30:00.1234567890Z",
        "2024-01-15T10:30:00+2",
        "2024-01-15T10:30:00+02:",
        "2024-01-15T10:30:00+02:60",
        "2024-01-15T10:30:00Z+02",
        "2024-01-15T10:30:00+24:00",
        "2024-01-15T10:30:00+02:00:00",
        "20240115T103000Z",
        "2024-W03-1T10:30:00Z",
        "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-15T24:00:00Z",
        "2024-01-15T23:60:00Z",
        "2024-01-15T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+2024-01-15T10:30:00Z",
        "-2024-01-15T10:30:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٤-01-15T10:30:00Z",
    ],
)
def test_what_is_no_timestamp_is_refused(schema: ItemSchema, value: object) -> None:
    message = 'Field "timestamp" must be a timestamp such as "2026-04-06T12:00:01.500Z"'
    assert refusal(schema, item(timestamp=value)) == message


def test_without_a_timestamp_the_timestamp_is_left_to_us(schema: ItemSchema) -> None:
    assert check(schema, item()).occurred_at is None
    assert check(schema, item(timestamp=None)).occurred_at is None


@given(timestamp=st.datetimes(timezones=st.just(UTC)))
def test_every_timestamp_of_python_is_taken_as_it_spells_it(timestamp: datetime) -> None:
    # Python pads the year to four digits itself; a template is not needed for the shape.
    schema = EventSchema(_EMPTY)
    refused_for_its_type = check(schema, item(timestamp=timestamp.isoformat(), eventType="x"))
    assert refused_for_its_type.message == 'Unknown event type: "x"'


_EMPTY = Template(1, "tpl_empty", "Empty", "1", {}, {}, (), {}, datetime(2026, 1, 1, tzinfo=UTC))

_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["externalId", "eventType", "data", "timestamp", "x"]), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(value=_ANY_JSON)
def test_every_json_value_gets_a_verdict(value: object) -> None:
    text = re.sub(r"-?Infinity|NaN", "1e400", json.dumps(value)).encode()
    verdict = check(EventSchema(_EMPTY), text)
    assert isinstance(verdict, ItemError)
    assert verdict.message


@pytest.mark.parametrize("number", ["1e1000", "-2E+1000", "5e-0001000", "1.5e1000000000000000000000"])
def test_a_number_that_would_read_back_as_megabytes_is_refused(schema: ItemSchema, number: str) -> None:
    text = b'{"externalId": "p", "eventType": "session", "data": {"n": [%s]}}' % number.encode()
    assert refusal(schema, text) == 'Field "data" holds a number whose exponent is beyond 999'


def test_what_looks_like_a_huge_exponent_inside_a_string_is_text(schema: ItemSchema) -> None:
    text = b'{"externalId": "p", "eventType": "session", "data": {"1e9999": "\\"1e9999", "n": 1e999}}'
    assert isinstance(check(schema, text), Event)
