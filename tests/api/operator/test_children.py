"""`POST /batch/jobs/{id}/retry` and `/commit`, of docs/contracts/jobs.md section 5."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ingest.db import verify
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.jobs import control, families
from ingest.ids import JOB, parse
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity, event

LINES, CSV = "application/x-ndjson", "text/csv"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(api: Api, run_jobs: Callable[[], int]) -> Run:
    """Send items, or a body, run their job, and return that."""

    def send(items: Any, call: str = "entities", media: str = LINES, **headers: str) -> dict[str, Any]:
        sent = items if isinstance(items, bytes) else "".join(f"{json.dumps(item)}\n" for item in items).encode()
        accepted = api.post(f"/batch/{call}", body=sent, Content_Type=media, **headers)
        run_jobs()
        return api.job(accepted)

    return send


@pytest.fixture
def retry(api: Api, run_jobs: Callable[[], int]) -> Run:
    """Retry a job, run the child, and return that."""

    def send(job: dict[str, Any], select: Any = "failed", **members: Any) -> dict[str, Any]:
        answer = api.post(f"/batch/jobs/{job['id']}/retry", {"select": select, **members})
        assert answer.status_code == 202, answer.get_json()
        assert answer.headers["Location"] == data(answer)["links"]["self"]
        run_jobs()
        return job_of(api, data(answer)["id"])

    return send


def job_of(api: Api, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = data(api.get(f"/batch/jobs/{job_id}"))
    return found


def told(job: dict[str, Any]) -> list[tuple[int, int | None, str, str]]:
    return [(error["index"], error["line"], error["code"], error["message"]) for error in job["output"]["errors"]]


def effects(**counts: int) -> dict[str, int]:
    names = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")
    return {name: counts.get(name, 0) for name in names}


def test_three_patched_rows_of_fifty_thousand_leave_a_family_without_errors(api: Api, run: Run, retry: Run) -> None:
    bad = {17, 30_000, 49_999}
    rows = [f"p{number},player,{'' if number in bad else 'a'},1.50" for number in range(50_000)]
    job = run("\n".join(["externalId,entityType,email,vip_level:number", *rows]).encode(), media=CSV)
    assert (job["total"], [error[:2] for error in told(job)]) == (50_000, [(index, index + 2) for index in sorted(bad)])
    patch = {str(index): {"data": {"email": f"e{index}"}} for index in bad}
    child = retry(job, sorted(bad), patch=patch)
    assert (child["parent_job_id"], child["total"], child["effects"]) == (job["id"], 3, effects(created=3))
    root = job_of(api, job["id"])
    assert root["retried_by"] == [child["id"]]
    assert root["family"] == {"total": 50_000, "effects": effects(created=50_000)}
    assert root["effects"] == effects(created=49_997, failed=3)
    stored = api.get("/entities/p30000").get_data()
    assert b'"email":"e30000"' in stored.replace(b" ", b"")
    assert b"1.50" in stored


def test_items_that_fail_again_keep_their_index_line_and_error(api: Api, run: Run, retry: Run) -> None:
    body = b"\n".join([json.dumps(entity(1)).encode(), b"{broken", b"", b"5", b"\xff", json.dumps(entity(2)).encode()])
    job = run(body + b'\n{"externalId": "p"}\n')
    child = retry(job)
    assert told(child) == told(job)
    assert [error[:2] for error in told(child)] == [(1, 2), (2, 4), (3, 5), (5, 7)]
    assert job_of(api, job["id"])["family"]["effects"] == effects(created=2, failed=4)
    for index, found in ((1, "failed"), (5, "failed")):
        assert data(api.get(f"/batch/jobs/{child['id']}/items/{index}"))["effect"] == found
    refused(api.get(f"/batch/jobs/{child['id']}/items/0"), 404, "NOT_FOUND")
    with (
        api.get(f"/batch/jobs/{child['id']}/errors.ndjson") as again,
        api.get(job["links"]["errors"] + ".ndjson", base="") as first,
    ):
        assert again.get_data() == first.get_data()


def test_a_child_that_has_not_run_has_its_own_items_and_no_others(api: Api, run: Run, pool: Pool) -> None:
    job = run([{}, entity(1), {}, entity(2), {}])
    [child] = [data(api.post(f"/batch/jobs/{job['id']}/retry", {"select": [0, 4]}))]
    path = f"/batch/jobs/{child['id']}/items"
    for index in (0, 4):
        assert data(api.get(f"{path}/{index}"))["effect"] == "unprocessed"
    for index in (1, 2, 3, 5, 2_147_483_646):
        refused(api.get(f"{path}/{index}"), 404, "NOT_FOUND", "no item")
    waiting = job_of(api, data(api.post("/batch/entities", [entity(number) for number in range(900)]))["jobId"])
    with transaction(pool) as conn:
        assert control.cancel(conn, parse(JOB, child["id"]))
        assert control.cancel(conn, parse(JOB, waiting["id"]))
    again = data(api.post(f"/batch/jobs/{waiting['id']}/retry", {"select": "unprocessed"}))
    assert data(api.get(f"/batch/jobs/{again['id']}/items/899"))["effect"] == "unprocessed"
    refused(api.get(f"/batch/jobs/{again['id']}/items/900"), 404, "NOT_FOUND", "no item")


def test_rows_that_fail_again_have_the_same_error_file(api: Api, run: Run, retry: Run) -> None:
    rows = 'p1,player,a\np2\n"p3",ghost,"b ""c"""\np4,player,d,e\np5,"pl"x,a\np6,player,"open'
    job = run(f"externalId,entityType,email\n{rows}".encode(), media=CSV)
    child = retry(job)
    assert told(child) == told(job)
    files = [api.get(f"/batch/jobs/{found['id']}/errors.csv").get_data() for found in (job, child)]
    assert files[0] == files[1]


