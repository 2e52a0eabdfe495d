"""Lines of any size in the public API: jobs for the workers (docs/contracts/jobs.md section 1)."""

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from werkzeug.test import TestResponse

from ingest.db.connection.pool import Pool
from ingest.settings import Settings
from tests.api.public.conftest import BASE, Dataset, PublicApi, rows
from tests.support.factories import make_executor

LINES = "application/x-ndjson"
GOOD = {"event": "e", "objects": [{"type": "a", "id": "1"}]}

Run = Callable[[], Any]


def ndjson(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def send(api: PublicApi, body: bytes, noun: str = "event", **headers: str) -> TestResponse:
    return api.post(f"/{noun}/batch", body=body, Content_Type=headers.pop("Content_Type", LINES), **headers)


@pytest.fixture
def jobs_of(public_pool: Pool, dataset: Dataset) -> Callable[[], list[Any]]:
    """The ids of the dataset's jobs."""
    return lambda: [row[0] for row in rows(public_pool, "SELECT id FROM jobs WHERE tenant_id = %s", dataset.tenant.id)]


@pytest.fixture
def run_job(api: PublicApi, public_settings: Settings, public_pool: Pool, jobs_of: Run) -> Run:
    """Run the dataset's only job as a worker does, and return it as the API shows it."""

    def run() -> Any:
        (job_id,) = jobs_of()
        make_executor(public_pool, public_settings.redis_url).run(job_id, seconds=20)
        return api.get(f"/batch/jobs/job_{job_id.hex}").get_json()["data"]

    return run


@pytest.mark.parametrize("content_type", [LINES, "application/ndjson", "application/jsonl", "application/x-jsonlines"])
def test_each_line_is_an_event_of_a_job_for_the_workers(
    api: PublicApi, run_job: Run, jobs_of: Run, events_of: Run, content_type: str
) -> None:
    answer = send(api, ndjson(GOOD, {**GOOD, "event": "f"}), Content_Type=content_type)
    (job_id,) = jobs_of()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{BASE}/batch/jobs/job_{job_id.hex}"
    assert answer.get_json() == {
        "success": True,
        "data": {
            "jobId": f"job_{job_id.hex}",
            "status": "pending",
            "progress": 0,
            "succeeded": 0,
            "failed": 0,
            "errors": [],
        },
    }
    job = run_job()
    assert (job["type"], job["status"], job["output"]["succeeded"]) == ("batch_ingest_object_events", "completed", 2)
    assert [event[0] for event in events_of()] == ["e", "f"]


def test_each_line_is_an_object_and_merges_in_order(api: PublicApi, run_job: Run) -> None:
    one = {"type": "a", "id": "1"}
    send(api, ndjson({**one, "properties": {"x": 1, "y": 1}}, {**one, "properties": {"x": 2}}), "object")
    job = run_job()
    assert (job["type"], job["status"]) == ("batch_ingest_objects", "completed")
    assert job["effects"]["created"] == job["effects"]["updated"] == 1
    assert api.object("a", "1") == {"x": 2, "y": 1}


def test_errors_and_warnings_name_the_line(api: PublicApi, run_job: Run, events_of: Run) -> None:
    body = b"\xef\xbb\xbf\r\n" + ndjson(GOOD, {}) + b"{broken\n\n" + ndjson({**GOOD, "stranger": 1})
    send(api, body)
    job = run_job()
    seen = [(error["index"], error["line"], error["code"]) for error in job["output"]["errors"]]
    assert seen == [(1, 3, "VALIDATION_FAILED"), (2, 4, "INVALID_JSON")]
    assert job["output"]["errors"][0]["message"] == "Event name is required; At least one object is required"
    assert [(warning["index"], warning["line"]) for warning in job["warnings"]["first"]] == [(3, 6)]
    listed = api.get(job["links"]["errors"], base="").get_json()["data"]
    assert listed == job["output"]["errors"]
    assert len(events_of()) == 2


def test_a_strict_request_has_errors_in_place_of_warnings(api: PublicApi, run_job: Run) -> None:
    answer = send(api, ndjson({**GOOD, "stranger": 1}), Prefer="handling=strict")
    assert answer.headers["Preference-Applied"] == "handling=strict"
    assert [error["code"] for error in run_job()["output"]["errors"]] == ["UNKNOWN_FIELD"]


def test_the_request_waits_for_the_end_if_asked_to(
    api: PublicApi, public_settings: Settings, public_pool: Pool, dataset: Dataset
) -> None:
    stored = "SELECT pg_sleep(0.01), id FROM jobs WHERE tenant_id = %s AND status = 'pending'"

    def work() -> None:
        while not (found := rows(public_pool, stored, dataset.tenant.id)):
            pass
        make_executor(public_pool, public_settings.redis_url).run(found[0][1], seconds=20)  # type: ignore[arg-type] # an id

    worker = threading.Thread(target=work)
    worker.start()
    answer = send(api, ndjson(GOOD, {}, {**GOOD, "stranger": 1}), Prefer="wait=20")
    worker.join()
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    told = answer.get_json()
    assert (told["success"], set(told)) == (True, {"success", "data"})
    data = told["data"]
    assert (data["status"], data["progress"], data["succeeded"], data["failed"]) == ("completed", 100, 2, 1)
    assert [(error["index"], error["line"]) for error in data["errors"]] == [(1, 2)]
    assert data["warnings"]["count"] == 1


@pytest.mark.parametrize(("noun", "item"), [("event", GOOD), ("object", {"type": "a", "id": "1"})])
def test_a_job_of_lines_keeps_no_result_of_each_item(
    api: PublicApi, run_job: Run, public_pool: Pool, jobs_of: Run, noun: str, item: Any
) -> None:
    send(api, ndjson(item), noun)
    assert run_job()["output"]["succeeded"] == 1
    kept = rows(public_pool, "SELECT result_ids, result_indexes FROM job_blocks WHERE job_id = %s", *jobs_of())
    assert kept == [(None, None)]


@pytest.mark.parametrize(
    ("coding", "encode"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress), ("identity", bytes)]
)
def test_coded_lines_are_taken_and_checked_against_their_digest(
    api: PublicApi, run_job: Run, jobs_of: Run, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    body = encode(ndjson(*[GOOD] * 100))
    wrong = send(api, body, Content_Encoding=coding, Content_Digest=f"sha-256=:{'A' * 43}=:")
    assert (wrong.status_code, set(wrong.get_json()), jobs_of()) == (400, {"detail"}, [])
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert send(api, body, Content_Encoding=coding, Content_Digest=f"sha-256=:{digest}:").status_code == 202
    assert run_job()["output"]["succeeded"] == 100


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"\n \r\n", {}, 400),
        (b"\xff\xfe{\0}\0", {}, 400),
        (gzip.compress(ndjson(GOOD), mtime=0)[:-3], {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b" " * 100_000_000, mtime=0), {"Content_Encoding": "gzip"}, 413),
        (ndjson(GOOD), {"Content_Encoding": "br"}, 415),
        (ndjson(GOOD), {"Content_Type": f"{LINES}; charset=utf-16"}, 415),
    ],
)
def test_a_refused_body_of_lines_is_told_in_detail_and_leaves_nothing(
    api: PublicApi, jobs_of: Run, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = send(api, body, **headers)
    assert answer.status_code == status
    assert set(answer.get_json()) == {"detail"}
    assert isinstance(answer.get_json()["detail"], str)
    assert jobs_of() == []


def test_lines_have_the_limits_of_a_job(limited: Callable[..., PublicApi], jobs_of: Run) -> None:
    api = limited(max_job_items=3, max_job_bytes=2_000, web_threads=2)
    assert send(api, ndjson(*[GOOD] * 4)).status_code == 400
    assert send(api, b" " * 2_001).status_code == 413
    places = api.app.extensions["sluice"].body_places
    assert places.acquire(blocking=False)
    busy = send(api, ndjson(GOOD))
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
    places.release()
    assert jobs_of() == []
    assert send(api, ndjson(*[GOOD] * 3)).status_code == 202


def test_an_idempotency_key_means_nothing_here(api: PublicApi, jobs_of: Run) -> None:
    for _ in range(2):
        assert send(api, ndjson(GOOD), Idempotency_Key="k").status_code == 202
    assert len(jobs_of()) == 2


def test_a_query_parameter_is_refused(api: PublicApi, jobs_of: Run) -> None:
    answer = api.post("/event/batch?ordered=false", body=ndjson(GOOD), Content_Type=LINES)
    assert (answer.status_code, jobs_of()) == (422, [])


def test_a_list_may_still_not_be_compressed(api: PublicApi, jobs_of: Run) -> None:
    body = gzip.compress(json.dumps({"events": [GOOD]}).encode())
    assert api.post("/event/batch", body=body, Content_Encoding="gzip").status_code == 415
    assert jobs_of() == []


def test_another_type_is_told_both_that_are_taken(api: PublicApi) -> None:
    answer = api.post("/object/batch", body=b"a,b", Content_Type="text/csv")
    assert answer.status_code == 415
    assert "application/json, or as application/x-ndjson" in answer.get_json()["detail"]
