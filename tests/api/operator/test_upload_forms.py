"""A new upload: its form, its options, its kinds and its key (docs/contracts/jobs.md sections 1 and 2)."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.api.conftest import Api, data, refused
from tests.api.operator.test_lines import LINES, ndjson
from tests.api.operator.uploads import NEW, begin, complete, put, rows
from tests.support.factories import entity, event, state

Observer = psycopg.Connection[tuple[Any, ...]]


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
