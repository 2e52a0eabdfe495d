"""Uploads in parts: any order, at once, again, and what is refused (docs/contracts/jobs.md section 1)."""

import gzip
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import connect
from ingest.settings import Settings
from tests.api.conftest import TIME, Api, data, refused
from tests.api.operator.test_lines import CODINGS, LINES, ndjson, sha
from tests.api.operator.uploads import NEW, begin, complete, digest, put, rows
from tests.support.factories import entity, event, state
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
    for answer in (
        put(api, upload_id, 1, ndjson(entity(1))),
        complete(api, upload_id, 1),
        api.get(f"/batch/uploads/{upload_id}"),
        api.delete(f"/batch/uploads/{upload_id}"),
    ):
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
    for answer in (
        put(api, upload_id, 1, ndjson(entity(1))),
        complete(api, upload_id, 1),
        api.get(f"/batch/uploads/{upload_id}"),
        api.delete(f"/batch/uploads/{upload_id}"),
    ):
        refused(answer, 410, "GONE", "24 hours")
    refused(new_api(name="Other").get(f"/batch/uploads/{upload_id}"), 404, "NOT_FOUND")


def test_an_upload_is_another_tenants_to_no_call(api: Api, new_api: Callable[..., Api], observer: Observer) -> None:
    other = new_api(name="Other")
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    for answer in (
        put(other, upload_id, 1, ndjson(entity(2))),
        complete(other, upload_id, 1),
        other.get(f"/batch/uploads/{upload_id}"),
        other.delete(f"/batch/uploads/{upload_id}"),
    ):
        refused(answer, 404, "NOT_FOUND", "upload")
    assert rows(observer) == (1, 1, 1, 1)
    assert complete(api, upload_id, 1).status_code == 202


def test_an_upload_that_is_not_completed_is_in_no_call_for_jobs(api: Api, observer: Observer) -> None:
    put(api, begin(api), 1, ndjson(entity(1)))
    [(job_id,)] = observer.execute("SELECT id FROM jobs").fetchall()
    refused(api.get(f"/batch/jobs/job_{job_id.hex}"), 404, "NOT_FOUND")
    refused(api.post("/batch/uploads", {**NEW, "after": f"job_{job_id.hex}"}), 404, "NOT_FOUND")


@pytest.mark.parametrize("part", ["0", "10001", "-1", "1.5", "x", "99999999999999999999", "%C2%B2"])
def test_the_number_of_a_part_is_1_to_10000(api: Api, part: str) -> None:
    upload_id = begin(api)
    refused(put(api, upload_id, part, ndjson(entity(1))), 400, "INVALID_INPUT", "1 to 10000")
    assert put(api, upload_id, 10_000, ndjson(entity(1))).status_code == 200


@pytest.mark.parametrize("upload_id", ["x", "upl_x", "job_" + "0" * 32, "upl_" + "0" * 32, "upl_" + "A" * 32])
def test_an_upload_that_never_was_is_404(api: Api, upload_id: str) -> None:
    refused(api.get(f"/batch/uploads/{upload_id}"), 404, "NOT_FOUND", "upload")
    refused(put(api, upload_id, 1, b"{}"), 404, "NOT_FOUND", "upload")


def test_a_part_has_the_type_and_the_coding_that_were_declared(api: Api, observer: Observer) -> None:
    upload_id = begin(api, contentEncoding="gzip")
    body = gzip.compress(ndjson(entity(1)))
    refused(put(api, upload_id, 1, ndjson(entity(1))), 415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding gzip")
    coded = {"Content_Encoding": "gzip"}
    for content_type in ("application/json", "application/jsonl", "text/csv", ""):
        refused(put(api, upload_id, 1, body, **coded, Content_Type=content_type), 415, "UNSUPPORTED_MEDIA_TYPE", LINES)
    refused(
        put(api, upload_id, 1, body, **coded, Content_Type=f"{LINES}; charset=latin-1"), 415, "UNSUPPORTED_MEDIA_TYPE"
    )
    assert rows(observer) == (1, 0, 1, 0)
    assert put(api, upload_id, 1, body, Content_Encoding="x-GZIP", Content_Type=LINES.upper()).status_code == 200
    refused(put(api, begin(api), 1, body, **coded), 415, "UNSUPPORTED_MEDIA_TYPE", "identity")


def test_a_part_that_is_refused_leaves_nothing_and_the_one_before_stands(api: Api, observer: Observer) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1)))
    body = ndjson(*(entity(n) for n in range(12_000)))
    refused(put(api, upload_id, 1, body, Content_Digest=sha("sha-256", b"")), 400, "DIGEST_MISMATCH")
    refused(put(api, upload_id, 1, b"\xff\xfe{}"), 400, "INVALID_INPUT", "UTF-16")
    zipped = begin(api, contentEncoding="gzip")
    cut_off = gzip.compress(body)[:-3]
    refused(put(api, zipped, 1, cut_off, Content_Encoding="gzip"), 400, "INVALID_INPUT", "ends in the middle")
    assert rows(observer) == (2, 1, 2, 1)
    assert complete(api, upload_id, 1).status_code == 202


