"""docs/contracts/operator.md section 5, example by example."""

from collections.abc import Callable

import pytest

from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import control
from ingest.ids import parse
from tests.api.conftest import BASE, TIME, Api, data, refused, walk
from tests.support.factories import entity


def test_section_5_a_completed_job_reads_as_in_the_contract(api: Api, run_jobs: Callable[[], None]) -> None:
    good, bad = entity(1, externalId="player_001"), entity(2, externalId="player_002", data={})
    accepted = api.post("/batch/entities", [good, bad])
    run_jobs()
    answer = api.get(f"/batch/jobs/{data(accepted)['jobId']}")
    job = data(answer)
    assert answer.status_code == 200
    assert {name: job[name] for name in ("id", "type", "status", "progress", "output", "error")} == {
        "id": data(accepted)["jobId"],
        "type": "batch_ingest_entities",
        "status": "completed",
        "progress": 100,
        "output": {
            "succeeded": 1,
            "failed": 1,
            "errors": [
                {
                    "index": 1,
                    "line": None,
                    "externalId": "player_002",
                    "code": "VALIDATION_FAILED",
                    "message": 'Missing required field: "email"',
                    "field": "/data/email",
                    "retryable": False,
                }
            ],
        },
        "error": None,
    }
    assert TIME.fullmatch(job["created_at"])
    assert TIME.fullmatch(job["completed_at"])


def test_section_5_the_fields_that_are_ours(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = api.post("/batch/entities", [entity(1), entity(2), entity(1), entity(3, data={})])
    run_jobs()
    job = api.job(accepted)
    assert (job["total"], job["processed"], job["attempts"], job["errors_truncated"]) == (4, 4, 1, False)
    assert job["effects"] == {
        "created": 2,
        "updated": 0,
        "unchanged": 1,
        "duplicate": 0,
        "failed": 1,
        "unprocessed": 0,
    }
    assert TIME.fullmatch(job["started_at"])
    assert job["rate"] > 0
    assert job["eta_seconds"] == 0
    assert job["finished_in_seconds"] > 0
    assert [job[name] for name in ("parent_job_id", "retried_by", "blocked_by", "queue_ahead")] == [
        None,
        [],
        None,
        None,
    ]
    path = f"{BASE}/batch/jobs/{job['id']}"
    calls = ("errors", "warnings", "timeline")
    assert job["links"] == {"self": path, **{call: f"{path}/{call}" for call in calls}}
    assert job["warnings"] == {"count": 0, "first": []}


def test_section_5_a_pending_job_has_done_nothing_yet(api: Api) -> None:
    job = api.job(api.post("/batch/entities", [entity()]))
    assert (job["status"], job["progress"], job["processed"]) == ("pending", 0, 0)
    assert job["output"] == {"succeeded": 0, "failed": 0, "errors": []}
    assert job["effects"]["unprocessed"] == 1
    nothing = ("completed_at", "started_at", "rate", "eta_seconds", "finished_in_seconds", "blocked_by")
    assert [job[name] for name in nothing] == [None] * 6
    assert job["queue_ahead"] == 0


def test_section_5_a_failed_job_says_why_and_is_still_200(api: Api, pool: Pool) -> None:
    accepted = api.post("/batch/entities", [entity()])
    with transaction(pool) as conn:
        control.fail(conn, parse("job", data(accepted)["jobId"]), "JOB_UNRUNNABLE", "It never could")
    job = api.job(accepted)
    assert (job["status"], job["progress"]) == ("failed", 0)
    assert job["error"] == {"code": "JOB_UNRUNNABLE", "message": "It never could"}
    assert TIME.fullmatch(job["completed_at"])


def test_section_5_a_cancelled_job_is_still_200(api: Api, pool: Pool) -> None:
    accepted = api.post("/batch/entities", [entity()])
    with transaction(pool) as conn:
        control.cancel(conn, parse("job", data(accepted)["jobId"]))
    assert (api.job(accepted)["status"], api.job(accepted)["error"]) == ("cancelled", None)


def test_section_5_another_tenants_job_is_404(api: Api, new_api: Callable[..., Api]) -> None:
    path = f"/batch/jobs/{data(api.post('/batch/entities', [entity()]))['jobId']}"
    stranger = new_api()
    refused(stranger.get(path), 404, "NOT_FOUND")
    refused(stranger.get(f"{path}/errors"), 404, "NOT_FOUND")


@pytest.mark.parametrize("job_id", ["job_" + "0" * 32, "job_" + "A" * 32, "ent_" + "0" * 32, "1", "%F0%9F%98%80"])
def test_section_5_a_job_that_is_not_there_is_404(api: Api, job_id: str) -> None:
    refused(api.get(f"/batch/jobs/{job_id}"), 404, "NOT_FOUND")
    refused(api.get(f"/batch/jobs/{job_id}/errors"), 404, "NOT_FOUND")


def test_section_5_errors_come_inline_up_to_1000_and_all_of_them_in_pages(
    api: Api, run_jobs: Callable[[], None]
) -> None:
    accepted = api.post("/batch/events", [{}] * 1_005)
    run_jobs()
    job = api.job(accepted)
    assert [error["index"] for error in job["output"]["errors"]] == list(range(1_000))
    assert (job["output"]["failed"], job["errors_truncated"]) == (1_005, True)

    pages = walk(api, job["links"]["errors"] + "?limit=500")
    assert [len(page) for page in pages] == [500, 500, 5]
    assert [error["index"] for page in pages for error in page] == list(range(1_005))
    assert pages[0][0] == job["output"]["errors"][0]
    assert len(data(api.get(job["links"]["errors"], base=""))) == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=1.5", "limit=", "limit=%F0"])
def test_section_5_a_bad_limit_is_refused(api: Api, query: str) -> None:
    path = f"/batch/jobs/{data(api.post('/batch/entities', [entity()]))['jobId']}/errors"
    refused(api.get(f"{path}?{query}"), 400, "INVALID_INPUT", "1 to 1000")


@pytest.mark.parametrize("cursor", ["", "x", "%00", "%F0%9F%98%80", "LTE", "bnVsbA", "OTk5OTk5OTk5OTk5OTk", "W" * 5000])
def test_section_5_a_bad_cursor_is_refused(api: Api, cursor: str) -> None:
    path = f"/batch/jobs/{data(api.post('/batch/entities', [entity()]))['jobId']}/errors"
    refused(api.get(f"{path}?cursor={cursor}"), 400, "INVALID_INPUT", "cursor")
