"""Uploads in parts: any order, at once, again, and to their end (docs/contracts/jobs.md section 1)."""

import gzip
import json
import random
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ingest.db.connection.pool import connect
from ingest.settings import Settings
from tests.api.conftest import TIME, Api, data, refused
from tests.api.operator.test_lines import CODINGS, LINES, ndjson, sha
from tests.api.operator.uploads import NEW, begin, call_all, complete, digest, put, rows
from tests.support.factories import entity, event
from worker.sweep import Sweep

Observer = psycopg.Connection[tuple[Any, ...]]


def test_parts_in_any_order_become_one_job_in_the_order_of_their_numbers(
    api: Api, run_jobs: Callable[[], int], observer: Observer
) -> None:
    upload_id = begin(api, label="night", ordered=False)
    assert re.fullmatch(r"upl_[0-9a-f]{32}", upload_id)
    parts = {
        1: ndjson(entity(1), entity(2)),
        2: b"\n" + ndjson(entity(3)) + b"{broken\n \n",
        3: json.dumps(entity(1, data={"email": "last"})).encode() + b"\n\n" + ndjson(entity(4, entityType="ghost")),
    }
    for part in (3, 1, 2):
        answer = put(api, upload_id, part, parts[part])
        assert answer.status_code == 200
        told = {"part": part, "items": 2, "bytes": len(parts[part]), "digest": digest(parts[part])}
        assert data(answer) == told
    accepted = complete(api, upload_id, 3)
    assert accepted.status_code == 202
    shown = data(accepted)
    assert accepted.headers["Location"].endswith(shown["jobId"])
    assert (shown["status"], shown["progress"], shown["errors"]) == ("pending", 0, [])
    assert observer.execute("SELECT no, first_index, items, first_line FROM job_blocks ORDER BY no").fetchall() == [
        (0, 0, 2, 1),
        (1, 2, 2, 3),
        (2, 4, 2, 7),
    ]
    run_jobs()
    job = api.job(accepted)
    assert (job["status"], job["total"], job["label"]) == ("completed", 6, "night")
    errors = [(error["index"], error["line"], error["code"]) for error in job["output"]["errors"]]
    assert errors == [(3, 5, "INVALID_JSON"), (5, 9, "VALIDATION_FAILED")]
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "last"}


def test_a_new_upload_says_how_large_a_part_may_be_and_when_it_expires(api: Api) -> None:
    told = data(api.post("/batch/uploads", NEW))
    assert set(told) == {"uploadId", "partMaxBytes", "expiresAt"}
    assert told["partMaxBytes"] == 33_554_432
    assert TIME.fullmatch(told["expiresAt"])
    left = datetime.fromisoformat(told["expiresAt"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=58) < left < timedelta(hours=24, minutes=1)


@pytest.mark.parametrize("coding", CODINGS)
def test_each_part_is_encoded_by_itself(api: Api, run_jobs: Callable[[], int], coding: str) -> None:
    upload_id = begin(api, contentEncoding=coding)
    for part in (1, 2):
        body = CODINGS[coding](ndjson(*(entity(100 * part + n) for n in range(100))))
        told = data(put(api, upload_id, part, body, Content_Encoding=coding, Content_Digest=sha("sha-256", body)))
        assert (told["items"], told["bytes"], told["digest"]) == (100, len(body), digest(body))
    accepted = complete(api, upload_id, 2)
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 200


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_what_decodes_to_nothing_behind_a_part_is_no_line_of_it(api: Api, observer: Observer, coding: str) -> None:
    coded = CODINGS[coding]
    upload_id = begin(api, contentEncoding=coding)
    for part in (1, 2):
        body = coded(ndjson(entity(part))) + coded(b"")
        assert data(put(api, upload_id, part, body, Content_Encoding=coding))["items"] == 1
    assert complete(api, upload_id, 2).status_code == 202
    assert observer.execute("SELECT first_line FROM job_blocks ORDER BY no").fetchall() == [(1,), (2,)]


def test_20_parts_at_once_in_any_order(api: Api, run_jobs: Callable[[], int], observer: Observer) -> None:
    api.app.extensions["sluice"].body_places = threading.Semaphore(8)
    upload_id = begin(api)
    order = list(range(1, 21))
    random.Random(7).shuffle(order)

    def send(part: int) -> int:
        items = [entity(20 * part + n, data={"email": str(part)}) for n in range(30)]  # 10 of the next part's, too
        return put(api, upload_id, part, ndjson(*items)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, order)) == {200}
    accepted = complete(api, upload_id, 20)
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 600
    for part in order:
        assert data(api.get(f"/entities/player_{20 * part + 15:06}"))["data"] == {"email": str(part)}
        assert data(api.get(f"/entities/player_{20 * part + 5:06}"))["data"] == {"email": str(part)}
    assert rows(observer) == (1, 20, 1, 20)


