"""Every batch is a job: run in the request, or left to the workers where the client asks for that."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import control
from ingest.settings import Settings
from tests.api.public.conftest import BASE, Dataset, PublicApi, rows
from tests.support.factories import make_executor

Events = Callable[[], list[tuple[Any, ...]]]

GOOD = {"event": "e", "objects": [{"type": "a", "id": "1"}]}


def job_ids(pool: Pool, dataset: Dataset) -> list[Any]:
    return [row[0] for row in rows(pool, "SELECT id FROM jobs WHERE tenant_id = %s ORDER BY id", dataset.tenant.id)]


def test_a_batch_is_a_job_that_can_be_read(api: PublicApi, dataset: Dataset, public_pool: Pool) -> None:
    api.post("/event/batch", {"events": [GOOD, {}, GOOD]}, X_Request_Id="till-1-batch-7")
    (job_id,) = job_ids(public_pool, dataset)
    answer = api.get(f"/batch/jobs/job_{job_id.hex}").get_json()
    assert answer["success"] is True
    job = answer["data"]
    message = "Event name is required; At least one object is required"
    told = {"code": "VALIDATION_FAILED", "message": message, "field": "/event", "retryable": False}
    error = {"index": 1, "line": None, "externalId": None, **told}
    assert (job["type"], job["status"], job["progress"]) == ("batch_ingest_object_events", "completed", 100)
    assert job["output"] == {"succeeded": 2, "failed": 1, "errors": [error]}
    assert job["links"]["self"] == f"{BASE}/batch/jobs/job_{job_id.hex}"
    assert api.get(job["links"]["errors"], base="").get_json() == {"success": True, "data": [error]}


def test_a_batch_keeps_its_results_with_the_ids_that_its_answer_names(
    api: PublicApi, dataset: Dataset, public_pool: Pool
) -> None:
    answer = api.post("/event/batch", {"events": [GOOD, {}, GOOD]}).get_json()
    (job_id,) = job_ids(public_pool, dataset)
    found = api.get(f"/batch/jobs/job_{job_id.hex}/results?limit=1")
    assert "Link" in found.headers
    kept = api.get(f"/batch/jobs/job_{job_id.hex}/results").get_json()["data"]
    assert [(result["index"], result["effect"]) for result in kept] == [(0, "created"), (2, "created")]
    assert [result["id"] for result in kept] == answer["event_ids"]


def test_lines_keep_no_results(api: PublicApi, dataset: Dataset, public_pool: Pool) -> None:
    api.post("/event/batch", body=b"{}\n", Content_Type="application/x-ndjson")
    (job_id,) = job_ids(public_pool, dataset)
    answer = api.get(f"/batch/jobs/job_{job_id.hex}/results")
    assert answer.status_code == 409
    assert "kept no results" in answer.get_json()["detail"]


def test_respond_async_leaves_the_batch_to_the_workers(
    api: PublicApi, dataset: Dataset, public_settings: Settings, public_pool: Pool
) -> None:
    objects = [{"type": "a", "id": "1"}, {"type": "a"}]
    answer = api.post("/object/batch", {"objects": objects}, Prefer="respond-async")
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.headers["Retry-After"] == "1"
    (job_id,) = job_ids(public_pool, dataset)
    told = answer.get_json()
    assert answer.headers["Location"] == f"{BASE}/batch/jobs/job_{job_id.hex}"
    assert told == {
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
    assert api.get(answer.headers["Location"], base="").get_json()["data"]["status"] == "pending"

    make_executor(public_pool, public_settings.redis_url).run(job_id, seconds=5)

    job = api.get(answer.headers["Location"], base="").get_json()["data"]
    assert (job["type"], job["status"]) == ("batch_ingest_objects", "completed")
    assert job["output"]["errors"][0] == {
        "index": 1,
        "line": None,
        "externalId": None,
        "code": "VALIDATION_FAILED",
        "message": "Object id is required",
        "field": "/id",
        "retryable": False,
    }
    assert api.object("a", "1") == {}


def test_the_jobs_of_a_dataset_are_listed(api: PublicApi, dataset: Dataset, public_pool: Pool) -> None:
    for _ in range(2):
        api.post("/event/batch", {"events": [GOOD, {}]})
    newest, oldest = (f"job_{job_id.hex}" for job_id in reversed(job_ids(public_pool, dataset)))
    page = api.get("/batch/jobs?limit=1&has_errors=true")
    assert [job["id"] for job in page.get_json()["data"]] == [newest]
    link = page.headers["Link"].partition(">")[0].removeprefix("<")
    assert link.startswith(f"{BASE}/batch/jobs?")
    assert [job["id"] for job in api.get(link, base="").get_json()["data"]] == [oldest]


def test_a_job_of_another_dataset_is_not_there(
    api: PublicApi, new_dataset: Callable[[], Dataset], dataset: Dataset, public_pool: Pool
) -> None:
    api.post("/event/batch", {"events": [GOOD]})
    (job_id,) = job_ids(public_pool, dataset)
    answer = PublicApi(api.app, new_dataset()).get(f"/batch/jobs/job_{job_id.hex}")
    assert answer.status_code == 404
    assert set(answer.get_json()) == {"detail"}


@contextmanager
def held(settings: Settings, query: str, *values: object) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of somebody else's that has done this, and does not end before the test says so."""
    with psycopg.connect(settings.database_url) as conn:
        conn.execute(query.encode(), values)
        yield conn
        conn.rollback()