def test_a_patched_row_is_shown_and_patched_again_as_json(api: Api, run: Run, retry: Run) -> None:
    job = run(b"externalId,entityType,email,n:number\np1,ghost,a,1.50\np2,ghost,b,2\n", media=CSV)
    child = retry(job, patch={"0": {"data": {"email": "c"}}})
    found = data(api.get(f"/batch/jobs/{child['id']}/errors?items=true"))
    patched = {"externalId": "p1", "entityType": "ghost", "data": {"email": "c", "n": 1.5}}
    assert [error["item"] for error in found] == [patched, "p2,ghost,b,2"]
    last = retry(job, patch={str(index): {"entityType": "player"} for index in (0, 1)})
    assert (last["effects"], data(api.get("/entities/p1"))["data"]["email"]) == (effects(created=2), "c")


def test_a_patched_row_of_an_aborted_child_is_sent_again_as_patched(run: Run, retry: Run) -> None:
    job = run(b"externalId,entityType,email\np1,ghost,a\np2,ghost,b\n", "entities?atomic=true", CSV)
    child = retry(job, patch={"0": {"entityType": "player"}})
    assert child["effects"] == effects(failed=1, unprocessed=1)
    assert retry(child, "unprocessed")["effects"] == effects(created=1)


def test_a_row_that_looks_like_an_object_is_sent_again_as_a_row(api: Api, run: Run, retry: Run) -> None:
    job = run(b'externalId\n{"externalId":"p1"}\n{"a"}\n', "entities?entityType=ghost", CSV)
    assert told(retry(job)) == told(job)
    lines = api.get(f"/batch/jobs/{job['id']}/errors.ndjson").get_data().splitlines()
    assert [json.loads(line)["externalId"] for line in lines] == ['{"externalId":"p1"}', '{"a"}']


