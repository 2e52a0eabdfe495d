"""Batches of any size: newline-delimited JSON becomes a job while it arrives (docs/contracts/jobs.md section 1)."""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from werkzeug.test import TestResponse

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Connection
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity, event

LINES = "application/x-ndjson"


def ndjson(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def send(api: Api, body: bytes, kind: str = "entities", query: str = "", **headers: str) -> TestResponse:
    return api.call(
        "POST", f"/batch/{kind}{query}", body=body, Content_Type=headers.pop("Content_Type", LINES), **headers
    )


def stored(conn: Connection) -> tuple[object, ...]:
    [row] = conn.execute("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM job_blocks)").fetchall()
    return row


@pytest.mark.parametrize(
    "content_type", [LINES, "application/ndjson", "application/jsonl; charset=utf-8", "application/x-jsonlines"]
)
def test_each_line_is_an_item(api: Api, run_jobs: Callable[[], None], content_type: str) -> None:
    accepted = send(api, ndjson(entity(1), entity(2)), Content_Type=content_type)
    assert accepted.status_code == 202
    run_jobs()
    job = api.job(accepted)
    assert (job["status"], job["output"]["succeeded"]) == ("completed", 2)
    assert data(api.get("/entities/player_000002"))["externalId"] == "player_000002"


def test_errors_and_warnings_name_index_and_line(api: Api, run_jobs: Callable[[], None]) -> None:
    lines = [
        b"\xef\xbb\xbf" + json.dumps(entity(1)).encode() + b"\r",
        b"",
        b"{broken",
        b" \t",
        json.dumps(entity(2) | {"entityType": "ghost"}).encode(),
        json.dumps(entity(3) | {"stranger": 1}).encode(),
        b'"\xff"',
        b"{} {}",
    ]
    accepted = send(api, b"\n".join(lines))
    run_jobs()
    job = api.job(accepted)
    errors = [(error["index"], error["line"], error["code"]) for error in job["output"]["errors"]]
    assert errors == [
        (1, 3, "INVALID_JSON"),
        (2, 5, "VALIDATION_FAILED"),
        (4, 7, "INVALID_JSON"),
        (5, 8, "INVALID_JSON"),
    ]
    [warning] = job["warnings"]["first"]
    assert (warning["index"], warning["line"], warning["code"]) == (3, 6, "UNKNOWN_FIELD")
    assert [error["line"] for error in data(api.get(f"/batch/jobs/{job['id']}/errors"))] == [3, 5, 7, 8]


def test_items_of_an_array_have_no_line(api: Api, run_jobs: Callable[[], None]) -> None:
    accepted = api.post("/batch/entities", [entity(1) | {"entityType": "ghost"}])
    run_jobs()
    assert [error["line"] for error in api.job(accepted)["output"]["errors"]] == [None]


def test_a_line_that_is_too_large_sinks_no_neighbour(api: Api, run_jobs: Callable[[], None]) -> None:
    large = json.dumps(entity(2, data={"x": "x" * 3_000_000})).encode()
    accepted = send(api, ndjson(entity(1)) + large + b"\n" + ndjson(entity(3)))
    run_jobs()
    output = api.job(accepted)["output"]
    assert output["succeeded"] == 2
    [error] = output["errors"]
    assert (error["line"], error["code"]) == (2, "ITEM_TOO_LARGE")
    assert error["message"] == f"The item has {len(large)} bytes; the most is 1048576"


def test_lines_that_look_like_one_too_large_sink_no_neighbour(api: Api, run_jobs: Callable[[], None]) -> None:
    forged = b"\x005 7\n" + b"\0" + b"1" * 5_000 + b" 7\n"
    accepted = send(api, ndjson(entity(1)) + forged + ndjson(entity(2)))
    run_jobs()
    output = api.job(accepted)["output"]
    assert output["succeeded"] == 2
    assert [(error["line"], error["code"]) for error in output["errors"]] == [(2, "INVALID_JSON"), (3, "INVALID_JSON")]


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_a_body_without_an_item_is_400_and_leaves_nothing(api: Api, observer: Connection, body: bytes) -> None:
    refused(send(api, body), 400, "INVALID_INPUT", "no item", "on a line of its own")
    assert stored(observer) == (0, 0)


@pytest.mark.parametrize("kind", ["entities", "events"])
def test_a_body_of_many_blocks_is_one_job_in_its_order(
    api: Api, run_jobs: Callable[[], None], observer: Connection, kind: str
) -> None:
    api.post("/entities", entity(1))
    item = (
        entity if kind == "entities" else (lambda n: event(1, data={"type": "deposit", "amount": n, "currency": "EUR"}))
    )
    accepted = send(api, ndjson(*(item(n) for n in range(1, 25_001))), kind)
    blocks = observer.execute("SELECT no, first_index, items, first_line FROM job_blocks ORDER BY no").fetchall()
    assert blocks == [(0, 0, 10_000, 1), (1, 10_000, 10_000, 10_001), (2, 20_000, 5_000, 20_001)]
    run_jobs()
    job = api.job(accepted)
    assert (job["status"], job["output"]["succeeded"]) == ("completed", 25_000)


CODINGS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("form", ["array", "lines"])
def test_a_coded_body_is_taken(api: Api, run_jobs: Callable[[], None], coding: str, form: str) -> None:
    items = [entity(n) for n in range(100)]
    body = json.dumps(items).encode() if form == "array" else ndjson(*items)
    content_type = "application/json" if form == "array" else LINES
    accepted = send(api, CODINGS[coding](body), Content_Encoding=coding, Content_Type=content_type)
    assert accepted.status_code == 202
    run_jobs()
    assert api.job(accepted)["output"]["succeeded"] == 100


@pytest.mark.parametrize("content_type", [LINES, "application/json"])
def test_another_coding_is_415_and_the_answer_names_those_taken(api: Api, content_type: str) -> None:
    answer = send(api, b"[]", Content_Encoding="br", Content_Type=content_type)
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "gzip, zstd")
    assert answer.headers["Accept-Encoding"] == "gzip, zstd"


