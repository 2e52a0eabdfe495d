"""docs/contracts/operator.md section 4, example by example."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask

from app import create_app
from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import blocks, claims, control, failures
from ingest.ids import parse
from ingest.settings import Settings
from tests.api.conftest import BASE, Api, data, refused
from tests.support.factories import entity, event, run_pending, state


def test_section_4_asynchronous_batch_answers_202(api: Api) -> None:
    answer = api.post("/batch/entities", [entity(1), entity(2)])
    job_id = data(answer)["jobId"]
    assert answer.status_code == 202
    assert answer.get_json() == {
        "success": True,
        "data": {"jobId": job_id, "status": "pending", "progress": 0, "succeeded": 0, "failed": 0, "errors": []},
    }
    assert answer.headers["Location"] == f"{BASE}/batch/jobs/{job_id}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert api.get(answer.headers["Location"], base="").status_code == 200


def test_section_4_the_location_stays_under_the_base_path_that_was_called(api: Api) -> None:
    answer = api.post("/batch/entities", [entity()], base=f"/functions/v1{BASE}")
    assert answer.headers["Location"].startswith(f"/functions/v1{BASE}/batch/jobs/job_")
    assert api.get(answer.headers["Location"], base="").status_code == 200


def test_section_4_the_payload_is_durable_before_the_answer(api: Api, pool: Pool) -> None:
    answer = api.post("/batch/entities", [entity(n) for n in range(3)])
    with transaction(pool) as conn:
        block = blocks.next_open(conn, parse("job", data(answer)["jobId"]))
    assert block is not None
    assert block.items == 3


@pytest.mark.parametrize(("kind", "item"), [("entities", entity()), ("events", event()), ("states", state())])
def test_section_4_every_kind_makes_a_job_of_its_type(
    api: Api, run_jobs: Callable[[], None], kind: str, item: Any
) -> None:
    api.post("/entities", entity())
    answer = api.post(f"/batch/{kind}", [item])
    run_jobs()
    job = api.job(answer)
    assert (job["type"], job["status"], job["output"]["failed"]) == (f"batch_ingest_{kind}", "completed", 0)


def test_section_4_prefer_wait_answers_200_with_the_ended_job(api: Api, stand_in_worker: Callable[[], None]) -> None:
    stand_in_worker()
    answer = api.post("/batch/entities", [entity(1), entity(2)], Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.get_json() == {
        "success": True,
        "data": {
            "jobId": data(answer)["jobId"],
            "status": "completed",
            "progress": 100,
            "succeeded": 2,
            "failed": 0,
            "errors": [],
        },
    }


def test_a_waiting_request_is_answered_even_if_its_signal_is_lost(api: Api, pool: Pool, redis_url: str) -> None:
    with ThreadPoolExecutor(1) as threads, redis.Redis.from_url(redis_url) as broker:
        asked = threads.submit(api.post, "/batch/entities", [entity()], Prefer="wait=30")
        nobody_waits = 0
        while not nobody_waits:
            assert broker.blpop(["sluice.jobs"], timeout=30)
            with transaction(pool) as conn:
                nobody_waits = conn.execute("UPDATE jobs SET awaited = false").rowcount
        run_pending(pool, redis_url)
        answer = asked.result(timeout=20)
    assert (answer.status_code, data(answer)["status"]) == (200, "completed")


def test_section_4_a_wait_over_30_seconds_is_cut_to_30_and_says_so(
    api: Api, stand_in_worker: Callable[[], None]
) -> None:
    stand_in_worker()
    answer = api.post("/batch/entities", [entity()], Prefer="wait=600")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=30")


def test_section_4_a_job_that_does_not_end_in_time_answers_202(api: Api) -> None:
    answer = api.post("/batch/entities", [entity()], Prefer="wait=1")
    assert answer.status_code == 202
    assert data(answer)["status"] == "pending"
    assert "Preference-Applied" not in answer.headers


def test_section_4_batch_wait_seconds_waits_without_a_preference(api: Api, stand_in_worker: Callable[[], None]) -> None:
    assert api.put("/settings", {"batchWaitSeconds": 20}).status_code == 200
    stand_in_worker()
    answer = api.post("/batch/entities", [entity()])
    assert (answer.status_code, data(answer)["status"]) == (200, "completed")
    assert "Preference-Applied" not in answer.headers


def test_section_4_respond_async_overrides_batch_wait_seconds(api: Api) -> None:
    api.put("/settings", {"batchWaitSeconds": 30})
    answer = api.post("/batch/entities", [entity()], Prefer="respond-async")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")


def test_section_4_a_batch_is_accepted_and_told_right_without_redis(settings: Settings, api: Api) -> None:
    app = create_app(replace(settings, redis_url="redis://127.0.0.1:1/0"))
    answer = Api(app, api.tenant, api.key).post("/batch/entities", [entity()], Prefer="wait=30")
    assert answer.status_code == 202
    assert api.job(answer)["status"] == "pending"
    app.extensions["sluice"].close()


def test_section_4_one_waiting_request_too_many_answers_202_at_once(api: Api, app: Flask) -> None:
    places = app.extensions["sluice"].waiting_places
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    answer = api.post("/batch/entities", [entity()], Prefer="wait=30")
    assert taken == 6
    assert answer.status_code == 202


def test_section_4_a_partial_failure_is_a_success_with_errors_in_index_order(
    api: Api, stand_in_worker: Callable[[], None]
) -> None:
    stand_in_worker()
    items = [entity(1), entity(2, data={}), entity(3), entity(4, entityType="plyer"), "no item"]
    answer = api.post("/batch/entities", items, Prefer="wait=20")
    assert answer.status_code == 200
    assert data(answer)["errors"] == [
        {
            "index": 1,
            "line": None,
            "externalId": "player_000002",
            "code": "VALIDATION_FAILED",
            "message": 'Missing required field: "email"',
            "field": "/data/email",
            "retryable": False,
        },
        {
            "index": 3,
            "line": None,
            "externalId": "player_000004",
            "code": "VALIDATION_FAILED",
            "message": 'Unknown entity type: "plyer" (did you mean "player"?)',
            "field": "/entityType",
            "retryable": False,
        },
        {
            "index": 4,
            "line": None,
            "externalId": None,
            "code": "VALIDATION_FAILED",
            "message": "The item must be a JSON object",
            "field": None,
            "retryable": False,
        },
    ]
    assert (data(answer)["succeeded"], data(answer)["failed"]) == (2, 3)


@pytest.mark.parametrize(("kind", "item"), [("events", event(7)), ("states", state(7))])
def test_section_4_an_item_of_an_entity_that_does_not_exist_is_not_found(
    api: Api, run_jobs: Callable[[], None], kind: str, item: Any
) -> None:
    answer = api.post(f"/batch/{kind}", [item])
    run_jobs()
    errors = api.job(answer)["output"]["errors"]
    assert [(error["code"], error["externalId"]) for error in errors] == [("NOT_FOUND", "player_000007")]


def test_section_4_the_same_key_twice_ends_as_if_sent_one_after_the_other(
    api: Api, run_jobs: Callable[[], None]
) -> None:
    first, second = entity(1, data={"email": "a@b.example"}), entity(1, data={"email": "c@d.example"})
    answer = api.post("/batch/entities", [first, second])
    run_jobs()
    effects = api.job(answer)["effects"]
    assert (effects["created"], effects["updated"]) == (1, 1)
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "c@d.example"}


def test_section_4_mode_merge_merges_and_removes_nulls(api: Api, run_jobs: Callable[[], None]) -> None:
    api.post("/entities", entity(1, data={"email": "a@b.example", "phone": "1", "country": "MT"}))
    merged = entity(1, data={"email": "c@d.example", "phone": None})
    assert api.post("/batch/entities?mode=merge", [merged]).status_code == 202
    run_jobs()
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "c@d.example", "country": "MT"}


def test_section_4_an_unknown_mode_is_refused(api: Api) -> None:
    refused(api.post("/batch/entities?mode=append", [entity()]), 400, "INVALID_INPUT", "mode", "replace or merge")


def test_section_4_after_names_a_job_of_the_tenants(
    api: Api, new_api: Callable[..., Api], run_jobs: Callable[[], None]
) -> None:
    first = data(api.post("/batch/entities", [entity()]))["jobId"]
    second = api.post(f"/batch/events?after={first}", [event()])
    assert second.status_code == 202
    for stranger in (f"job_{'0' * 32}", "job_x", ""):
        refused(api.post(f"/batch/events?after={stranger}", [event()]), 404, "NOT_FOUND")
    refused(new_api().post(f"/batch/events?after={first}", [event()]), 404, "NOT_FOUND")
    run_jobs()
    assert api.job(second)["output"]["succeeded"] == 1


def test_section_4_events_sent_right_behind_their_entities_find_them(
    api: Api, run_jobs: Callable[[], None], pool: Pool
) -> None:
    for kind, items in (("entities", [entity()]), ("events", [event()]), ("states", [state()])):
        assert api.post(f"/batch/{kind}", items).status_code == 202
    last = api.post("/batch/entities?ordered=false", [entity(2)])
    with transaction(pool) as conn:
        waits = [
            (row[0], claims.blocker(conn, row[1]) is not None)  # type: ignore[arg-type] # a uuid column
            for row in conn.execute("SELECT kind, id FROM jobs ORDER BY seq")
        ]
    assert waits == [("entities", False), ("events", True), ("states", True), ("entities", False)]
    run_jobs()
    assert api.job(last)["output"]["succeeded"] == 1
    with transaction(pool) as conn:
        assert conn.execute("SELECT DISTINCT failed, status FROM jobs").fetchall() == [(0, "completed")]


@pytest.mark.parametrize(("any_end", "status"), [("false", "failed"), ("true", "completed")])
def test_a_job_after_a_cancelled_one_fails_unless_any_end_will_do(
    api: Api, pool: Pool, run_jobs: Callable[[], None], any_end: str, status: str
) -> None:
    api.post("/entities", entity())
    first = data(api.post("/batch/entities", [entity()]))["jobId"]
    second = api.post(f"/batch/events?after={first}&afterAny={any_end}", [event()])
    with transaction(pool) as conn:
        assert control.cancel(conn, UUID(first.removeprefix("job_")))
        failures.fail_after_failed(conn)
    run_jobs()
    job = api.job(second)
    assert job["status"] == status
    assert (job["error"] or {}).get("code") == (None if status == "completed" else "PREDECESSOR_FAILED")


@pytest.mark.parametrize("query", ["ordered=no", "ordered=", "afterAny=1"])
def test_what_a_batch_waits_for_is_said_by_true_or_false(api: Api, query: str) -> None:
    refused(api.post(f"/batch/entities?{query}", [entity()]), 400, "INVALID_INPUT", query.partition("=")[0], "true")


def test_section_4_without_a_template_nothing_is_accepted(new_api: Callable[..., Api]) -> None:
    answer = new_api(template=None).post("/batch/entities", [entity()])
    refused(answer, 400, "TEMPLATE_NOT_CONFIGURED", "PUT /operator-data-api/settings")


@pytest.mark.parametrize(("kind", "most"), [("entities", 1_000), ("events", 5_000), ("states", 1_000)])
def test_section_4_the_maximum_is_accepted_and_one_more_is_not(api: Api, pool: Pool, kind: str, most: int) -> None:
    assert api.post(f"/batch/{kind}", [{}] * most).status_code == 202
    refused(api.post(f"/batch/{kind}", [{}] * (most + 1)), 400, "INVALID_INPUT", str(most + 1), str(most))
    with transaction(pool) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_the_request_id_is_kept_with_the_job(api: Api, pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    answer = api.post("/batch/entities", [entity()], X_Request_Id="trace-1.a_B")
    assert answer.headers["X-Request-Id"] == "trace-1.a_B"
    with transaction(pool) as conn:
        assert conn.execute("SELECT request_id FROM jobs").fetchone() == ("trace-1.a_B",)
    line = next(line for line in capsys.readouterr().out.splitlines() if "method=POST" in line)
    assert f"job_id={data(answer)['jobId']} " in line
    assert "request_id=trace-1.a_B" in line
