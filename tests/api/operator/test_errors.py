"""`GET /batch/jobs/{id}/errors` and `/items/{index}`, of docs/contracts/jobs.md section 4."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import groups
from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import control
from ingest.db.jobs import errors as stored_errors
from ingest.ids import JOB, parse
from tests.api.conftest import Api, data, refused, walk
from tests.support.factories import entity, event, state

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(api: Api, run_jobs: Callable[[], int]) -> Run:
    """Send items, run their job, and return that."""

    def send(items: list[Any], call: str = "entities", **headers: str) -> dict[str, Any]:
        accepted = api.post(f"/batch/{call}", items, **headers)
        run_jobs()
        return api.job(accepted)

    return send


@pytest.fixture
def mixed(run: Run) -> dict[str, Any]:
    """A job of states with 20 errors, of two codes in turn."""
    return run([state(number, stateKey="balance" if number % 2 else "ghost") for number in range(20)], "states")


def test_errors_are_filtered_by_code_and_begin_at_an_index(api: Api, mixed: dict[str, Any]) -> None:
    path = mixed["links"]["errors"]

    def indexes(query: str) -> list[int]:
        return [error["index"] for error in data(api.get(f"{path}?{query}", base=""))]

    assert indexes("code=NOT_FOUND") == list(range(1, 20, 2))
    assert indexes("from=17") == [17, 18, 19]
    assert indexes("code=VALIDATION_FAILED&from=15") == [16, 18]
    assert indexes("code=INVALID_JSON") == []
    pages = walk(api, f"{path}?code=NOT_FOUND&from=4&limit=3")
    assert [[error["index"] for error in page] for page in pages] == [[5, 7, 9], [11, 13, 15], [17, 19]]
    refused(api.get(f"{path}?code=NO_SUCH", base=""), 400, "INVALID_INPUT", "NOT_FOUND")
    refused(api.get(f"{path}?from=-1", base=""), 400, "INVALID_INPUT", "from")


def test_not_found_alone_is_retryable(api: Api, mixed: dict[str, Any]) -> None:
    errors = data(api.get(mixed["links"]["errors"], base=""))
    assert {(error["code"], error["retryable"]) for error in errors} == {
        ("NOT_FOUND", True),
        ("VALIDATION_FAILED", False),
    }


def test_a_rare_code_leaves_pages_short(api: Api, mixed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_errors, "_LOOKED_AT", 6)
    pages = walk(api, f"{mixed['links']['errors']}?code=NOT_FOUND&limit=10")
    assert [[error["index"] for error in page] for page in pages] == [[1, 3, 5], [7, 9, 11], [13, 15, 17], [19]]


def test_items_come_as_they_were_sent(api: Api, run_jobs: Callable[[], int]) -> None:
    lines = b'{ "n": 1.00,"b":null }\n{broken\n{"externalId": "\\ud800"}\n'
    accepted = api.post("/batch/entities", body=lines, Content_Type="application/x-ndjson")
    run_jobs()
    path = api.job(accepted)["links"]["errors"]
    answer = api.get(f"{path}?items=true", base="")
    assert b'"item":{ "n": 1.00,"b":null }' in answer.get_data()
    assert [error["item"] for error in data(answer)[1:]] == ["{broken", '{"externalId": "\\ud800"}']
    assert "item" not in data(api.get(path, base=""))[0]


def test_items_of_csv_come_as_their_row(api: Api, run_jobs: Callable[[], int]) -> None:
    rows = b'externalId,entityType,email\r\np1,"ghost","a\r\nb"\r\n'
    accepted = api.post("/batch/entities", body=rows, Content_Type="text/csv")
    run_jobs()
    [error] = data(api.get(f"{api.job(accepted)['links']['errors']}?items=true", base=""))
    assert error["item"] == 'p1,"ghost","a\r\nb"'


def test_a_page_of_items_ends_by_its_bytes(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_errors, "_MOST_BYTES", 3_000)
    monkeypatch.setattr(
        stored_errors, "_PAGE_WITH_ITEMS", stored_errors._PAGE_WITH_ITEMS.replace(str(4 * 1024 * 1024), "3000")
    )
    job = run([{"pad": "x" * 1_000} for _ in range(7)])
    pages = walk(api, f"{job['links']['errors']}?items=true")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [len(page) for page in walk(api, f"{job['links']['errors']}?items=true&limit=2")] == [2, 2, 2, 1]


def test_an_item_that_is_too_large_to_be_kept_is_null(api: Api, run: Run) -> None:
    job = run([{"pad": "x" * 1_100_000}])
    [error] = data(api.get(f"{job['links']['errors']}?items=true", base=""))
    assert (error["code"], error["item"]) == ("ITEM_TOO_LARGE", None)


def test_errors_that_are_alike_are_groups(api: Api, run: Run) -> None:
    good = entity(1)
    bad = [
        {**good, "data": {}},
        {**good, "data": {}},
        good,
        {**good, "data": {}},
        {**good, "entityType": "plaier"},
        {**good, "entityType": "playr"},
        {**good, "entityType": "xyz"},
    ]
    job = run(bad)
    groups = data(api.get(f"{job['links']['errors']}?group=true", base=""))
    assert [(group["message"], group["count"], group["ranges"]) for group in groups] == [
        ('Missing required field: "email"', 3, [[0, 1], [3, 3]]),
        ('Unknown entity type: "…" (did you mean "player"?)', 2, [[4, 5]]),
        ('Unknown entity type: "…"', 1, [[6, 6]]),
    ]
    assert groups[0]["field"] == "/data/email"
    assert groups[1]["sample"] == data(api.get(f"{job['links']['errors']}?from=4", base=""))[0]
    [one] = data(api.get(f"{job['links']['errors']}?group=true&from=5&limit=1&code=VALIDATION_FAILED", base=""))[:1]
    assert one["count"] == 1
    refused(api.get(f"{job['links']['errors']}?group=true&items=true", base=""), 400, "INVALID_INPUT", "items")


def test_groups_of_a_job_with_many_errors_come_in_pages(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUPED_AT_ONCE", 4)
    job = run([{}] * 10)
    pages = walk(api, f"{job['links']['errors']}?group=true")
    assert [[group["count"] for group in page] for page in pages] == [[4], [4], [2]]
    assert [page[0]["ranges"] for page in pages] == [[[0, 3]], [[4, 7]], [[8, 9]]]


def test_groups_of_a_rare_code_end_their_page_where_single_errors_do(
    api: Api, mixed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_errors, "_LOOKED_AT", 6)
    pages = walk(api, f"{mixed['links']['errors']}?group=true&code=NOT_FOUND")
    assert [[(group["count"], group["sample"]["index"]) for group in page] for page in pages] == [
        *([(3, 1)], [(3, 7)], [(3, 13)], [(1, 19)]),
    ]


def item(api: Api, job: dict[str, Any], index: int) -> dict[str, Any]:
    found: dict[str, Any] = data(api.get(f"/batch/jobs/{job['id']}/items/{index}"))
    return found


def test_an_item_has_its_effect_its_error_and_its_warnings(api: Api, run: Run) -> None:
    assert api.post("/entities", entity(1)).status_code == 201
    job = run([entity(1), entity(2, extra=1), entity(3, data={})], "entities?keepResults=true")
    results = data(api.get(job["links"]["results"], base=""))
    first, second, third = (item(api, job, index) for index in range(3))
    assert first == {**results[0], "error": None, "warnings": []}
    assert (second["effect"], second["id"]) == ("created", results[1]["id"])
    assert [warning["field"] for warning in second["warnings"]] == ["/extra"]
    assert (third["effect"], third["id"]) == ("failed", None)
    assert third["error"] == job["output"]["errors"][0]


def test_the_effect_of_an_item_is_null_where_only_sums_are_kept(api: Api, run: Run) -> None:
    job = run([entity(1), entity(2), {}])
    assert [item(api, job, index)["effect"] for index in range(3)] == ["created", "created", "failed"]
    job = run([entity(1), entity(9)])
    assert [item(api, job, index)["effect"] for index in range(2)] == [None, None]


def test_an_item_that_was_not_looked_at_is_unprocessed(api: Api, run: Run, pool: Pool) -> None:
    job = api.job(api.post("/batch/entities", [entity(1)]))
    assert item(api, job, 0)["effect"] == "unprocessed"
    with transaction(pool) as conn:
        assert control.cancel(conn, parse(JOB, job["id"]))
    assert item(api, job, 0)["effect"] == "unprocessed"
    aborted = run([entity(1), {}], "entities?atomic=true")
    assert [item(api, aborted, index)["effect"] for index in range(2)] == ["unprocessed", "failed"]


def test_items_of_any_block_are_found_with_their_lines(api: Api, run: Run, run_jobs: Callable[[], int]) -> None:
    run([entity(number) for number in range(10)])
    lines = "".join(f"\n{json.dumps(event(number % 10))}\n" for number in range(25_000)).encode()
    accepted = api.post("/batch/events?keepResults=true", body=lines, Content_Type="application/x-ndjson")
    run_jobs()
    job = api.job(accepted)
    for index in (0, 4_999, 5_000, 12_345, 24_999):
        found = item(api, job, index)
        assert (found["line"], found["effect"]) == (2 * index + 2, "created")
        assert found["id"].startswith("eev_")


@pytest.mark.parametrize("index", ["2", "-1", "x", "1.0", "9" * 30, "%F0%9F%98%80"])
def test_an_index_that_the_job_does_not_have_is_404(api: Api, run: Run, index: str) -> None:
    job = run([entity(1), entity(2)])
    refused(api.get(f"/batch/jobs/{job['id']}/items/{index}"), 404, "NOT_FOUND")


def test_an_item_of_another_tenant_s_job_is_404(run: Run, new_api: Callable[..., Api]) -> None:
    job = run([entity(1)])
    refused(new_api().get(f"/batch/jobs/{job['id']}/items/0"), 404, "NOT_FOUND", "no job")