@pytest.mark.parametrize("content_type", [LINES, "application/json"])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_coded_body_that_is_cut_off_leaves_nothing(
    api: Api, observer: Connection, coding: str, content_type: str
) -> None:
    body = CODINGS[coding](ndjson(*(entity(n) for n in range(1_000))))[:-3]
    refused(
        send(api, body, Content_Encoding=coding, Content_Type=content_type), 400, "INVALID_INPUT", "ends in the middle"
    )
    assert stored(observer) == (0, 0)


def test_a_body_that_expands_too_much_is_413_and_leaves_nothing(api: Api, observer: Connection) -> None:
    body = gzip.compress(b" " * 100_000_000)
    refused(send(api, body, Content_Encoding="gzip"), 413, "PAYLOAD_TOO_LARGE")
    assert stored(observer) == (0, 0)


def sha(algorithm: str, body: bytes) -> str:
    digest = base64.b64encode(hashlib.new(algorithm.replace("-", ""), body).digest()).decode()
    return f"{algorithm}=:{digest}:"


@pytest.mark.parametrize("content_type", [LINES, "application/json"])
def test_a_digest_is_checked_of_the_bytes_as_they_were_sent(api: Api, observer: Connection, content_type: str) -> None:
    plain = ndjson(entity(1)) if content_type == LINES else json.dumps([entity(1)]).encode()
    body = gzip.compress(plain)
    both = {"Content_Type": content_type, "Content_Encoding": "gzip"}
    assert send(api, body, **both, Content_Digest=sha("sha-256", body)).status_code == 202
    digests = f"{sha('sha-512', body)}, md5=:aaaa:"
    assert send(api, body, **both, Content_Digest=digests).status_code == 202
    before = stored(observer)
    for wrong in (sha("sha-256", plain), sha("sha-512", b""), f"{sha('sha-256', body)}, {sha('sha-512', plain)}"):
        refused(send(api, body, **both, Content_Digest=wrong), 400, "DIGEST_MISMATCH")
    refused(send(api, body, **both, Content_Digest="sha-256=abc"), 400, "INVALID_INPUT", "Content-Digest")
    assert stored(observer) == before


@pytest.fixture
def small_api(settings: Settings, api: Api) -> Iterator[Api]:
    """The API with small limits."""
    made = create_app(replace(settings, max_job_items=3, max_job_bytes=2_000, web_threads=2))
    yield Api(made, api.tenant, api.key)
    services: Services = made.extensions["sluice"]
    services.close()


def test_a_job_has_its_limits_of_items_and_bytes(small_api: Api, observer: Connection) -> None:
    assert send(small_api, ndjson(*(entity(n) for n in range(3)))).status_code == 202
    refused(send(small_api, ndjson(*({} for _ in range(4)))), 400, "INVALID_INPUT", "over 3 items")
    refused(send(small_api, b" " * 2_001), 413, "PAYLOAD_TOO_LARGE", "over 2000 bytes")
    coded = gzip.compress(b" " * 2_001)
    refused(send(small_api, coded, Content_Encoding="gzip"), 413, "PAYLOAD_TOO_LARGE")
    assert stored(observer) == (1, 1)