def test_a_retry_of_a_child_takes_what_failed_in_it(api: Api, run: Run, retry: Run) -> None:
    job = run([{**entity(number), "entityType": "ghost"} for number in range(4)])
    first = retry(job, patch={"0": {"entityType": "player"}})
    second = retry(first, [1, 2], patch={"2": {"entityType": "player"}})
    assert (second["parent_job_id"], [error[0] for error in told(second)]) == (first["id"], [1])
    assert job_of(api, job["id"])["family"] == {"total": 4, "effects": effects(created=2, failed=2)}
    # From the first job on, the items that failed last are sent again, whichever child they failed in.
    third = retry(job, patch={str(index): {"entityType": "player"} for index in (1, 3)})
    assert (third["parent_job_id"], third["effects"]) == (job["id"], effects(created=2))
    assert job_of(api, job["id"])["family"]["effects"] == effects(created=4)
    assert "family" in job_of(api, first["id"])
    assert job_of(api, first["id"])["family"] is None
    refused(api.post(f"/batch/jobs/{job['id']}/retry", {}), 409, "WRONG_STATE", "already")


def test_retryable_are_the_items_that_were_not_found(api: Api, run: Run, retry: Run) -> None:
    job = run([event(1), {**event(1), "eventType": "ghost"}, event(2)], "events")
    assert api.post("/entities", entity(1)).status_code == 201
    child = retry(job, "retryable")
    assert [error[0] for error in told(child)] == [2]
    assert job_of(api, job["id"])["family"]["effects"] == effects(created=1, failed=2)


def test_unprocessed_items_of_a_job_that_ended_early_are_sent_again(api: Api, run: Run, retry: Run, pool: Pool) -> None:
    lines = "".join(f"\n{json.dumps(entity(number))}\n" for number in range(10_500))
    job = run((lines + "{}\n").encode(), "entities?maxErrors=0&label=mine")
    accepted = api.post("/batch/entities", [entity(1), entity(2), {}])
    with transaction(pool) as conn:
        assert control.cancel(conn, parse(JOB, data(accepted)["jobId"]))
    child = retry(api.job(accepted), "unprocessed")
    assert (child["total"], [error[0] for error in told(child)]) == (3, [2])
    assert job_of(api, data(accepted)["jobId"])["family"]["effects"]["failed"] == 1
    refused(api.post(f"/batch/jobs/{data(accepted)['jobId']}/retry", {"select": "unprocessed"}), 409, "WRONG_STATE")
    assert job["label"] == "mine"


def test_a_child_has_the_options_that_say_how_items_are_written(api: Api, run: Run, retry: Run) -> None:
    assert api.post("/entities", entity(1)).status_code == 201
    job = run(
        [{**entity(1, data={"country": "DE"}), "x": 1}],
        "entities?mode=merge&ordered=false&label=mine",
        Prefer="handling=strict",
    )
    child = retry(job)
    assert [child[name] for name in ("label", "ordered", "atomic")] == ["mine", False, False]
    assert told(child) == told(job)
    patched = retry(job, patch={"0": {"x": None, "data": {"email": "z"}}})
    assert patched["effects"] == effects(updated=1)
    assert data(api.get("/entities/player_000001"))["data"]["vip_level"] == 1


def test_a_retry_while_a_child_has_the_items_answers_with_that_child(
    api: Api, run: Run, run_jobs: Callable[[], int]
) -> None:
    job = run([{}, {}, {}])
    path = f"/batch/jobs/{job['id']}/retry"
    first, second = (data(api.post(path, {"select": select})) for select in ([0, 1], "failed"))
    assert (first["total"], second["total"]) == (2, 1)
    assert data(api.post(path, {"select": [1, 0]}))["id"] == first["id"]
    assert data(api.post(path, {"select": [2]}))["id"] == second["id"]
    message = refused(api.post(path, {"select": "failed"}), 409, "WRONG_STATE")
    assert first["id"] in message
    assert second["id"] in message
    assert len(job_of(api, job["id"])["retried_by"]) == 2
    run_jobs()
    assert job_of(api, job["id"])["family"]["effects"] == effects(failed=3)


