"""Items that are taken though something about them is not as it should be (docs/contracts/jobs.md sections 1 and 3)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api, data, refused, walk
from tests.support.factories import entity, event, state

STRANGE = {"colour": "red"}


def told(index: int, code: str = "UNKNOWN_FIELD", field: str = "/colour") -> dict[str, Any]:
    return {"index": index, "line": None, "code": code, "field": field}


def without_message(warnings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert all(warning["message"] for warning in warnings)
    return [{name: value for name, value in warning.items() if name != "message"} for warning in warnings]


@pytest.mark.parametrize(("kind", "item"), [("entities", entity), ("events", event), ("states", state)])
def test_an_item_with_an_unknown_member_is_taken_with_a_warning(
    player: Api, run_jobs: Callable[[], None], kind: str, item: Callable[..., dict[str, Any]]
) -> None:
    accepted = player.post(f"/batch/{kind}", [item(), item(**STRANGE), {}, item(Stranger=1, **STRANGE)])
    run_jobs()
    job = player.job(accepted)
    assert (job["output"]["succeeded"], job["output"]["failed"]) == (3, 1)
    assert job["warnings"]["count"] == 3
    found = without_message(job["warnings"]["first"])
    assert found == [told(1), told(3, field="/Stranger"), told(3)]
    assert job["warnings"]["first"][0]["message"] == 'Unknown field: "colour"'


def test_a_misspelt_member_is_named_beside_the_known_one(player: Api, run_jobs: Callable[[], None]) -> None:
    accepted = player.post("/batch/events", [event(timestmp="2024-01-15T10:00:00Z")])
    run_jobs()
    [warning] = player.job(accepted)["warnings"]["first"]
    assert warning["message"] == 'Unknown field: "timestmp" (did you mean "timestamp"?)'


def test_strict_handling_makes_it_an_error_and_sinks_no_neighbour(player: Api, run_jobs: Callable[[], None]) -> None:
    lenient = player.post("/batch/events", [event(**STRANGE)])
    strict = player.post(
        "/batch/events",
        [event(), event(**STRANGE), event(data={"type": "deposit", "currency": "EUR"}, **STRANGE)],
        Prefer="handling=strict",
    )
    run_jobs()
    assert strict.headers["Preference-Applied"] == "handling=strict"
    job = player.job(strict)
    assert job["output"]["succeeded"] == 1
    assert [(error["index"], error["code"], error["message"]) for error in job["output"]["errors"]] == [
        (1, "UNKNOWN_FIELD", 'Unknown field: "colour"'),
        (
            2,
            "VALIDATION_FAILED",
            'Missing required field: "amount"; Unknown field: "colour"',
        ),
    ]
    assert job["warnings"] == {"count": 0, "first": []}
    assert player.job(lenient)["warnings"]["count"] == 1


def test_an_item_that_was_refused_has_no_warnings(player: Api, run_jobs: Callable[[], None]) -> None:
    accepted = player.post("/batch/events", [event(9, **STRANGE), event(**STRANGE), event(data={}, **STRANGE)])
    run_jobs()
    assert without_message(player.job(accepted)["warnings"]["first"]) == [told(1)]


def test_ten_warnings_come_with_the_job_and_all_of_them_in_pages(player: Api, run_jobs: Callable[[], None]) -> None:
    accepted = player.post("/batch/events", [event(n=n, **STRANGE) for n in range(60)])
    run_jobs()
    job = player.job(accepted)
    assert job["warnings"]["count"] == 120
    assert len(job["warnings"]["first"]) == 10
    pages = walk(player, job["links"]["warnings"] + "?limit=50")
    assert [len(page) for page in pages] == [50, 50, 20]
    found = [warning for page in pages for warning in page]
    assert found[:10] == job["warnings"]["first"]
    assert [(warning["index"], warning["field"]) for warning in found] == [
        (n, field) for n in range(60) for field in ("/n", "/colour")
    ]


@pytest.mark.parametrize("cursor", ["x", "LTE", "WzFd", "WzEsLTFd"])
def test_a_bad_cursor_is_refused(player: Api, cursor: str) -> None:
    job_id = data(player.post("/batch/events", [event()]))["jobId"]
    refused(player.get(f"/batch/jobs/{job_id}/warnings?cursor={cursor}"), 400, "INVALID_INPUT", "cursor")


def test_the_warnings_of_another_tenants_job_are_404(player: Api, new_api: Callable[..., Api]) -> None:
    job_id = data(player.post("/batch/events", [event()]))["jobId"]
    refused(new_api().get(f"/batch/jobs/{job_id}/warnings"), 404, "NOT_FOUND")


def test_an_inline_answer_has_warnings_only_where_there_are_any(
    player: Api, stand_in_worker: Callable[[], None]
) -> None:
    stand_in_worker()
    answer = player.post("/batch/events", [event(), event(**STRANGE)], Prefer="wait=20, handling=lenient")
    assert answer.headers["Preference-Applied"] == "wait=20, handling=lenient"
    assert data(answer)["warnings"]["count"] == 1
    assert without_message(data(answer)["warnings"]["first"]) == [told(1)]


@pytest.mark.parametrize(
    ("path", "item"),
    [("/entities", entity(**STRANGE)), ("/entities/player_000001/events", {**event(), **STRANGE})],
)
def test_a_single_write_is_taken_and_told_of_its_unknown_member(player: Api, path: str, item: dict[str, Any]) -> None:
    answer = player.post(path, item)
    assert answer.status_code == 201
    assert data(answer)["warnings"]["count"] == 1
    assert without_message(data(answer)["warnings"]["first"]) == [told(0)]
    refused(player.post(path, item, Prefer="handling=strict"), 400, "UNKNOWN_FIELD", 'Unknown field: "colour"')


def test_a_single_write_with_nothing_to_tell_answers_as_the_contract_says(player: Api) -> None:
    assert set(data(player.post("/entities", entity()))) == {"id", "externalId", "entityType", "action"}
    answer = player.post("/entities/player_000001/events", event(), Prefer="handling=strict")
    assert set(data(answer)) == {"id"}
    assert answer.headers["Preference-Applied"] == "handling=strict"


@pytest.mark.parametrize(
    "chosen",
    [
        {"dataRetentionDays": 40},
        {
            "retentionPolicy": {
                "entity_events": {"hot_days": 30, "archive_days": 40},
                "entity_states": {"hot_days": 30, "archive_days": 1825},
            }
        },
    ],
)
def test_an_event_past_the_retention_is_taken_with_a_warning(
    player: Api, run_jobs: Callable[[], None], chosen: dict[str, Any]
) -> None:
    old, young = "2010-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    assert player.put("/settings", chosen).status_code == 200
    accepted = player.post(
        "/batch/events", [event(timestamp=young), event(timestamp=old, **STRANGE), event(), event(9, timestamp=old)]
    )
    run_jobs()
    job = player.job(accepted)
    assert job["effects"]["created"] == 3
    assert without_message(job["warnings"]["first"]) == [told(1), told(1, "PAST_RETENTION", "/timestamp")]
    assert "40 days" in job["warnings"]["first"][1]["message"]
    answer = player.post("/entities/player_000001/events", event(timestamp=old))
    assert without_message(data(answer)["warnings"]["first"]) == [told(0, "PAST_RETENTION", "/timestamp")]


def test_an_old_event_of_a_tenant_without_retention_is_no_news(player: Api, run_jobs: Callable[[], None]) -> None:
    accepted = player.post("/batch/events", [event(timestamp="2010-01-01T00:00:00Z")])
    run_jobs()
    assert player.job(accepted)["warnings"] == {"count": 0, "first": []}
