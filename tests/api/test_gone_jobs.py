"""Calls about a job that retention has deleted are 410, and 404 for others and 90 days later."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import public
from app.openapi import docs
from ingest import ids
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.data import retention
from ingest.db.jobs import control
from ingest.db.tenants import keys
from tests.api.conftest import Api, data, refused
from tests.support.factories import entity

_NONE = "job_01985f0cf2d27b5c8d6a1f0e2b3c4d5e"

_PURGED = "UPDATE jobs SET ended_at = now() - interval '31 days' WHERE ended_at IS NOT NULL"


@pytest.fixture
def purge(pool: Pool) -> Callable[[], int]:
    """End all jobs, and delete them as the sweeper does 31 days later."""

    def run() -> int:
        with transaction(pool) as conn:
            for (job_id,) in conn.execute("SELECT id FROM jobs WHERE status <> 'receiving'").fetchall():
                control.cancel(conn, job_id)  # type: ignore[arg-type] # a uuid column
            conn.execute(_PURGED)
            return retention.purge_jobs(conn, days=30, limit=10)

    return run


@pytest.fixture
def gone(api: Api, purge: Callable[[], int]) -> str:
    """The id of a job of the tenant's that is gone."""
    job_id: str = data(api.post("/batch/entities", [entity()]))["jobId"]
    assert purge() == 1
    return job_id


def calls_about_jobs(app: Flask) -> Iterator[tuple[str, str, bytes | None]]:
    """Method, path and body of each call about a job, at each of its addresses; `{job_id}` stands in the path."""
    document = docs.document(app)
    for rule in app.url_map.iter_rules():
        if "job_id" not in rule.arguments or rule.endpoint.startswith("console."):
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        described = re.sub("^/v1/", f"{public.BASES[0]}/", path.removeprefix("/functions/v1"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            sent = document["paths"][described][method.lower()].get("requestBody", {}).get("content", {})
            body = sent.get("application/json", {}).get("example")
            yield method, re.sub(r"{(?!job_id)\w+}", "0", path), None if body is None else json.dumps(body).encode()


def answers(app: Flask, api: Api, public_key: str, job_id: str) -> dict[tuple[str, str], TestResponse]:
    """The answer to each call about a job."""
    found = {}
    for method, path, body in calls_about_jobs(app):
        key = public_key if path.startswith(public.BASES) else api.key
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        found[method, path] = app.test_client().open(
            path.replace("{job_id}", job_id), method=method, data=body, headers=headers
        )
    return found


def codes(found: dict[tuple[str, str], TestResponse]) -> dict[tuple[str, str], int]:
    return {call: answer.status_code for call, answer in found.items()}


@pytest.fixture
def public_key(api: Api, pool: Pool) -> str:
    with transaction(pool) as conn:
        return keys.create(conn, api.tenant.id, "fm_live", "test")[1]


def test_a_job_that_is_gone_is_410_on_every_call_of_both_apis(app: Flask, api: Api, gone: str, public_key: str) -> None:
    found = answers(app, api, public_key, gone)
    assert len(found) >= 16, "four calls, at two addresses of each API"
    assert {call: status for call, status in codes(found).items() if status != 410} == {}
    for (_, path), answer in found.items():
        if path.startswith(public.BASES):
            assert gone in answer.get_json()["detail"]
        else:
            refused(answer, 410, "GONE", gone)


def test_another_tenants_job_that_is_gone_is_404_on_every_call(
    app: Flask, new_api: Callable[..., Api], pool: Pool, gone: str
) -> None:
    stranger = new_api()
    with transaction(pool) as conn:
        key = keys.create(conn, stranger.tenant.id, "fm_live", "test")[1]
    ours, never = (codes(answers(app, stranger, key, job_id)) for job_id in (gone, _NONE))
    assert set(ours.values()) == {404}
    assert ours == never


def test_a_job_that_is_gone_for_90_days_is_404(api: Api, observer: Connection, gone: str) -> None:
    observer.execute("UPDATE gone_ids SET gone_at = gone_at - interval '90 days'")
    refused(api.get(f"/batch/jobs/{gone}"), 404, "NOT_FOUND", gone)


def test_a_batch_after_a_job_that_is_gone_is_refused_and_not_stored(api: Api, observer: Connection, gone: str) -> None:
    refused(api.post(f"/batch/entities?after={gone}", [entity()]), 410, "GONE", gone)
    upload = {"kind": "entities", "contentType": "application/x-ndjson", "after": gone}
    refused(api.post("/batch/uploads", upload), 410, "GONE", gone)
    assert observer.execute("SELECT FROM jobs").rowcount == 0


def test_an_upload_is_gone_with_its_job(
    api: Api, new_api: Callable[..., Api], purge: Callable[[], int], observer: Connection
) -> None:
    created = data(api.post("/batch/uploads", {"kind": "entities", "contentType": "application/x-ndjson"}))
    path = f"/batch/uploads/{created['uploadId']}"
    line = {"body": json.dumps(entity()).encode(), "Content_Type": "application/x-ndjson"}
    data(api.put(f"{path}/parts/1", **line))
    job_id = data(api.post(f"{path}/complete", {"parts": 1}, Idempotency_Key="k"))["jobId"]
    assert purge() == 1
    refused(api.get(path), 410, "GONE")
    refused(api.delete(path), 410, "GONE")
    refused(api.put(f"{path}/parts/2", **line), 410, "GONE")
    refused(api.post(f"{path}/complete", {"parts": 1}), 410, "GONE")
    refused(api.post(f"{path}/complete", {"parts": 1}, Idempotency_Key="k"), 410, "GONE", job_id)
    refused(new_api().get(path), 404, "NOT_FOUND")
    observer.execute("UPDATE gone_ids SET gone_at = gone_at - interval '90 days'")
    refused(api.get(path), 404, "NOT_FOUND")


def test_a_repeat_of_a_batch_whose_job_is_gone_is_410_and_stores_nothing(
    api: Api, purge: Callable[[], int], observer: Connection
) -> None:
    job_id = data(api.post("/batch/entities", [entity()], Idempotency_Key="k"))["jobId"]
    assert purge() == 1
    refused(api.post("/batch/entities", [entity()], Idempotency_Key="k"), 410, "GONE", job_id)
    assert observer.execute("SELECT FROM jobs").rowcount == 0


def test_a_job_that_was_never_whole_is_not_remembered(api: Api, observer: Connection) -> None:
    created = data(api.post("/batch/uploads", {"kind": "entities", "contentType": "application/x-ndjson"}))
    [(job_id,)] = observer.execute("SELECT id FROM jobs").fetchall()
    data(api.delete(f"/batch/uploads/{created['uploadId']}"))
    refused(api.get(f"/batch/jobs/{ids.spell(ids.JOB, job_id)}"), 404, "NOT_FOUND")