def test_a_part_over_32_mib_is_413(api: Api, observer: Observer) -> None:
    upload_id = begin(api)
    most = 33_554_432
    refused(put(api, upload_id, 1, bytes(most + 1)), 413, "PAYLOAD_TOO_LARGE", f"{most} bytes")
    assert rows(observer) == (1, 0, 1, 0)


@pytest.fixture
def small_api(settings: Settings, api: Api) -> Iterator[Api]:
    """The API with small limits."""
    made = create_app(replace(settings, max_job_items=3, max_job_bytes=500, max_atomic_items=2, web_threads=2))
    yield Api(made, api.tenant, api.key)
    services: Services = made.extensions["sluice"]
    services.close()


def test_an_upload_has_the_limits_of_a_job(small_api: Api, observer: Observer) -> None:
    upload_id = begin(small_api)
    for part in (1, 2):
        assert put(small_api, upload_id, part, b"{}\n{}\n").status_code == 200
    refused(complete(small_api, upload_id, 2), 400, "INVALID_INPUT", "most in one job is 3")
    refused(put(small_api, upload_id, 2, b"{}\n" * 4), 400, "INVALID_INPUT", "over 3 items")
    refused(put(small_api, upload_id, 2, b" " * 501), 413, "PAYLOAD_TOO_LARGE", "over 500 bytes")
    for part in (2, 3):
        assert put(small_api, upload_id, part, b" " * 300).status_code == 200
    refused(complete(small_api, upload_id, 3), 413, "PAYLOAD_TOO_LARGE", "606 bytes")
    refused(put(small_api, upload_id, 4, b"{}"), 413, "PAYLOAD_TOO_LARGE", "another upload")
    assert put(small_api, upload_id, 3, b"{}").status_code == 200
    assert rows(observer) == (1, 3, 1, 2)
    assert complete(small_api, upload_id, 3).status_code == 202


def test_an_atomic_upload_has_the_limits_of_an_atomic_job(small_api: Api, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(small_api, atomic=True)
    for part in (1, 2):
        put(small_api, upload_id, part, ndjson(entity(part)))
    put(small_api, upload_id, 3, b"{}")
    refused(complete(small_api, upload_id, 3), 400, "INVALID_INPUT", "2 items")
    put(small_api, upload_id, 3, b"")
    accepted = complete(small_api, upload_id, 3)
    run_jobs()
    job = small_api.job(accepted)
    assert (job["atomic"], job["output"]["succeeded"]) == (True, 2)


def test_more_parts_than_a_process_reads_at_once_are_503(small_api: Api) -> None:
    upload_id = begin(small_api)
    services: Services = small_api.app.extensions["sluice"]
    assert services.body_places.acquire(blocking=False)
    answer = put(small_api, upload_id, 1, b"{}")
    refused(answer, 503, "UNAVAILABLE", "again")
    assert answer.headers["Retry-After"]
    services.body_places.release()
    assert put(small_api, upload_id, 1, b"{}").status_code == 200


@pytest.mark.parametrize(
    ("members", "texts"),
    [
        ({"kind": "objects"}, ["kind", "entities, events, states"]),
        ({"kind": 1}, ["kind"]),
        ({"kind": ["entities"]}, ["kind"]),
        ({"contentType": "text/plain"}, ["contentType", LINES, "text/csv"]),
        ({"empty": "null"}, ["empty", "text/csv"]),
        ({"contentType": "text/csv", "stateKey": "x"}, ['Unknown field "stateKey"']),
        ({"contentType": "text/csv", "delimiter": "ab"}, ["delimiter"]),
        ({"contentType": "text/csv; charset=latin-1"}, ["contentType", "UTF-8"]),
        ({"contentType": "application/json"}, ["contentType"]),
        ({"contentType": None}, ["contentType"]),
        ({"contentEncoding": "br"}, ["contentEncoding", "gzip"]),
        ({"contentEncoding": None}, ["contentEncoding"]),
        ({"labl": "x"}, ['Unknown field "labl"', 'did you mean "label"?']),
        ({"ordered": "false"}, ["ordered", "boolean"]),
        ({"ordered": 0}, ["ordered", "boolean"]),
        ({"label": 5}, ["label", "string"]),
        ({"label": None}, ["label", "string"]),
        ({"label": ""}, ["label", "1 to 200"]),
        ({"maxErrors": "5"}, ["maxErrors", "integer"]),
        ({"maxErrors": True}, ["maxErrors", "integer"]),
        ({"maxErrors": 1.0}, ["maxErrors", "integer"]),
        ({"maxErrors": -1}, ["maxErrors"]),
        ({"deadline": 604_801}, ["deadline"]),
        ({"mode": "patch"}, ["mode"]),
        ({"kind": "events", "mode": "merge"}, ['Unknown field "mode"']),
    ],
)
def test_a_new_upload_that_cannot_be_is_400(
    api: Api, observer: Observer, members: dict[str, Any], texts: list[str]
) -> None:
    refused(api.post("/batch/uploads", {**NEW, **members}), 400, "INVALID_INPUT", *texts)
    assert rows(observer) == (0, 0, 0, 0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"kind": "entities"}', b"{}"])
def test_a_new_upload_needs_a_whole_form(api: Api, body: bytes) -> None:
    refused(api.call("POST", "/batch/uploads", body=body), 400, "INVALID_INPUT")


def test_the_options_are_those_of_the_new_upload(
    api: Api, new_api: Callable[..., Api], run_jobs: Callable[[], int], observer: Observer
) -> None:
    before = data(api.post("/batch/entities", [entity(1)]))["jobId"]
    options = {"mode": "merge", "after": before, "afterAny": True, "ordered": False, "label": "x", "deadline": 60}
    answer = api.post("/batch/uploads", {**NEW, **options, "maxErrors": 2}, Prefer="handling=strict")
    assert answer.headers["Preference-Applied"] == "handling=strict"
    upload_id = data(answer)["uploadId"]
    put(api, upload_id, 1, ndjson(entity(1, data={"email": "new"}, stranger=1)))
    accepted = complete(api, upload_id, 1)
    query = "SELECT merge, strict, after_any, ordered, options, deadline_at > now() FROM jobs WHERE id = %s"
    job_id = data(accepted)["jobId"].removeprefix("job_")
    [row] = observer.execute(query, (job_id,)).fetchall()
    assert row == (True, True, True, False, {"label": "x", "max_errors": 2, "deadline_seconds": 60}, True)
    run_jobs()
    assert [error["code"] for error in api.job(accepted)["output"]["errors"]] == ["UNKNOWN_FIELD"]
    other = new_api(name="Other")
    refused(other.post("/batch/uploads", {**NEW, "after": before}), 404, "NOT_FOUND")


def test_the_template_is_that_of_the_tenant_when_the_upload_began(
    api: Api, new_api: Callable[..., Api], run_jobs: Callable[[], int]
) -> None:
    refused(new_api(template=None).post("/batch/uploads", NEW), 400, "TEMPLATE_NOT_CONFIGURED")
    upload_id = begin(api)
    schema: dict[str, Any] = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}
    api.put("/templates/tpl_own", {"name": "Own", "schema": schema})
    api.put("/settings", {"templateId": "tpl_own"})
    put(api, upload_id, 1, ndjson(entity(1)))
    accepted = complete(api, upload_id, 1)
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 1