def test_a_part_that_is_sent_again_replaces_the_first_once(
    api: Api, run_jobs: Callable[[], int], observer: Observer
) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1), entity(2)))
    for _ in range(2):
        assert data(put(api, upload_id, 1, ndjson(entity(3))))["items"] == 1
    assert rows(observer) == (1, 1, 1, 1)
    assert [part["items"] for part in data(api.get(f"/batch/uploads/{upload_id}"))["parts"]] == [1]
    accepted = complete(api, upload_id, 1)
    run_jobs()
    assert api.job(accepted)["total"] == 1
    assert api.get("/entities/player_000001").status_code == 404


def test_the_same_part_twice_at_once_stands_once(api: Api, observer: Observer, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(api)
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(put, api, upload_id, 1, ndjson(*(entity(n) for n in range(50)))) for _ in range(4)]
    assert {answer.result().status_code for answer in sent} == {200}
    assert rows(observer) == (1, 1, 1, 1)
    accepted = complete(api, upload_id, 1)
    run_jobs()
    assert api.job(accepted)["total"] == 50


def test_a_part_may_be_empty_and_the_whole_may_not(api: Api, observer: Observer) -> None:
    upload_id = begin(api)
    assert data(put(api, upload_id, 1, b""))["items"] == 0
    assert data(put(api, upload_id, 2, b"\n \n"))["items"] == 0
    refused(complete(api, upload_id, 2), 400, "INVALID_INPUT", "no item")
    assert put(api, upload_id, 3, ndjson(entity(1))).status_code == 200
    assert complete(api, upload_id, 3).status_code == 202
    assert observer.execute("SELECT first_index, first_line, total FROM job_blocks, jobs").fetchall() == [(0, 3, 1)]


def test_the_state_of_an_upload_is_shown(api: Api) -> None:
    upload_id = begin(api, kind="events", contentEncoding="gzip")
    body = gzip.compress(ndjson(event(1)))
    for part in (7, 2):
        put(api, upload_id, part, body, Content_Encoding="gzip")
    shown = data(api.get(f"/batch/uploads/{upload_id}"))
    assert TIME.fullmatch(shown.pop("expiresAt"))
    parts = [{"part": part, "items": 1, "bytes": len(body), "digest": digest(body)} for part in (2, 7)]
    assert shown == {
        "uploadId": upload_id,
        "kind": "events",
        "contentType": LINES,
        "contentEncoding": "gzip",
        "status": "open",
        "jobId": None,
        "parts": parts,
    }
    put(api, upload_id, 1, body, Content_Encoding="gzip")
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    job_id = data(complete(api, upload_id, 1))["jobId"]
    shown = data(api.get(f"/batch/uploads/{upload_id}"))
    assert (shown["status"], shown["jobId"], shown["expiresAt"]) == ("completed", job_id, None)
    assert len(shown["parts"]) == 1


def test_parts_that_are_missing_are_listed(api: Api) -> None:
    upload_id = begin(api)
    for part in (1, 3):
        put(api, upload_id, part, ndjson(entity(part)))
    message = refused(complete(api, upload_id, 5), 409, "PARTS_MISSING")
    assert message == "Of 5 parts 3 did not arrive; send parts 2, 4, 5"
    message = refused(complete(api, upload_id, 10_000), 409, "PARTS_MISSING", "9998 did not arrive")
    assert message.endswith("parts " + ", ".join(map(str, [2, *range(4, 103)])) + " and 9898 more")
    assert put(api, upload_id, 2, ndjson(entity(2))).status_code == 200
    assert complete(api, upload_id, 3).status_code == 202


