"""docs/contracts/jobs.md section 3: the tag of a job, and waiting until the job moves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from app.http.services import Services
from app.jobs import resource
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims, control, lookup
from ingest.ids import parse
from ingest.jobs import Job
from ingest.notify.progress import WATCHED
from tests.api.conftest import Api, data
from tests.support.factories import entity


@pytest.fixture
def job(api: Api) -> str:
    """The path of a job that is pending."""
    return f"/batch/jobs/{data(api.post('/batch/entities', [entity(1)]))['jobId']}"


def _tag(api: Api, job: str) -> str:
    return str(api.get(job).headers["ETag"])


def _get(api: Api, job: str, tag: str, **headers: str) -> TestResponse:
    return api.get(job, **{"If-None-Match": tag}, **headers)


def test_a_job_that_is_as_its_tag_says_is_304_without_a_body(api: Api, job: str) -> None:
    tag = _tag(api, job)
    assert tag.startswith('"')
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = _get(api, job, known)
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert "Content-Type" not in answer.headers


@pytest.mark.parametrize(
    "change",
    [
        "status = 'processing', started_at = now()",
        'options = \'{"label": "y"}\'',
        "attempts = 2",
        "parent_job_id = id",
        "warnings = 1",
        "total = 2, created = 1",
        "deadline_at = now()",
        "status = 'cancelled', ended_at = now()",
    ],
)
def test_whatever_a_job_shows_of_itself_changes_its_tag(api: Api, job: str, observer: Connection, change: str) -> None:
    tag = _tag(api, job)
    observer.execute(f"UPDATE jobs SET {change}".encode())
    answer = _get(api, job, tag)
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_the_queue_before_a_pending_job_is_not_covered_by_its_tag(api: Api, pool: Pool) -> None:
    first, second = (data(api.post("/batch/entities", [entity(1)]))["jobId"] for _ in range(2))
    before = api.get(f"/batch/jobs/{second}")
    with transaction(pool) as conn:
        control.cancel(conn, parse("job", first))
    after = api.get(f"/batch/jobs/{second}")
    assert data(before)["queue_ahead"] != data(after)["queue_ahead"]
    assert before.headers["ETag"] == after.headers["ETag"]


def test_a_tag_that_is_no_longer_true_is_answered_at_once(api: Api, job: str) -> None:
    answer = _get(api, job, '"of another time"', Prefer="wait=30")
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


def test_a_job_that_has_ended_is_304_at_once(api: Api, job: str, run_jobs: Callable[[], int]) -> None:
    run_jobs()
    answer = _get(api, job, _tag(api, job), Prefer="wait=30")
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (304, False)


def test_a_job_that_did_not_move_is_304_once_the_time_is_up(api: Api, job: str) -> None:
    answer = _get(api, job, _tag(api, job), Prefer="wait=1")
    assert answer.status_code == 304
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_a_request_that_waits_looks_itself_before_hints_can_arrive(
    api: Api, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag, looks = _tag(api, job), []
    own_job = resource.own_job

    def counted(*args: Any, **kwargs: Any) -> Job:
        looks.append(own_job(*args, **kwargs))
        return looks[-1]

    monkeypatch.setattr(resource, "own_job", counted)
    assert _get(api, job, tag, Prefer="wait=1").status_code == 304
    assert len(looks) > len(("before it waits", "when the time is up"))


def _meanwhile(api: Api, job: str, broker: redis.Redis, action: Callable[[], Any]) -> TestResponse:
    """Wait for a job in a thread, and do something once the processes that run jobs have been told of that."""
    tag = _tag(api, job)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(_get, api, job, tag, Prefer="wait=30")
        while not broker.zcard(WATCHED):
            pass
        action()
        return answer.result()


def test_a_request_that_waits_is_answered_when_the_job_changes_its_status(
    api: Api, job: str, broker: redis.Redis, pool: Pool
) -> None:
    def begin() -> None:
        with transaction(pool) as conn:
            assert claims.claim(conn, parse("job", job.rpartition("/")[2]))

    answer = _meanwhile(api, job, broker, begin)
    assert (data(answer)["status"], answer.headers["Preference-Applied"]) == ("processing", "wait=30")


def test_a_request_that_waits_is_answered_at_the_end_of_its_job(
    api: Api, job: str, broker: redis.Redis, pool: Pool, run_jobs: Callable[[], int]
) -> None:
    with transaction(pool) as conn:
        assert claims.claim(conn, parse("job", job.rpartition("/")[2]))
    assert data(_meanwhile(api, job, broker, run_jobs))["status"] == "completed"


@pytest.mark.parametrize(("processed", "moved"), [(0, False), (9, False), (10, True), (1_000, True)])
def test_a_job_has_moved_once_a_percent_of_its_items_is_processed(
    job: str, observer: Connection, pool: Pool, processed: int, *, moved: bool
) -> None:
    job_id = parse("job", job.rpartition("/")[2])
    observer.execute("UPDATE jobs SET status = 'processing', started_at = now(), total = 1000, unprocessed = 1000")
    with transaction(pool) as conn:
        before = lookup.show(conn, job_id)
    observer.execute("UPDATE jobs SET created = %s, unprocessed = 1000 - %s", (processed, processed))
    with transaction(pool) as conn:
        now = lookup.show(conn, job_id)
    assert before is not None
    assert now is not None
    assert resource.has_moved(before, now) is moved


def test_where_too_many_requests_wait_already_one_more_is_answered_at_once(api: Api, app: Flask, job: str) -> None:
    shared: Services = app.extensions["sluice"]
    tag, taken = _tag(api, job), 0
    while shared.waiting_places.acquire(blocking=False):
        taken += 1
    answer = _get(api, job, tag, Prefer="wait=30")
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (304, False)
    shared.waiting_places.release(taken)