def test_items_that_failed_in_a_child_under_way_are_not_taken(
    api: Api, run: Run, retry: Run, observer: Connection
) -> None:
    job = run([{}, {}])
    child = retry(job)
    again = "UPDATE jobs SET status = 'processing', ended_at = NULL WHERE parent_job_id IS NOT NULL"
    observer.execute(again.encode())
    answer = api.post(f"/batch/jobs/{job['id']}/retry", {})
    assert (answer.status_code, data(answer)["id"]) == (202, child["id"])


def test_twenty_equal_retries_at_once_make_one_child(api: Api, run: Run) -> None:
    job = run([{}] * 3)
    answers: list[str] = []

    def send() -> None:
        answers.append(data(api.post(f"/batch/jobs/{job['id']}/retry", {"select": "failed"}))["id"])

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), len(set(answers))) == (20, 1)
    assert job_of(api, job["id"])["retried_by"] == answers[:1]


def test_a_repeat_under_the_same_key_has_the_same_child(api: Api, run: Run) -> None:
    job = run([{}, {}])
    path = f"/batch/jobs/{job['id']}/retry"
    first = api.post(path, {"select": [0]}, Idempotency_Key="k1")
    again = api.post(path, {"select": [0]}, Idempotency_Key="k1")
    assert (data(first)["id"], again.headers["Idempotent-Replayed"]) == (data(again)["id"], "true")
    refused(api.post(path, {"select": [1]}, Idempotency_Key="k1"), 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"select": [0]}, "The item 0 did not fail"),
        ({"select": [1, 9]}, "The item 9 did not fail"),
        ({"select": "all"}, "select"),
        ({"select": []}, "select"),
        ({"select": [-1]}, "select"),
        ({"select": [1], "patch": {"2": {}}}, "patch"),
        ({"select": "failed", "patch": {"0": {}}}, "The item 0 is not among"),
        ({"select": "failed", "patch": {"2": {"a": 1}}}, "The item 2 is no JSON"),
        ({"patch": {"x": {}}}, "patch"),
        ({"patch": []}, "patch"),
        ({"selct": []}, "selct"),
        ([], "object"),
    ],
    ids=range(12),
)
def test_a_retry_that_cannot_be_is_refused_and_takes_nothing(
    api: Api, run: Run, retry: Run, sent: Any, text: str
) -> None:
    job = run(json.dumps(entity(1)).encode() + b"\n{}\n{broken\n")
    refused(api.post(f"/batch/jobs/{job['id']}/retry", sent), 400, "INVALID_INPUT", text)
    assert retry(job)["total"] == 2


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b'{"select": [%s]}' % (b"1" * 5_000), "out of range"),
        (b'{"patch": {"1": {"a": %s}}}' % (b"1" * 5_000), "out of range"),
        (b'{"patch": {"1": {"a": 1e1000}}}', "exponent"),
        (b'{"patch": {"1": {"a": 1}, "1": {"b": 1}}}', 'The member "1" stands more than once'),
        (b'{"select": "retryable", "select": "failed"}', 'The member "select" stands more than once'),
    ],
    ids=range(5),
)
def test_a_body_that_no_reader_takes_is_refused(api: Api, run: Run, sent: bytes, text: str) -> None:
    job = run(json.dumps(entity(1)).encode() + b"\n{}\n")
    refused(api.post(f"/batch/jobs/{job['id']}/retry", body=sent), 400, "INVALID_INPUT", text)


@pytest.mark.parametrize("media", [LINES, CSV])
def test_unprocessed_items_of_an_aborted_job_keep_their_index_and_line(
    api: Api, run: Run, retry: Run, media: str
) -> None:
    rows = {
        CSV: 'externalId,entityType,email\np1,player,a\np2,ghost,b\np3,player,"c\nd"\n',
        LINES: "".join(
            f'\n{{"externalId": "p{number}", "entityType": "{kind}", "data": {{"email": "a"}}}}'
            for number, kind in enumerate(("player", "ghost", "player"), 1)
        ),
    }
    job = run(rows[media].encode(), "entities?atomic=true", media=media)
    child = retry(job, "unprocessed")
    assert (child["total"], child["effects"]) == (2, effects(created=2))
    results = data(api.get(f"/batch/jobs/{child['id']}/results"))
    assert [(found["index"], found["line"]) for found in results] == {CSV: [(0, 2), (2, 4)], LINES: [(0, 2), (2, 4)]}[
        media
    ]
    assert job_of(api, job["id"])["family"]["effects"] == effects(created=2, failed=1)