def test_parts_beyond_the_last_one_are_400(api: Api) -> None:
    upload_id = begin(api)
    for part in (1, 2, 3):
        put(api, upload_id, part, ndjson(entity(part)))
    refused(complete(api, upload_id, 2), 400, "INVALID_INPUT", "part 3")
    refused(complete(api, upload_id, 1), 400, "INVALID_INPUT", "parts 2, 3")
    assert complete(api, upload_id, 3).status_code == 202


@pytest.mark.parametrize("parts", [0, -1, 10_001, 1.5, "1", None, True])
def test_a_number_of_parts_that_cannot_be_is_400(api: Api, parts: object) -> None:
    refused(complete(api, begin(api), parts), 400, "INVALID_INPUT", "parts")


def test_a_second_complete_has_the_same_job_in_its_present_state(api: Api, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    first = complete(api, upload_id, 1)
    again = complete(api, upload_id, 1)
    assert (again.status_code, data(again)) == (202, data(first))
    run_jobs()
    ended = complete(api, upload_id, 1)
    assert (ended.status_code, data(ended)["status"]) == (200, "completed")
    assert data(ended)["jobId"] == data(first)["jobId"]


def test_complete_waits_for_the_end_if_asked_to(api: Api, stand_in_worker: Callable[[], None]) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)) + b"{")
    stand_in_worker()
    answer = complete(api, upload_id, 1, Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert [error["line"] for error in data(answer)["errors"]] == [2]


def test_a_completed_upload_takes_no_part_and_is_not_deleted(api: Api, observer: Observer) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    complete(api, upload_id, 1)
    refused(put(api, upload_id, 1, ndjson(entity(2))), 409, "WRONG_STATE", "completed")
    refused(api.delete(f"/batch/uploads/{upload_id}"), 409, "WRONG_STATE")
    assert rows(observer) == (1, 1, 1, 1)


def test_a_deleted_upload_leaves_nothing_and_is_404(api: Api, observer: Observer) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    assert data(api.delete(f"/batch/uploads/{upload_id}")) == {"uploadId": upload_id, "deleted": True}
    assert rows(observer) == (0, 0, 0, 0)
    for answer in call_all(api, upload_id):
        refused(answer, 404, "NOT_FOUND", "upload")


def test_an_upload_that_nobody_went_on_with_is_410(
    api: Api, settings: Settings, new_api: Callable[..., Api], observer: Observer
) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    observer.execute("UPDATE uploads SET heard_at = now() - interval '25 hours'")
    observer.execute("UPDATE jobs SET progressed_at = now() - interval '25 hours'")
    with connect(settings.database_url, "sluice-sweep") as conn:
        Sweep(settings).run_once(conn)
    assert rows(observer) == (1, 0, 0, 0)
    for answer in call_all(api, upload_id):
        refused(answer, 410, "GONE", "24 hours")
    refused(new_api(name="Other").get(f"/batch/uploads/{upload_id}"), 404, "NOT_FOUND")


def test_an_upload_is_another_tenants_to_no_call(api: Api, new_api: Callable[..., Api], observer: Observer) -> None:
    other = new_api(name="Other")
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    for answer in call_all(other, upload_id):
        refused(answer, 404, "NOT_FOUND", "upload")
    assert rows(observer) == (1, 1, 1, 1)
    assert complete(api, upload_id, 1).status_code == 202


def test_an_upload_that_is_not_completed_is_in_no_call_for_jobs(api: Api, observer: Observer) -> None:
    put(api, begin(api), 1, ndjson(entity(1)))
    [(job_id,)] = observer.execute("SELECT id FROM jobs").fetchall()
    refused(api.get(f"/batch/jobs/job_{job_id.hex}"), 404, "NOT_FOUND")
    refused(api.post("/batch/uploads", {**NEW, "after": f"job_{job_id.hex}"}), 404, "NOT_FOUND")
