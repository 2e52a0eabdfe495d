"""docs/contracts/operator.md section 3: the events of an entity."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import TIME, Api, data, refused, walk
from tests.support.factories import entity, event

PATH = "/entities/player_000001/events"


def sent(**overrides: Any) -> dict[str, Any]:
    item = {"eventType": "transaction", "data": {"type": "deposit", "amount": 1, "currency": "EUR"}}
    return {**item, **overrides}


def test_section_3_post_event_answers_201_with_an_id(player: Api) -> None:
    answer = player.post(PATH, sent())
    assert answer.status_code == 201
    assert set(data(answer)) == {"id"}
    assert data(answer)["id"].startswith("eev_")


def test_section_3_get_events_answers_the_newest_first(player: Api) -> None:
    times = [f"2026-04-0{day}T12:00:01.500Z" for day in (2, 3, 1)]
    made = {time: data(player.post(PATH, sent(timestamp=time)))["id"] for time in times}
    answer = player.get(PATH)
    found = data(answer)
    assert answer.status_code == 200
    assert [event["timestamp"] for event in found] == sorted(times, reverse=True)
    assert [event["id"] for event in found] == [made[time] for time in sorted(times, reverse=True)]
    assert set(found[0]) == {"id", "eventType", "data", "timestamp", "createdAt"}
    assert TIME.fullmatch(found[0]["createdAt"])
    assert "Link" not in answer.headers


def test_section_3_pages_lose_and_repeat_nothing(player: Api) -> None:
    for number in range(7):
        player.post(PATH, sent(timestamp=f"2026-04-01T12:00:0{number // 3}Z", data={**sent()["data"], "n": number}))
    player.post(PATH, sent(eventType="session"))
    pages = walk(player, f"/operator-data-api{PATH}?limit=2&eventType=transaction")
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert [event["data"]["n"] for page in pages for event in page] == [6, 5, 4, 3, 2, 1, 0]


def test_section_3_event_type_selects(player: Api) -> None:
    player.post(PATH, sent())
    player.post(PATH, sent(eventType="bonus"))
    assert [event["eventType"] for event in data(player.get(f"{PATH}?eventType=bonus"))] == ["bonus"]
    assert data(player.get(f"{PATH}?eventType=none")) == []
    refused(player.get(f"{PATH}?eventType=a%00"), 400, "INVALID_INPUT", "NUL")


def test_section_3_limit_is_50_unless_told_and_500_at_most(player: Api, run_jobs: Callable[[], None]) -> None:
    player.post("/batch/events", [event(1) for _ in range(501)])
    run_jobs()
    assert len(data(player.get(PATH))) == 50
    assert len(data(player.get(f"{PATH}?limit=500"))) == 500
    refused(player.get(f"{PATH}?limit=501"), 400, "INVALID_INPUT", "1 to 500")


@pytest.mark.parametrize(
    "cursor", ["x", "MQ", "WzEsMl0x", "WzFlOTksMV0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTksMV0", "WzEsLTFd"]
)
def test_section_3_a_bad_cursor_is_refused(player: Api, cursor: str) -> None:
    refused(player.get(f"{PATH}?cursor={cursor}"), 400, "INVALID_INPUT", "cursor")


def test_section_3_an_event_needs_its_entity(api: Api) -> None:
    refused(api.post("/entities/nobody/events", sent()), 404, "NOT_FOUND", 'Entity "nobody" does not exist')
    refused(api.get("/entities/nobody/events"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("item", "code", "text"),
    [
        (sent(eventType="transaction.deposit"), "VALIDATION_FAILED", 'Unknown event type: "transaction.deposit"'),
        (sent(data={}), "VALIDATION_FAILED", 'Missing required field: "type"; Missing required field: "amount"'),
        (sent(timestamp="yesterday"), "INVALID_INPUT", "timestamp"),
        (sent(timestamp="9999-12-31T23:59:59-01:00"), "INVALID_INPUT", "timestamp"),
        (sent(externalId="player_000002"), "INVALID_INPUT", "externalId"),
        (sent(externalId=7), "INVALID_INPUT", "externalId"),
        ({}, "INVALID_INPUT", "eventType"),
        ([], "INVALID_INPUT", "object"),
        (7, "INVALID_INPUT", "object"),
    ],
)
def test_section_3_a_bad_event_is_refused(player: Api, item: object, code: str, text: str) -> None:
    refused(player.post(PATH, item), 400, code, text)
    assert data(player.get(PATH)) == []


@pytest.mark.parametrize("time", ["2024-01-15T10:00Z", "2024-01-15T10:00:00+0000", "2024-01-15t10:00:00z"])
def test_a_timestamp_may_be_spelt_as_java_and_rfc_3339_do(player: Api, run_jobs: Callable[[], None], time: str) -> None:
    player.post(PATH, sent(timestamp=time))
    player.post("/batch/events", [event(timestamp=time)])
    run_jobs()
    assert [event["timestamp"] for event in data(player.get(PATH))] == ["2024-01-15T10:00:00.000Z"] * 2


def test_a_timestamp_of_null_is_as_absent(player: Api, run_jobs: Callable[[], None]) -> None:
    assert player.post(PATH, sent(timestamp=None)).status_code == 201
    player.post("/batch/events", [event(timestamp=None)])
    run_jobs()
    assert len(data(player.get(PATH))) == 2


def test_an_event_id_that_is_known_answers_200_with_the_first(player: Api) -> None:
    first = player.post(PATH, sent(eventId="e1"))
    assert (first.status_code, set(data(first))) == (201, {"id"})
    again = player.post(PATH, sent(eventId="e1", data={"type": "deposit", "amount": 2, "currency": "EUR"}))
    assert again.status_code == 200
    assert data(again) == {"id": data(first)["id"], "action": "duplicate"}
    assert [event["data"]["amount"] for event in data(player.get(PATH))] == [1]


def test_an_event_id_is_known_whatever_call_or_job_it_came_by(player: Api, run_jobs: Callable[[], None]) -> None:
    first = player.post(PATH, sent(eventId="single"))
    sent_ids = ["single", "batch", None, "batch"]
    accepted = player.post("/batch/events", [event(eventId=event_id) for event_id in sent_ids])
    run_jobs()
    job = player.job(accepted)
    assert (job["effects"]["created"], job["effects"]["duplicate"], job["effects"]["failed"]) == (2, 2, 0)
    assert (job["progress"], job["processed"], job["output"]) == (100, 4, {"succeeded": 4, "failed": 0, "errors": []})
    stored = [event["id"] for event in data(player.get(PATH))]
    assert len(stored) == 3
    answer = player.post(PATH, sent(eventId="batch"))
    assert (answer.status_code, data(answer)["action"]) == (200, "duplicate")
    assert data(answer)["id"] in set(stored) - {data(first)["id"]}


def test_an_event_id_belongs_to_its_tenant_and_to_any_of_its_entities(player: Api, new_api: Callable[..., Api]) -> None:
    first = player.post(PATH, sent(eventId="e1"))
    player.post("/entities", entity(2))
    assert data(player.post("/entities/player_000002/events", sent(eventId="e1")))["id"] == data(first)["id"]
    other = new_api()
    other.post("/entities", entity())
    assert other.post(PATH, sent(eventId="e1")).status_code == 201


def test_an_event_sent_again_after_its_entity_was_deleted_is_a_duplicate(player: Api) -> None:
    first = player.post(PATH, sent(eventId="e1"))
    player.delete("/entities/player_000001")
    assert data(player.post(PATH, sent(eventId="e1"))) == {"id": data(first)["id"], "action": "duplicate"}
    refused(player.post(PATH, sent(eventId="e2")), 404, "NOT_FOUND")


def test_an_event_id_of_null_is_as_absent(player: Api) -> None:
    assert [player.post(PATH, sent(eventId=None)).status_code for _ in range(2)] == [201, 201]


@pytest.mark.parametrize("event_id", ["", "e" * 256, 7, "a\0", ["e"]])
def test_a_bad_event_id_is_refused_singly_and_as_an_item(
    player: Api, run_jobs: Callable[[], None], event_id: object
) -> None:
    refused(player.post(PATH, sent(eventId=event_id)), 400, "INVALID_INPUT", "eventId")
    accepted = player.post("/batch/events", [event(eventId=event_id), event(eventId="good")])
    run_jobs()
    [error] = player.job(accepted)["output"]["errors"]
    assert (error["index"], error["code"]) == (0, "VALIDATION_FAILED")


def test_section_3_numbers_of_events_read_back_with_the_same_value(player: Api) -> None:
    body = b'{"eventType":"session","data":{"a":145.50,"b":' + b"7" * 40 + b"}}"
    player.call("POST", PATH, body=body)
    text = player.get(PATH).get_data()
    assert b"145.50" in text
    assert b"7" * 40 in text


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"])
def test_pages_work_at_the_ends_of_time(player: Api, time: str) -> None:
    for _ in range(2):
        assert player.post(PATH, sent(timestamp=time)).status_code == 201
    assert [len(page) for page in walk(player, f"/operator-data-api{PATH}?limit=1")] == [1, 1]
