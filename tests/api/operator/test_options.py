"""docs/contracts/jobs.md section 1: the parameters that a batch call takes."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Connection
from ingest.jobs import MOST_ATOMIC_BYTES
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused, walk
from tests.support.factories import entity, event, state

LINES = "application/x-ndjson"
FORMS = ["array", "lines"]


def send(api: Api, query: str, items: list[Any], form: str = "array", kind: str = "entities") -> TestResponse:
    """Send a batch, as a JSON array or as lines."""
    if form == "array":
        return api.post(f"/batch/{kind}{'?' if query else ''}{query}", items)
    body = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
    return api.post(f"/batch/{kind}{'?' if query else ''}{query}", body=body, Content_Type=LINES)


@pytest.mark.parametrize("label", ["n", "Spieler vom 28. November, \N{GRINNING FACE}", "l" * 200])
def test_a_job_shows_the_label_that_its_client_gave_it(api: Api, label: str) -> None:
    accepted = api.app.test_client().post(
        "/operator-data-api/batch/entities",
        query_string={"label": label},
        json=[entity()],
        headers={"Authorization": f"Bearer {api.key}"},
    )
    assert api.job(accepted)["label"] == label


def test_a_job_without_a_label_says_null(api: Api) -> None:
    assert api.job(api.post("/batch/entities", [entity()]))["label"] is None


def test_lines_take_a_label_too(api: Api) -> None:
    accepted = api.post(
        "/batch/states?label=file",
        body=b'{"externalId": "p", "stateKey": "balance", "value": 1}',
        Content_Type="application/x-ndjson",
    )
    assert data(accepted)["status"] == "pending"
    assert api.job(accepted)["label"] == "file"


@pytest.mark.parametrize("query", ["label=", f"label={'l' * 201}", "label=a%00b"])
def test_a_label_that_is_none_is_refused_with_its_rule(api: Api, query: str) -> None:
    answer = api.post(f"/batch/entities?{query}", [entity()])
    refused(answer, 400, "INVALID_INPUT", "label", "1 to 200 characters")


@pytest.mark.parametrize("form", FORMS)
def test_more_failed_items_than_max_errors_fail_the_job(api: Api, run_jobs: Callable[[], int], form: str) -> None:
    bad = entity(2, entityType="ghost")
    accepted = [send(api, f"maxErrors={most}", [entity(1), bad, bad], form) for most in (1, 2)]
    run_jobs()
    failed, completed = map(api.job, accepted)
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "TOO_MANY_ERRORS"
    assert failed["effects"]["failed"] == len(failed["output"]["errors"]) == 2
    assert (completed["status"], completed["error"]) == ("completed", None)


@pytest.mark.parametrize("form", FORMS)
def test_a_deadline_is_shown_and_counts_from_acceptance(
    api: Api, run_jobs: Callable[[], int], observer: Connection, form: str
) -> None:
    accepted = send(api, "deadline=604800", [entity(1)], form)
    [(accepted_at,)] = observer.execute("SELECT queued_at FROM jobs").fetchall()
    shown = datetime.fromisoformat(api.job(accepted)["deadline_at"])
    assert isinstance(accepted_at, datetime)
    assert round((shown - accepted_at).total_seconds()) == 604_800
    run_jobs()
    assert api.job(accepted)["status"] == "completed"


def test_a_job_without_a_deadline_says_null(api: Api) -> None:
    assert api.job(api.post("/batch/entities", [entity()]))["deadline_at"] is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("maxErrors=-1", "from 0 to 999999999"),
        ("maxErrors=1.5", "from 0 to 999999999"),
        ("maxErrors=", "from 0 to 999999999"),
        ("deadline=0", "from 1 to 604800"),
        ("deadline=604801", "from 1 to 604800"),
        ("deadline=soon", "from 1 to 604800"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused_with_its_rule(api: Api, query: str, text: str, form: str) -> None:
    refused(send(api, query, [entity()], form), 400, "INVALID_INPUT", query.partition("=")[0], text)


@pytest.mark.parametrize("form", FORMS)
def test_an_atomic_batch_is_written_as_a_whole_or_not_at_all(
    api: Api, run_jobs: Callable[[], int], observer: Connection, form: str
) -> None:
    good = send(api, "atomic=true", [entity(1), entity(2)], form)
    bad = send(api, "atomic=true&ordered=false", [entity(3), entity(4, entityType="ghost"), entity(5)], form)
    run_jobs()
    done, aborted = map(api.job, (good, bad))
    assert (done["status"], done["atomic"], done["ordered"]) == ("completed", True, True)
    assert (aborted["status"], aborted["atomic"], aborted["ordered"]) == ("failed", True, False)
    assert aborted["error"]["code"] == "ATOMIC_ABORTED"
    assert aborted["effects"] | {"failed": 1, "unprocessed": 2} == aborted["effects"]
    assert [error["index"] for error in aborted["output"]["errors"]] == [1]
    assert observer.execute("SELECT count(*) FROM entities").fetchall() == [(2,)]


def test_a_job_says_that_it_is_not_atomic(api: Api) -> None:
    assert api.job(api.post("/batch/entities", [entity()]))["atomic"] is False


def stored(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM job_blocks)").fetchall()


@pytest.fixture
def small_api(settings: Settings, api: Api) -> Iterator[Api]:
    """The API with a small limit of atomic items."""
    made = create_app(replace(settings, max_atomic_items=3))
    yield Api(made, api.tenant, api.key)
    services: Services = made.extensions["sluice"]
    services.close()


@pytest.mark.parametrize("form", FORMS)
def test_an_atomic_batch_of_too_many_items_is_refused_and_leaves_nothing(
    small_api: Api, observer: Connection, form: str
) -> None:
    items = [entity(number) for number in range(4)]
    assert send(small_api, "", items, form).status_code == 202
    assert send(small_api, "atomic=true", items[:3], form).status_code == 202
    before = stored(observer)
    refused(send(small_api, "atomic=true", items, form), 400, "INVALID_INPUT", "may have 3 items", "?atomic=true")
    assert stored(observer) == before


def test_an_atomic_batch_of_too_many_bytes_is_refused_as_soon_as_they_are_there(api: Api, observer: Connection) -> None:
    line = msgspec.json.encode(entity(1, data={"x": "x" * 1_000_000})) + b"\n"
    taken = line * (MOST_ATOMIC_BYTES // len(line))

    def post(body: bytes) -> TestResponse:
        headers = {"Content_Type": LINES, "Content_Encoding": "gzip"}
        return api.post("/batch/entities?atomic=true", body=gzip.compress(body, 1), **headers)

    assert post(taken).status_code == 202
    before = stored(observer)
    refused(post(taken + line), 400, "INVALID_INPUT", f"may have {MOST_ATOMIC_BYTES} bytes")
    assert stored(observer) == before


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_that_is_only_validated_predicts_and_writes_nothing(
    api: Api, run_jobs: Callable[[], int], observer: Connection, form: str
) -> None:
    items = [entity(1), entity(2), entity(3, entityType="ghost")]
    api.post("/entities", entity(1, data={"email": "old"}))
    accepted = send(api, "validateOnly=true", items, form)
    run_jobs()
    job = api.job(accepted)
    assert (job["status"], job["validate_only"]) == ("completed", True)
    assert job["effects"] | {"created": 1, "updated": 1, "failed": 1} == job["effects"]
    assert [error["index"] for error in job["output"]["errors"]] == [2]
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "old"}
    refused(api.get("/entities/player_000002"), 404, "NOT_FOUND")
    assert observer.execute("SELECT FROM job_blocks WHERE payload <> ''").rowcount == 1


def test_a_job_says_that_it_writes(api: Api) -> None:
    assert api.job(api.post("/batch/entities", [entity()]))["validate_only"] is False


@pytest.mark.parametrize("form", FORMS)
def test_results_that_were_kept_are_read_by_pages_with_public_ids(
    api: Api, run_jobs: Callable[[], int], form: str
) -> None:
    api.post("/entities", entity(2))
    items = [entity(number) for number in range(1, 6)] + [entity(9, entityType="ghost")]
    path = api.job(send(api, "keepResults=true", items, form))["links"]["results"]
    run_jobs()
    [whole] = walk(api, path)
    known = {number: data(api.get(f"/entities/player_{number:06}"))["id"] for number in range(1, 6)}
    assert whole == [
        {
            "index": number - 1,
            "line": number if form == "lines" else None,
            "effect": "unchanged" if number == 2 else "created",
            "id": known[number],
        }
        for number in range(1, 6)
    ]
    assert [len(page) for page in walk(api, f"{path}?limit=2")] == [2, 2, 1]
    [created] = walk(api, f"{path}?effect=created")
    assert [result["index"] for result in created] == [0, 2, 3, 4]
    for query in ("effect=failed", "effect=", "cursor=x", "limit=0"):
        refused(api.get(f"{path}?{query}", base=""), 400, "INVALID_INPUT", query.partition("=")[0])


@pytest.mark.parametrize("kind", ["events", "states"])
def test_ids_of_events_are_told_and_states_have_none(api: Api, run_jobs: Callable[[], int], kind: str) -> None:
    api.post("/entities", entity(1))
    accepted = send(api, "keepResults=true", [event(1) if kind == "events" else state(1)], kind=kind)
    run_jobs()
    [result] = data(api.get(f"/batch/jobs/{data(accepted)['jobId']}/results"))
    if kind == "states":
        assert result["id"] is None
    else:
        [stored_event] = data(api.get("/entities/player_000001/events"))
        assert result["id"] == stored_event["id"]


def test_results_that_were_not_kept_are_409(api: Api, run_jobs: Callable[[], int]) -> None:
    accepted = api.post("/batch/entities", [entity()])
    run_jobs()
    path = f"/batch/jobs/{data(accepted)['jobId']}/results"
    refused(api.get(path), 409, "RESULTS_NOT_KEPT", "?keepResults=true")
    refused(api.get("/batch/jobs/job_x/results"), 404, "NOT_FOUND")


def test_another_tenants_results_are_404(api: Api, new_api: Callable[..., Api], run_jobs: Callable[[], int]) -> None:
    accepted = send(api, "keepResults=true", [entity()])
    run_jobs()
    refused(new_api(name="B").get(f"/batch/jobs/{data(accepted)['jobId']}/results"), 404, "NOT_FOUND")


def test_an_answer_that_waited_for_a_job_with_results_does_not_read_them(
    api: Api, stand_in_worker: Callable[[], None]
) -> None:
    stand_in_worker()
    answer = api.post("/batch/entities?keepResults=true", [entity()], Prefer="wait=20")
    assert answer.status_code == 200
    assert data(answer)["succeeded"] == 1


def test_results_of_csv_name_the_first_line_of_their_record(api: Api, run_jobs: Callable[[], int]) -> None:
    body = b'externalId,entityType,email\na,player,"one\ntwo"\nb,player,x\n'
    accepted = api.post("/batch/entities?keepResults=true", body=body, Content_Type="text/csv")
    run_jobs()
    found = data(api.get(f"/batch/jobs/{data(accepted)['jobId']}/results"))
    assert [(result["index"], result["line"]) for result in found] == [(0, 2), (1, 4)]


def test_an_atomic_csv_is_written_as_a_whole_or_not_at_all(
    api: Api, run_jobs: Callable[[], int], observer: Connection
) -> None:
    body = b"externalId,entityType,email\na,player,x\nb,ghost,x\n"
    accepted = api.post("/batch/entities?atomic=true", body=body, Content_Type="text/csv")
    run_jobs()
    job = api.job(accepted)
    assert job["error"]["code"] == "ATOMIC_ABORTED"
    assert [error["line"] for error in job["output"]["errors"]] == [3]
    assert observer.execute("SELECT FROM entities").rowcount == 0
