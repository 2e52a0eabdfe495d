"""docs/contracts/jobs.md section 3: the list of jobs."""

from collections.abc import Callable

import pytest

from tests.api.conftest import BASE, Api, data, refused, walk
from tests.support.factories import entity, event


def _made(api: Api, count: int, query: str = "") -> list[str]:
    """Make jobs, and return their ids, the newest first."""
    ids = [data(api.post(f"/batch/entities{query}", [entity(number)]))["jobId"] for number in range(count)]
    return ids[::-1]


def _listed(api: Api, query: str = "") -> list[str]:
    return [job["id"] for job in data(api.get(f"/batch/jobs{query}"))]


def test_a_row_is_the_job_without_its_errors_and_warnings(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = api.post("/batch/entities", [entity(1, strange=1), entity(2, data={})])
    run_jobs()
    job = api.job(accepted)
    [row] = data(api.get("/batch/jobs"))
    assert job["output"].pop("errors")
    assert job["warnings"].pop("first")
    del job["errors_truncated"], job["family"]
    assert row == job


def test_a_pending_row_has_its_place_in_the_queue_as_its_job_does(api: Api) -> None:
    second, first = _made(api, 2)
    rows = data(api.get("/batch/jobs"))
    members = [(row["id"], row["blocked_by"], row["queue_ahead"]) for row in rows]
    assert members == [(second, first, 1), (first, None, 0)]
    job = data(api.get(f"/batch/jobs/{second}"))
    assert (job["blocked_by"], job["queue_ahead"]) == (first, 1)


def test_pages_follow_one_another_by_their_links(api: Api) -> None:
    made = _made(api, 5)
    pages = walk(api, f"{BASE}/batch/jobs?limit=2&status=pending,processing")
    assert [[job["id"] for job in page] for page in pages] == [made[:2], made[2:4], made[4:]]


def test_another_tenants_jobs_are_never_listed(api: Api, new_api: Callable[..., Api]) -> None:
    [made] = _made(api, 1, "?label=x")
    stranger = new_api()
    for query in ("", "?label=x", f"?parent={made}", "?status=pending"):
        assert _listed(stranger, query) == []


def test_the_filters_are_read_from_the_query(api: Api, run_jobs: Callable[[], None]) -> None:
    [named] = _made(api, 1, "?label=n%C3%A4me")
    bad = data(api.post("/batch/events", [event(1), {}]))["jobId"]
    run_jobs()
    [pending] = _made(api, 1)
    created = data(api.get(f"/batch/jobs/{pending}"))["created_at"]
    for query, expected in {
        "?label=n%C3%A4me": [named],
        "?has_errors=true": [bad],
        "?has_errors=false": [pending, bad, named],
        "?status=completed": [bad, named],
        "?status=pending,completed": [pending, bad, named],
        "?type=batch_ingest_events": [bad],
        "?type=batch_ingest_events&label=x": [],
        f"?parent={bad}": [],
        f"?created_after={created}": [pending],
        f"?created_before={created}": [bad, named],
    }.items():
        assert _listed(api, query) == expected, query


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("status=done", "pending"),
        ("status=receiving", "pending"),
        ("status=", "with commas between"),
        ("type=entities", "batch_ingest_entities"),
        ("label=", "1 to 200"),
        ("created_after=yesterday", "2026-04-06T12:00:00Z"),
        ("created_before=2026-04-06T12:00:00+02:00", "%2B"),
        ("has_errors=1", "false or true"),
        ("parent=job_1", "the id of a job"),
        ("limit=201", "1 to 200"),
        ("cursor=x", "cursor"),
        ("state=pending", "status"),
    ],
)
def test_a_filter_that_says_nothing_sensible_is_refused(api: Api, query: str, text: str) -> None:
    refused(api.get(f"/batch/jobs?{query}"), 400, "INVALID_INPUT", text)