def test_a_job_is_retried_once_it_has_ended(api: Api, new_api: Callable[..., Api]) -> None:
    accepted = api.post("/batch/entities", [{}])
    path = f"/batch/jobs/{data(accepted)['jobId']}/retry"
    refused(api.post(path, {}), 409, "WRONG_STATE", "pending")
    refused(new_api().post(path, {}), 404, "NOT_FOUND")


def test_a_family_has_at_most_a_thousand_jobs(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "MOST_JOBS", 2)
    job = run([{}, {}, {}])
    path = f"/batch/jobs/{job['id']}/retry"
    assert api.post(path, {"select": [0]}).status_code == 202
    refused(api.post(path, {"select": [1]}), 409, "LIMIT_REACHED", "2 jobs")


def test_children_go_through_pages(api: Api, run: Run, retry: Run, observer: Connection) -> None:
    job = run(b"{}\n" * 2_500)
    child = retry(job)
    assert (child["total"], child["effects"]) == (2_500, effects(failed=2_500))
    blocks = "SELECT FROM job_blocks b JOIN jobs j ON j.id = b.job_id WHERE j.parent_job_id IS NOT NULL"
    assert observer.execute(blocks.encode()).rowcount == 3
    assert job_of(api, job["id"])["family"]["effects"] == effects(failed=2_500)


def test_what_was_validated_is_committed_once(
    api: Api, run: Run, run_jobs: Callable[[], int], observer: Connection
) -> None:
    job = run([entity(1), {}, entity(2)], "entities?validateOnly=true&label=mine")
    path = f"/batch/jobs/{job['id']}/commit"
    answer, again = api.post(path), api.post(path)
    assert (answer.status_code, data(answer)["id"]) == (202, data(again)["id"])
    run_jobs()
    child = job_of(api, data(answer)["id"])
    assert (child["parent_job_id"], child["label"], child["validate_only"]) == (job["id"], "mine", False)
    assert (child["effects"], told(child)) == (effects(created=2, failed=1), told(job))
    assert data(api.post(path))["id"] == child["id"]
    assert observer.execute("SELECT FROM job_blocks WHERE payload <> ''").rowcount == 0
    assert job_of(api, job["id"])["family"] is None


def test_a_commit_needs_a_completed_job_that_only_validated(api: Api, run: Run, new_api: Callable[..., Api]) -> None:
    job = run([entity(1)])
    refused(api.post(f"/batch/jobs/{job['id']}/commit"), 409, "WRONG_STATE", "only validate")
    accepted = api.post("/batch/entities?validateOnly=true", [entity(1)])
    path = f"/batch/jobs/{data(accepted)['jobId']}/commit"
    refused(api.post(path), 409, "WRONG_STATE", "pending")
    refused(new_api().post(path), 404, "NOT_FOUND")


def test_a_retry_of_a_dry_job_is_dry_and_can_be_committed(
    api: Api, run: Run, retry: Run, run_jobs: Callable[[], int], settings: Settings
) -> None:
    job = run([{}], "entities?validateOnly=true")
    child = retry(job, patch={"0": entity(1)})
    assert (child["validate_only"], child["effects"]) == (True, effects(created=1))
    refused(api.get("/entities/player_000001"), 404, "NOT_FOUND")
    committed = data(api.post(f"/batch/jobs/{child['id']}/commit"))
    run_jobs()
    assert job_of(api, committed["id"])["effects"] == effects(created=1)
    assert job_of(api, job["id"])["family"]["effects"] == effects(created=1)
    with connect(settings.database_url, "sluice-cli") as conn:
        checks = verify.verify(conn, deadline_seconds=3_600, stuck_after_seconds=300, check_seconds=30)
        assert [result for result in checks if result.found != 0] == []