@pytest.mark.parametrize(("kind", "item"), [("events", event(1)), ("states", state(1))])
def test_each_kind_is_uploaded(api: Api, run_jobs: Callable[[], int], kind: str, item: dict[str, Any]) -> None:
    api.post("/entities", entity(1))
    upload_id = begin(api, kind=kind)
    put(api, upload_id, 1, ndjson(item))
    accepted = complete(api, upload_id, 1)
    run_jobs()
    job = api.job(accepted)
    assert (job["type"], job["output"]["succeeded"]) == (f"batch_ingest_{kind}", 1)


def test_a_job_takes_its_place_when_its_upload_is_completed(api: Api, run_jobs: Callable[[], int]) -> None:
    upload_id = begin(api)
    put(api, upload_id, 1, ndjson(entity(1, data={"email": "uploaded"})))
    api.post("/batch/entities", [entity(1, data={"email": "sent meanwhile"})])
    complete(api, upload_id, 1)
    run_jobs()
    assert data(api.get("/entities/player_000001"))["data"] == {"email": "uploaded"}


def test_a_repeat_under_a_key_begins_no_second_upload(api: Api, observer: Observer) -> None:
    first = api.post("/batch/uploads", NEW, Idempotency_Key="k")
    again = api.post("/batch/uploads", NEW, Idempotency_Key="k")
    assert (again.status_code, data(again)) == (201, data(first))
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(api.post("/batch/uploads", {**NEW, "label": "x"}, Idempotency_Key="k"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert rows(observer) == (1, 0, 1, 0)
    observer.execute("UPDATE uploads SET status = 'gone', job_id = NULL")
    refused(api.post("/batch/uploads", NEW, Idempotency_Key="k"), 410, "GONE")


def test_complete_takes_a_key_too(api: Api) -> None:
    upload_id = begin(api)
    refused(complete(api, upload_id, 1, Idempotency_Key="k"), 409, "PARTS_MISSING")
    put(api, upload_id, 1, ndjson(entity(1)))
    first = complete(api, upload_id, 1, Idempotency_Key="k")
    again = complete(api, upload_id, 1, Idempotency_Key="k")
    assert (again.status_code, data(again)) == (202, data(first))
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(complete(api, upload_id, 2, Idempotency_Key="k"), 422, "IDEMPOTENCY_KEY_REUSED")