ONE_OBJECT = """
    INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
    VALUES (gen_random_uuid(), %s, 'a', '1', 'a', '{}')
"""


@contextmanager
def sending(api: PublicApi, events: list[Any]) -> Iterator[list[Any]]:
    """Send a batch from another thread; its answer stands in the list once this block has been left."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(api.post("/event/batch", {"events": events})))
    thread.start()
    yield answers
    thread.join()


def until_waiting(settings: Settings) -> None:
    """Return when a statement waits for a lock."""
    with psycopg.connect(settings.database_url, autocommit=True) as conn:
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while conn.execute(waits).fetchone() == (0,):
            conn.execute("SELECT pg_sleep(0.01)")


def test_a_batch_whose_job_is_cancelled_meanwhile_says_so(
    api: PublicApi, dataset: Dataset, public_settings: Settings, public_pool: Pool, events_of: Events
) -> None:
    with held(public_settings, ONE_OBJECT, dataset.tenant.id), sending(api, [GOOD, {}]) as answers:
        until_waiting(public_settings)
        with transaction(public_pool) as conn:
            assert control.cancel(conn, job_ids(public_pool, dataset)[0])
    assert answers[0].status_code == 200
    assert answers[0].get_json() == {
        "success": False,
        "processed": 0,
        "failed": 2,
        "event_ids": [],
        "errors": [f"Event {number}: not carried out: its job was cancelled" for number in range(2)],
    }
    assert events_of() == []


@pytest.fixture
def _no_place_to_wait(api: PublicApi) -> Iterator[None]:
    places = api.app.extensions["sluice"].waiting_places
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    yield
    places.release(taken)


@pytest.mark.usefixtures("_no_place_to_wait")
def test_a_batch_that_cannot_be_carried_out_in_time_is_202_and_not_lost(
    api: PublicApi, dataset: Dataset, public_settings: Settings, public_pool: Pool, events_of: Events
) -> None:
    with held(public_settings, ONE_OBJECT, dataset.tenant.id):
        answer = api.post("/event/batch", {"events": [GOOD]})
    assert answer.status_code == 202
    (job_id,) = job_ids(public_pool, dataset)
    make_executor(public_pool, public_settings.redis_url).run(job_id, seconds=5)
    assert api.get(answer.headers["Location"], base="").get_json()["data"]["status"] == "completed"
    assert len(events_of()) == 1


@pytest.mark.usefixtures("_no_place_to_wait")
def test_a_database_that_fails_after_the_commit_makes_no_5xx(
    api: PublicApi, public_settings: Settings, events_of: Events
) -> None:
    # The batch has no bad item, so that this table is looked at by the reply alone.
    with held(public_settings, "LOCK TABLE job_errors IN ACCESS EXCLUSIVE MODE"):
        answer = api.post("/event/batch", {"events": [GOOD]})
    assert answer.status_code == 202
    assert len(events_of()) == 1
    assert api.get(answer.headers["Location"], base="").get_json()["data"]["status"] == "completed"


def test_a_batch_needs_no_redis(limited: Callable[..., PublicApi], events_of: Events) -> None:
    api = limited(redis_url="redis://127.0.0.1:1/0")
    assert api.post("/event/batch", {"events": [GOOD]}).get_json()["processed"] == 1
    assert api.post("/event", GOOD).status_code == 200
    assert len(events_of()) == 2


def test_batches_take_the_lines_of_an_error_file(api: PublicApi) -> None:
    """As in docs/contracts/jobs.md section 4; an answer names the objects that were taken, corrected ones too."""
    bad = [{"type": "a", "id": "1", "properties": 5}, {"type": "a", "id": "2", "properties": [1]}, 5]
    answer = api.post("/object/batch", {"objects": bad}, Prefer="respond-async")
    path = answer.headers["Location"]
    api.post("/object/batch", {"objects": [{"type": "a", "id": "9"}]})  # it runs the batch before it
    with api.get(f"{path}/errors.ndjson", base="") as file:
        lines = [json.loads(line) for line in file.get_data().splitlines()]
    assert [line["_sluice"]["index"] for line in lines] == [0, 1, 2]
    assert api.post("/object/batch", {"objects": lines}).get_json()["failed"] == 3
    lines[0]["properties"], lines[1]["properties"] = {}, {}
    lines[2]["_raw"] = '{"type": "a", "id": "3"}'
    again = api.post("/object/batch", {"objects": lines}, Prefer="handling=strict").get_json()
    assert (again["failed"], [made["external_id"] for made in again["objects"]]) == (0, ["1", "2", "3"])
