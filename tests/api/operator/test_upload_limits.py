"""Uploads refuse parts that are not as declared, or beyond a limit (docs/contracts/jobs.md section 1)."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from app import create_app
from app.http.services import Services
from ingest.settings import Settings
from tests.api.conftest import Api, refused
from tests.api.operator.test_lines import LINES, ndjson, sha
from tests.api.operator.uploads import begin, complete, put, rows
from tests.support.factories import entity

Observer = psycopg.Connection[tuple[Any, ...]]


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
