"""SLUICE_BODY_SECONDS bounds each body, even one that decodes to nothing (docs/contracts/jobs.md section 1)."""

import gzip
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app import create_app
from ingest.settings import Settings
from tests.api.conftest import Api, refused

NOTHING = {
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * 30_000,
    "zstd": (b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + bytes(8)) * 10_000,
    "identity": b"\n" * 150_000,
}
LINES, CSV, ARRAY = "application/x-ndjson", "text/csv", "application/json"


@pytest.fixture
def hurried(api: Api, settings: Settings) -> Iterator[Api]:
    """The same tenant on a server whose clients have no time at all."""
    app = create_app(replace(settings, body_seconds=0))
    yield Api(app, api.tenant, api.key)
    app.extensions["sluice"].close()


@pytest.mark.parametrize("content_type", [LINES, CSV, ARRAY])
@pytest.mark.parametrize("coding", NOTHING)
def test_a_body_that_takes_too_long_is_refused(hurried: Api, content_type: str, coding: str) -> None:
    answer = hurried.post("/batch/entities", body=NOTHING[coding], Content_Type=content_type, Content_Encoding=coding)
    assert answer.status_code == 408
    assert "took longer than 0 seconds" in answer.text


@pytest.mark.parametrize("content_type", [LINES, CSV])
def test_blank_lines_that_a_few_bytes_stand_for_are_408_in_their_midst(
    api: Api, settings: Settings, content_type: str
) -> None:
    """All bytes are there at once, and cutting what they stand for takes many times as long as the body may."""
    body = b"externalId,entityType\n" if content_type == CSV else b""
    bomb = gzip.compress(body) + gzip.compress(b"\n" * 40_000) * 1_000
    assert len(bomb) < 128 * 1024, "one read"
    app = create_app(replace(settings, body_seconds=0.1))
    answer = Api(app, api.tenant, api.key).post(
        "/batch/entities", body=bomb, Content_Type=content_type, Content_Encoding="gzip"
    )
    app.extensions["sluice"].close()
    assert (answer.status_code, "took longer than 0.1 seconds" in answer.text) == (408, True)


def test_a_repeat_that_takes_too_long_is_refused(api: Api, hurried: Api) -> None:
    first = api.post("/batch/entities", body=b"{}\n", Content_Type=LINES, Idempotency_Key="k1")
    assert first.status_code == 202
    again = hurried.post("/batch/entities", body=NOTHING["identity"], Content_Type=LINES, Idempotency_Key="k1")
    assert again.status_code == 408


def test_no_more_bytes_are_read_than_a_job_may_have(api: Api, settings: Settings) -> None:
    app = create_app(replace(settings, max_job_bytes=1_000))
    answer = Api(app, api.tenant, api.key).post(
        "/batch/entities", body=NOTHING["gzip"], Content_Type=LINES, Content_Encoding="gzip"
    )
    app.extensions["sluice"].close()
    refused(answer, 413, "PAYLOAD_TOO_LARGE", "1000 bytes")
