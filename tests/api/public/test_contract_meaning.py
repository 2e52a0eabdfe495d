"""docs/contracts/public.md section 3."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.api.public.conftest import PublicApi
from tests.api.public.test_contract_calls import answer_of
from tests.support.factories import TOO_LARGE

Events = Callable[[], list[tuple[Any, ...]]]


def linked(*objects: dict[str, Any], **event: Any) -> dict[str, Any]:
    return {"event": "e", "objects": list(objects), **event}


def upsert(api: PublicApi, type_: str, id_: str, **properties: Any) -> dict[str, Any]:
    return answer_of(api, "/object/upsert", {"type": type_, "id": id_, "properties": properties})


@pytest.mark.parametrize("other", ["order", "Order ", " Order", "O\u0308rder", "\ufb00Order"])
def test_types_and_ids_compare_code_point_by_code_point(api: PublicApi, other: str) -> None:
    assert upsert(api, "Order", "Order", n=1)["created"] is True
    assert upsert(api, other, "Order", n=2)["created"] is True
    assert upsert(api, "Order", other, n=3)["created"] is True
    assert api.object("Order", "Order") == {"n": 1}


def test_ids_are_unique_within_a_type_alone(api: PublicApi) -> None:
    assert upsert(api, "Order", "1")["object_id"] != upsert(api, "Invoice", "1")["object_id"]


def test_properties_merge_at_the_top_level(api: PublicApi) -> None:
    upsert(api, "a", "1", keep=1, change={"x": 1, "y": 2}, remove="here")
    upsert(api, "a", "1", change={"x": 3, "z": None}, remove=None, absent=None)
    assert api.object("a", "1") == {"keep": 1, "change": {"x": 3, "z": None}}
    upsert(api, "a", "1")
    assert api.object("a", "1") == {"keep": 1, "change": {"x": 3, "z": None}}


def test_a_new_object_takes_no_nulls(api: PublicApi) -> None:
    upsert(api, "a", "1", n=1, gone=None)
    assert api.object("a", "1") == {"n": 1}
    answer_of(api, "/event", linked({"type": "a", "id": "2", "properties": {"n": 1, "gone": None}}))
    assert api.object("a", "2") == {"n": 1}


def test_an_events_objects_are_merged_the_same_way(api: PublicApi) -> None:
    upsert(api, "a", "1", keep=1, change={"x": 1}, remove="here")
    answer_of(api, "/event", linked({"type": "a", "id": "1", "properties": {"change": 2, "remove": None}}))
    answer_of(api, "/event", linked({"type": "a", "id": "1"}))
    assert api.object("a", "1") == {"keep": 1, "change": 2}


def test_two_equal_events_are_two_whatever_key_comes_with_them(api: PublicApi) -> None:
    """The operator API alone takes idempotency keys (docs/contracts/jobs.md section 2)."""
    event = linked({"type": "a", "id": "1"})
    sent = [api.call("POST", "/event", event, Idempotency_Key="a").get_json() for _ in range(2)]
    assert len({answer["event_id"] for answer in sent}) == 2


def test_items_apply_in_array_order(api: PublicApi) -> None:
    changes = [{"n": 1, "gone": 1}, {"n": 2, "gone": None}, {"n": 3, "back": None}, {"back": 1}]
    items = [{"type": "a", "id": "1", "properties": change} for change in changes]
    answer = answer_of(api, "/object/batch", {"objects": items})
    assert [linked["created"] for linked in answer["objects"]] == [True, False, False, False]
    assert api.object("a", "1") == {"n": 3, "back": 1}
    events = [linked({**item, "id": "2"}) for item in items]
    assert answer_of(api, "/event/batch", {"events": events})["processed"] == 4
    assert api.object("a", "2") == {"n": 3, "back": 1}


def test_events_create_the_objects_they_name(api: PublicApi) -> None:
    answer_of(api, "/event", linked({"type": "a", "id": "1"}, {"type": "b", "id": "1", "properties": {"n": 1}}))
    assert (api.object("a", "1"), api.object("b", "1")) == ({}, {"n": 1})
    assert upsert(api, "a", "1")["created"] is False


def test_two_equal_events_are_two_events(api: PublicApi, events_of: Events) -> None:
    event = linked({"type": "a", "id": "1"}, timestamp="2024-01-15T10:30:00Z")
    answer_of(api, "/event", event)
    answer_of(api, "/event/batch", {"events": [event, event]})
    assert len(events_of()) == 3


@pytest.mark.parametrize(
    "bad",
    [
        b'{"event": "", "objects": [{"type": "bad", "id": "1"}]}',
        b'{"event": "e", "objects": [{"type": "bad", "id": "1"}, {"type": "bad"}]}',
        b'{"event": "e", "objects": [{"type": "bad", "id": "1"}], "properties": {"n": TOO_LARGE}}',
        (
            b'{"event": "e", "objects": [{"type": "bad", "id": "1"},'
            b' {"type": "b", "id": "1", "properties": {"n": TOO_LARGE}}]}'
        ),
    ],
)
def test_a_failed_event_leaves_none_of_its_objects_behind(api: PublicApi, events_of: Events, bad: bytes) -> None:
    good = b'{"event": "good", "objects": [{"type": "a", "id": "%d"}]}'
    bad = bad.replace(b"TOO_LARGE", TOO_LARGE)
    body = b'{"events": [' + good % 1 + b"," + bad + b"," + good % 2 + b"]}"
    assert answer_of(api, "/event/batch", body=body)["failed"] == 1
    assert api.post("/event", body=bad).status_code == 422
    assert (api.object("bad", "1"), api.object("b", "1")) == (None, None)
    assert [row[3] for row in events_of()] == [[["a", "1", ""]], [["a", "2", ""]]]


def test_the_same_object_twice_in_one_event_takes_part_in_two_parts(api: PublicApi, events_of: Events) -> None:
    parts = [{"type": "Account", "id": "1", "qualifier": part} for part in ("from", "to", "to")]
    assert answer_of(api, "/event", linked(*parts))["objects_count"] == 2
    assert events_of()[0][3] == [["Account", "1", "from"], ["Account", "1", "to"]]
    assert answer_of(api, "/event", linked(*[{"type": "Account", "id": "1"}] * 2))["objects_count"] == 1


def test_properties_of_events_keep_their_nulls(api: PublicApi, events_of: Events) -> None:
    answer_of(api, "/event", linked({"type": "a", "id": "1"}, properties={"a": None, "b": {"c": None}}))
    assert events_of()[0][2] == {"a": None, "b": {"c": None}}


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("2024-01-15T10:30:00Z", "2024-01-15T10:30:00Z"),
        ("2024-01-15T10:30:00", "2024-01-15T10:30:00Z"),
        ("2024-01-15T10:30:00+02:00", "2024-01-15T08:30:00Z"),
        ("2024-01-15T00:30:00-11:30", "2024-01-15T12:00:00Z"),
        ("2024-01-15T10:30:00.5Z", "2024-01-15T10:30:00.500Z"),
        ("2024-01-15T10:30:00.000Z", "2024-01-15T10:30:00Z"),
        ("2024-01-15T10:30:00.123", "2024-01-15T10:30:00.123Z"),
        ("2024-01-15T10:30:00.1234Z", "2024-01-15T10:30:00.123400Z"),
        ("2024-01-15T10:30:00.123456+00:00", "2024-01-15T10:30:00.123456Z"),
        ("2024-01-15T10:30:00.123456789Z", "2024-01-15T10:30:00.123456Z"),
        ("2999-12-31T23:59:59.999999Z", "2999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("2024-01-15T10:00Z", "2024-01-15T10:00:00Z"),
        ("2024-01-15t10:00:00z", "2024-01-15T10:00:00Z"),
        ("2024-01-15T10:00:00+0000", "2024-01-15T10:00:00Z"),
        ("2024-01-15T10:00-02", "2024-01-15T12:00:00Z"),
    ],
)
def test_a_timestamp_is_stored_in_utc_to_the_microsecond(
    api: PublicApi, events_of: Events, sent: str, answered: str
) -> None:
    assert answer_of(api, "/event", linked({"type": "a", "id": "1"}, timestamp=sent))["timestamp"] == answered
    assert events_of()[0][1] == datetime.fromisoformat(answered)


@pytest.mark.parametrize(
    "sent",
    [
        "Jan 15, 2024",
        "01/15/2024",
        1705312200,
        "1705312200",
        "2024-01-15 10:30:00",
        "",
        "2024-01-15",
        "2024-02-30T10:30:00Z",
        "2024-01-15T24:30:00Z",
        "2024-01-15T10:30:00.1234567890Z",
        "2024-01-15T10:30:00.Z",
        "2024-01-15T10:30:00Z\n",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        ["2024-01-15T10:30:00Z"],
        True,
    ],
)
def test_what_is_no_timestamp_is_refused(api: PublicApi, sent: Any) -> None:
    answer = api.post("/event", linked({"type": "a", "id": "1"}, timestamp=sent))
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.get_json()["detail"]] == [["body", "timestamp"]]


def test_an_event_without_a_timestamp_happens_now(api: PublicApi) -> None:
    before = datetime.now(UTC)
    text = answer_of(api, "/event", linked({"type": "a", "id": "1"}))["timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z", text)
    assert abs(datetime.fromisoformat(text) - before) < timedelta(minutes=1)


def test_events_of_equal_times_keep_their_order_and_late_ones_are_taken(api: PublicApi, events_of: Events) -> None:
    times = ["2024-01-15T10:30:00Z"] * 50 + ["2023-01-01T00:00:00Z"]
    events = [linked({"type": "a", "id": "1"}, timestamp=at, event=str(no)) for no, at in enumerate(times)]
    assert answer_of(api, "/event/batch", {"events": events})["processed"] == 51
    assert [row[0] for row in events_of()] == [str(number) for number in range(51)]


def test_lengths_are_counted_in_characters(api: PublicApi) -> None:
    emoji = "\N{GRINNING FACE}"
    event = linked(
        {"type": emoji * 100, "id": emoji * 500, "qualifier": emoji * 100}, {"type": "a", "id": "1"}, event=emoji * 200
    )
    assert answer_of(api, "/event", event)["event_type"] == emoji * 200
    assert answer_of(api, "/event/batch", {"events": [event]})["processed"] == 1


def test_an_empty_qualifier_is_as_absent_singly_and_in_batches(api: PublicApi, events_of: Events) -> None:
    sent = linked({"type": "a", "id": "1", "qualifier": ""})
    assert api.post("/event", sent).status_code == 200
    assert answer_of(api, "/event/batch", {"events": [sent]})["failed"] == 0
    assert [row[3] for row in events_of()] == [[["a", "1", ""]]] * 2


@pytest.mark.parametrize("path", ["/object/upsert", "/event"])
def test_an_object_that_would_grow_too_large_is_413(api: PublicApi, path: str) -> None:
    def grow(name: str) -> TestResponse:
        thing = {"type": "a", "id": "1", "properties": {name: "x" * 1_000_000}}
        return api.post(path, {"event": "e", "objects": [thing]} if path == "/event" else thing)

    assert [grow(f"n{number}").status_code for number in range(4)] == [200] * 4
    answer = grow("more")
    assert (answer.status_code, list(answer.get_json())) == (413, ["detail"])
    assert "remove fields" in answer.get_json()["detail"]
    assert "more" not in api.object("a", "1")
