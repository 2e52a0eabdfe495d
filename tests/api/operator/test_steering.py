"""docs/contracts/jobs.md section 5: cancel, pause, resume and relabel a job; and its timeline (section 4)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control
from ingest.ids import JOB, parse, spell
from tests.api.conftest import TIME, Api, data, refused, walk
from tests.api.operator.idempotency import KEY, replayed
from tests.support.factories import entity

_VERBS = ("cancel", "pause", "resume")


def accepted(api: Api, count: int = 1, **headers: str) -> str:
    """The address of a new job."""
    answer = api.post("/batch/entities", [entity(number) for number in range(count)], **headers)
    return f"/batch/jobs/{data(answer)['jobId']}"


def steer(api: Api, path: str, verb: str, **headers: str) -> TestResponse:
    return api.post(f"{path}/{verb}", **headers)


def told(api: Api, path: str) -> list[tuple[str, str | None]]:
    return [(entry["what"], entry["by"]) for entry in data(api.get(f"{path}/timeline"))]


def test_section_5_a_job_is_paused_resumed_and_cancelled_and_each_answers_with_it(
    api: Api, run_jobs: Callable[[], int]
) -> None:
    path = accepted(api)
    for verb, status in [("pause", "paused"), ("resume", "pending"), ("pause", "paused"), ("cancel", "cancelled")]:
        answer = steer(api, path, verb)
        assert answer.status_code == 200
        assert data(answer) == data(api.get(path))
        assert data(answer)["status"] == status
    assert data(api.get(path))["effects"]["unprocessed"] == 1
    assert run_jobs() == 0


def test_section_5_a_resumed_job_runs(api: Api, run_jobs: Callable[[], int]) -> None:
    path = accepted(api)
    steer(api, path, "pause")
    steer(api, path, "resume")
    run_jobs()
    assert data(api.get(path))["status"] == "completed"


@pytest.mark.parametrize("verb", _VERBS)
def test_section_5_what_is_asked_twice_is_answered_alike(api: Api, verb: str) -> None:
    path = accepted(api)
    first, second = steer(api, path, verb), steer(api, path, verb)
    assert (first.status_code, second.status_code) == (200, 200)
    assert data(first) == data(second)


@pytest.mark.parametrize("verb", _VERBS)
def test_section_5_a_completed_job_is_409_with_its_state(api: Api, run_jobs: Callable[[], int], verb: str) -> None:
    path = accepted(api)
    run_jobs()
    before = data(api.get(path))
    refused(steer(api, path, verb), 409, "WRONG_STATE", "is completed")
    assert data(api.get(path)) == before


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_section_5_a_cancelled_job_is_409_with_its_state(api: Api, verb: str) -> None:
    path = accepted(api)
    steer(api, path, "cancel")
    refused(steer(api, path, verb), 409, "WRONG_STATE", "is cancelled")


def _calls(api: Api, path: str) -> list[TestResponse]:
    """Each call on a job."""
    return [
        *(steer(api, path, verb) for verb in _VERBS),
        api.call("PATCH", path, {"label": "x"}),
        api.get(f"{path}/timeline"),
    ]


def test_section_5_another_tenants_job_is_404_and_stays_as_it_is(api: Api, new_api: Callable[..., Api]) -> None:
    path = accepted(api)
    before = data(api.get(path))
    for answer in _calls(new_api(), path):
        refused(answer, 404, "NOT_FOUND")
    assert data(api.get(path)) == before


@pytest.mark.parametrize("job_id", ["job_" + "0" * 32, "1", "ent_" + "0" * 32])
def test_section_5_a_job_that_is_not_there_is_404(api: Api, job_id: str) -> None:
    for answer in _calls(api, f"/batch/jobs/{job_id}"):
        refused(answer, 404, "NOT_FOUND")


def test_section_5_a_job_that_is_being_received_is_404(api: Api, pool: Pool) -> None:
    path = accepted(api)
    with transaction(pool) as conn:
        conn.execute("UPDATE jobs SET status = 'receiving'")
    for answer in _calls(api, path):
        refused(answer, 404, "NOT_FOUND")


def test_section_5_a_label_is_given_and_taken_away(api: Api) -> None:
    path = accepted(api)
    for label in ("a", "ü" * 200, None):
        answer = api.call("PATCH", path, {"label": label})
        assert data(answer)["label"] == label
        assert data(api.get(path))["label"] == label


@pytest.mark.parametrize(
    "form", [{}, [], None, "x", {"label": ""}, {"label": "x" * 201}, {"label": 1}, {"label": "\0"}]
)
def test_section_5_a_bad_label_is_refused_and_changes_nothing(api: Api, form: Any) -> None:
    path = accepted(api)
    api.call("PATCH", path, {"label": "good"})
    refused(
        api.call("PATCH", path, body=b"null") if form is None else api.call("PATCH", path, form), 400, "INVALID_INPUT"
    )
    refused(api.call("PATCH", path, {"label": "x", "lable": "y"}), 400, "INVALID_INPUT", "label")
    assert data(api.get(path))["label"] == "good"


@pytest.mark.parametrize("verb", _VERBS)
def test_section_2_a_repeat_of_a_call_has_the_job_in_its_present_state(api: Api, verb: str) -> None:
    path = accepted(api)
    first = steer(api, path, verb, Idempotency_Key=KEY)
    steer(api, path, "pause")
    steer(api, path, "resume")
    again = steer(api, path, verb, Idempotency_Key=KEY)
    assert (first.status_code, again.status_code, replayed(again)) == (200, 200, True)
    assert data(again) == data(api.get(path)), "and it is done once"


def test_section_2_a_key_is_of_one_job_and_one_label(api: Api) -> None:
    first, second = accepted(api), accepted(api)
    steer(api, first, "pause", Idempotency_Key=KEY)
    refused(steer(api, second, "pause", Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED")
    api.call("PATCH", first, {"label": "a"}, Idempotency_Key=KEY)
    refused(api.call("PATCH", first, {"label": "b"}, Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED")


def test_section_2_a_refusal_keeps_no_key(api: Api, pool: Pool) -> None:
    path = accepted(api)
    steer(api, path, "cancel")
    refused(steer(api, path, "pause", Idempotency_Key=KEY), 409, "WRONG_STATE")
    with transaction(pool) as conn:
        assert conn.execute("SELECT FROM idempotency_keys").rowcount == 0


def test_section_4_the_timeline_tells_what_happened_and_by_which_key(api: Api, run_jobs: Callable[[], int]) -> None:
    path = accepted(api)
    steer(api, path, "pause")
    steer(api, path, "resume")
    api.call("PATCH", path, {"label": "late"})
    run_jobs()
    assert told(api, path) == [
        ("accepted", None),
        ("paused", "test"),
        ("resumed", "test"),
        ("relabelled", "test"),
        ("begun", None),
        ("completed", None),
    ]
    entries = data(api.get(f"{path}/timeline"))
    assert all(TIME.fullmatch(entry["at"]) for entry in entries)
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert entries[3]["detail"] == "late"


def test_section_4_the_timeline_says_who_cancelled_and_why_a_job_failed(api: Api, pool: Pool) -> None:
    cancelled, by_command, failed = accepted(api), accepted(api), accepted(api)
    steer(api, cancelled, "cancel")
    with transaction(pool) as conn:
        control.cancel(conn, parse(JOB, by_command.rpartition("/")[2]))
        control.fail(conn, parse(JOB, failed.rpartition("/")[2]), "DEADLINE_EXCEEDED", "x")
    assert told(api, cancelled)[-1] == ("cancelled", "test")
    assert told(api, by_command)[-1] == ("cancelled", "command")
    assert told(api, failed)[-1] == ("failed", "sweeper")
    assert data(api.get(f"{failed}/timeline"))[-1]["detail"] == "DEADLINE_EXCEEDED"


def test_section_4_pages_of_a_timeline_leave_nothing_out(api: Api) -> None:
    path = accepted(api)
    for _ in range(3):
        steer(api, path, "pause")
        steer(api, path, "resume")
    steer(api, path, "cancel")
    job = data(api.get(path))
    for limit in (1, 3, 7):
        pages = walk(api, f"{job['links']['timeline']}?limit={limit}")
        assert [entry for page in pages for entry in page] == data(api.get(f"{path}/timeline"))
    refused(api.get(f"{path}/timeline?limit=1001"), 400, "INVALID_INPUT", "1 to 1000")
    for cursor in ("x", "W1tdXQ", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwxXQ"):
        refused(api.get(f"{path}/timeline?cursor={cursor}"), 400, "INVALID_INPUT", "cursor")


def test_section_1_a_later_job_goes_before_what_waits_for_a_paused_one(api: Api, pool: Pool) -> None:
    first = accepted(api)
    waiting = data(api.post(f"/batch/entities?after={first.rpartition('/')[2]}", [entity(2)]))["jobId"]
    steer(api, first, "pause")
    later = api.post("/batch/entities", [entity(3)], Prefer="wait=0")
    with transaction(pool) as conn:
        assert [claim.job.id for claim in claims.claim_next(conn)] == [parse(JOB, data(later)["jobId"])]
    assert data(api.get(f"/batch/jobs/{waiting}"))["status"] == "pending"


def test_section_5_a_cancellation_wakes_the_request_that_waits(api: Api, observer: Connection) -> None:
    answers: list[TestResponse] = []
    waits = threading.Thread(
        target=lambda: answers.append(api.post("/batch/entities", [entity()], Prefer="wait=30", X_Request_Id="waits"))
    )
    waits.start()
    while not (rows := observer.execute("SELECT id FROM jobs WHERE request_id = 'waits'").fetchall()):
        pass
    steer(api, f"/batch/jobs/{spell(JOB, rows[0][0])}", "cancel")
    waits.join()
    assert (answers[0].status_code, data(answers[0])["status"]) == (200, "cancelled")


def test_section_5_a_job_is_cancelled_while_its_block_is_under_way(api: Api, pool: Pool, other: Connection) -> None:
    path = accepted(api)
    with transaction(pool) as conn:
        [claimed] = claims.claim_next(conn)
    other.execute("SELECT FROM job_blocks WHERE job_id = %s FOR UPDATE", (claimed.job.id,))
    assert data(steer(api, path, "cancel"))["status"] == "cancelled"


@pytest.mark.parametrize("verb", _VERBS)
def test_a_full_disk_keeps_no_job_from_being_steered(api: Api, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    path = accepted(api)

    def full(*_: object) -> None:
        raise AssertionError("no room")

    monkeypatch.setattr("app.http.rate_limit.require_room", full)
    assert steer(api, path, verb).status_code == 200
