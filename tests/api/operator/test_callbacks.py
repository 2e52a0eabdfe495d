"""`?callback=` (docs/contracts/jobs.md section 1): a webhook for one job alone."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.webhooks import sending
from ingest.db.webhooks.sending import Claim, Room
from ingest.engine import webhooks as engine
from tests.api.conftest import Api, data, refused
from tests.support.factories import MASTER_KEYS, entity

_URL = "https://hooks.example.com/once"
_PATH = f"/batch/entities?callback={_URL}"
_LINES = msgspec.json.encode(entity()) + b"\n"


def claimed(pool: Pool) -> list[Claim]:
    with transaction(pool) as conn:
        return sending.claim(conn, under_way=[], room=Room(100))


def secrets(claim: Claim) -> list[str]:
    return engine.signing_secrets(MasterKeys.parse(MASTER_KEYS), claim)


@pytest.mark.parametrize(
    "sent",
    [
        {"items": [entity()]},
        {"body": _LINES, "Content_Type": "application/x-ndjson"},
        {"body": b"externalId,entityType,email\np1,player,a@x.example\n", "Content_Type": "text/csv"},
    ],
)
def test_the_answer_tells_the_secret_that_signs_the_jobs_end(
    api: Api, pool: Pool, run_jobs: Callable[[], int], sent: dict[str, Any]
) -> None:
    accepted = data(api.post(_PATH, **sent))
    assert accepted["callbackSecret"].startswith("whsec_")
    assert claimed(pool) == []
    run_jobs()
    [claim] = claimed(pool)
    assert (claim.url, claim.event, secrets(claim)) == (_URL, "job.completed", [accepted["callbackSecret"]])


def test_a_job_that_ends_while_its_request_waits_tells_the_secret_too(
    api: Api, stand_in_worker: Callable[[], None]
) -> None:
    stand_in_worker()
    answer = api.post(_PATH, [entity()], Prefer="wait=20")
    assert answer.status_code == 200
    assert data(answer)["callbackSecret"].startswith("whsec_")


def test_the_secret_is_shown_and_stored_nowhere_else(
    api: Api, observer: Connection, run_jobs: Callable[[], int]
) -> None:
    accepted = data(api.post(_PATH, [entity()]))
    secret = accepted["callbackSecret"].removeprefix("whsec_")
    job = f"/batch/jobs/{accepted['jobId']}"
    assert secret not in api.get(job).get_data(as_text=True)
    run_jobs()
    for table in ("jobs", "webhooks", "webhook_deliveries", "idempotency_keys"):
        for (row,) in observer.execute(f"SELECT t::text FROM {table} t".encode()):
            assert secret not in str(row)
    assert "callback" not in api.get(job).get_data(as_text=True)


def test_a_repeat_is_not_told_the_secret_again(api: Api, pool: Pool, run_jobs: Callable[[], int]) -> None:
    first, second = (api.post(_PATH, [entity()], Idempotency_Key="k1") for _ in range(2))
    assert data(first)["jobId"] == data(second)["jobId"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "callbackSecret" not in data(second)
    run_jobs()
    [claim] = claimed(pool)
    assert secrets(claim) == [data(first)["callbackSecret"]]
    other = api.post("/batch/entities?callback=https://y.example/", [entity()], Idempotency_Key="k1")
    refused(other, 422, "IDEMPOTENCY_KEY_REUSED")


def test_an_upload_tells_the_secret_when_it_is_begun(api: Api, pool: Pool, run_jobs: Callable[[], int]) -> None:
    form = {"kind": "entities", "contentType": "application/x-ndjson", "callback": _URL}
    begun = [api.post("/batch/uploads", form, Idempotency_Key="k1") for _ in range(2)]
    upload, again = map(data, begun)
    assert upload["callbackSecret"].startswith("whsec_")
    assert again == {name: value for name, value in upload.items() if name != "callbackSecret"}
    path = f"/batch/uploads/{upload['uploadId']}"
    api.put(f"{path}/parts/1", body=_LINES, Content_Type="application/x-ndjson")
    assert "callbackSecret" not in data(api.post(f"{path}/complete", {"parts": 1}))
    run_jobs()
    [claim] = claimed(pool)
    assert (claim.url, secrets(claim)) == (_URL, [upload["callbackSecret"]])
    refused(api.post("/batch/uploads", {**form, "callback": "ftp://x"}), 400, "INVALID_INPUT", "callback")


def test_a_callback_is_of_one_job_and_counts_as_no_webhook(
    api: Api, pool: Pool, run_jobs: Callable[[], int], new_api: Callable[..., Api]
) -> None:
    job_id = data(api.post(_PATH, [entity()]))["jobId"]
    api.post("/batch/entities", [entity(2)])
    path = f"/webhooks/{job_id.replace('job_', 'whk_')}"
    refused(api.get(path), 404, "NOT_FOUND")
    run_jobs()
    assert [claim.url for claim in claimed(pool)] == [_URL]
    assert data(api.get("/webhooks")) == []
    assert data(api.get(path))["jobId"] == job_id
    assert [delivery["jobId"] for delivery in data(api.get(f"{path}/deliveries"))] == [job_id]
    refused(new_api().get(path), 404, "NOT_FOUND")


def test_a_job_with_a_callback_tells_the_tenants_webhooks_as_well(
    api: Api, pool: Pool, run_jobs: Callable[[], int]
) -> None:
    api.post("/webhooks", {"url": "https://z.example/"})
    api.post(_PATH, [entity()])
    run_jobs()
    assert sorted(claim.url for claim in claimed(pool)) == [_URL, "https://z.example/"]


def test_a_callback_goes_with_its_job(api: Api, observer: Connection, run_jobs: Callable[[], int]) -> None:
    api.post(_PATH, [entity()])
    run_jobs()
    observer.execute("DELETE FROM jobs")
    for table in ("webhooks", "webhook_deliveries", "webhook_tries"):
        assert observer.execute(f"SELECT FROM {table}".encode()).rowcount == 0