def test_more_large_bodies_than_a_process_reads_at_once_are_503(small_api: Api) -> None:
    services: Services = small_api.app.extensions["sluice"]
    assert services.body_places.acquire(blocking=False)
    answer = send(small_api, ndjson(entity(1)))
    refused(answer, 503, "UNAVAILABLE", "again")
    assert answer.headers["Retry-After"]
    assert small_api.post("/batch/entities", [entity(1)]).status_code == 202
    services.body_places.release()
    assert send(small_api, ndjson(entity(1))).status_code == 202


def test_a_job_whose_body_still_arrives_is_shown_by_no_call(api: Api, observer: Connection) -> None:
    accepted = send(api, ndjson(entity(1)))
    job_id = data(accepted)["jobId"]
    observer.execute("UPDATE jobs SET status = 'receiving'")
    refused(api.get(f"/batch/jobs/{job_id}"), 404, "NOT_FOUND")
    refused(send(api, ndjson(entity(1)), query=f"?after={job_id}"), 404, "NOT_FOUND")
    assert stored(observer) == (1, 1)


def test_a_tenant_whose_key_was_revoked_stores_nothing(api: Api, observer: Connection) -> None:
    assert send(api, ndjson(entity(1))).status_code == 202
    observer.execute("UPDATE api_keys SET revoked_at = now()")
    refused(send(api, ndjson(entity(1))), 401, "UNAUTHORIZED")
    assert stored(observer) == (1, 1)


def test_the_request_waits_for_the_end_if_asked_to(api: Api, stand_in_worker: Callable[[], None]) -> None:
    stand_in_worker()
    answer = send(api, ndjson(entity(1)) + b"{", Prefer="wait=20")
    assert answer.status_code == 200
    assert [error["line"] for error in data(answer)["errors"]] == [2]


def test_a_repeat_under_a_key_is_answered_as_the_first_and_another_body_is_422(
    api: Api, run_jobs: Callable[[], None], observer: Connection
) -> None:
    body = ndjson(*(entity(n) for n in range(12_000)))
    first = send(api, body, Idempotency_Key="k")
    for coding in ("identity", "gzip", "zstd"):
        again = send(api, CODINGS[coding](body), Content_Encoding=coding, Idempotency_Key="k")
        assert data(again)["jobId"] == data(first)["jobId"]
        assert again.headers["Idempotent-Replayed"] == "true"
    refused(send(api, body + b"{}", Idempotency_Key="k"), 422, "IDEMPOTENCY_KEY_REUSED")
    refused(send(api, body, query="?mode=merge", Idempotency_Key="k"), 422, "IDEMPOTENCY_KEY_REUSED")
    run_jobs()
    assert data(send(api, body, Idempotency_Key="k"))["succeeded"] == 12_000
    assert stored(observer) == (1, 2)


def test_a_refused_body_of_lines_leaves_no_key(api: Api) -> None:
    refused(send(api, b"\n", Idempotency_Key="k"), 400, "INVALID_INPUT")
    assert send(api, ndjson(entity(1)), Idempotency_Key="k").status_code == 202


def test_a_key_that_another_request_has_stored_meanwhile_is_409_and_leaves_no_job(
    api: Api, observer: Connection
) -> None:
    observer.execute(
        "CREATE FUNCTION take_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO idempotency_keys (tenant_id, endpoint, key_hash, fingerprint)"
        " VALUES (NEW.tenant_id, 'writeEntities', sha256('k'), sha256('other')); RETURN NEW; END $$;"
        "CREATE TRIGGER take_key AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION take_key()"
    )
    try:
        answer = send(api, ndjson(entity(1)), Idempotency_Key="k")
    finally:
        observer.execute("DROP FUNCTION take_key CASCADE")
    refused(answer, 409, "IDEMPOTENCY_IN_PROGRESS")
    assert stored(observer) == (0, 0)


@pytest.mark.parametrize("header", ["Content_Type", "Content_Encoding"])
def test_lines_in_another_character_set_are_415(api: Api, observer: Connection, header: str) -> None:
    value = f"{LINES}; charset=utf-16" if header == "Content_Type" else "utf-8"
    refused(send(api, ndjson(entity(1)), **{header: value}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert stored(observer) == (0, 0)


def test_the_document_shows_no_state_that_no_client_sees(api: Api) -> None:
    states = api.document["components"]["schemas"]["JobState"]["enum"]
    assert states == ["pending", "processing", "paused", "completed", "failed", "cancelled"]
