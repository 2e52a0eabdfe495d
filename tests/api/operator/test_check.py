"""docs/contracts/templates.md: `POST /templates/{id}/check`."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from app.jobs import items
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import claims
from ingest.db.tenants.templates import TemplateCache
from ingest.engine import trial
from ingest.engine.trial import run_step
from ingest.ids import JOB, parse
from tests.api.conftest import Api, data, refused
from tests.support.factories import MASTER_KEYS, entity, event, state

CHECK = "/templates/tpl_igaming/check"

SCHEMA: dict[str, Any] = {
    "entity_types": {
        "player": {"required": ["email"], "optional": ["vip_level"], "fields": {"vip_level": {"type": "string"}}}
    },
    "event_types": {"transaction": {"required": [], "optional": []}},
    "state_keys": ["balance"],
    "states": {"balance": {"type": "integer"}},
    "pii_fields": {},
}


@pytest.fixture
def stored(api: Api, run_jobs: Callable[[], int]) -> None:
    """Two entities, and a state and an event of one of them."""
    api.post("/batch/entities", [entity(1), entity(2, data={"email": "x", "vip_level": "3"})])
    api.post("/batch/states", [state(1, value=1.5)])
    api.post("/batch/events", [event(1)])
    run_jobs()


@pytest.mark.usefixtures("stored")
def test_a_check_answers_with_a_job_whose_errors_name_what_would_not_pass(
    api: Api, run_jobs: Callable[[], int]
) -> None:
    answer = api.post(CHECK, {"schema": SCHEMA})
    assert answer.status_code == 202
    assert (data(answer)["status"], data(answer)["errors"]) == ("pending", [])
    assert answer.headers["Location"].endswith(f"/batch/jobs/{data(answer)['jobId']}")
    run_jobs()
    job = api.job(answer)
    assert (job["type"], job["status"], job["progress"], job["total"]) == ("template_check", "completed", 100, 4)
    shown = [
        (error["index"], error["externalId"], error["code"], error["message"], error["field"])
        for error in job["output"]["errors"]
    ]
    assert shown == [
        (
            0,
            "player_000001",
            "VALIDATION_FAILED",
            'Entity "player_000001": Field "vip_level" must be a string, not an integer',
            "/data/vip_level",
        ),
        (
            2,
            "player_000001",
            "VALIDATION_FAILED",
            'State balance of "player_000001": Field "value" must be an integer, not a number with a fraction',
            "/value",
        ),
    ]
    assert data(api.get(f"/batch/jobs/{job['id']}/errors")) == job["output"]["errors"]
    assert "results" not in job["links"]


def test_errors_of_a_check_are_grouped_whichever_rows_they_are_about(api: Api, run_jobs: Callable[[], int]) -> None:
    api.post("/batch/entities", [entity(number) for number in range(3)])
    api.post("/batch/states", [state(number, value="much") for number in range(2)])
    run_jobs()
    answer = api.post(CHECK, {"schema": SCHEMA})
    run_jobs()
    groups = data(api.get(f"/batch/jobs/{data(answer)['jobId']}/errors?group=true"))
    assert [(group["message"], group["count"]) for group in groups] == [
        ('Entity "…": Field "vip_level" must be a string, not an integer', 3),
        ('State balance of "…": Field "value" must be an integer, not a string', 2),
    ]


def effects(api: Api, job: dict[str, Any], count: int) -> list[str | None]:
    return [data(api.get(f"/batch/jobs/{job['id']}/items/{index}"))["effect"] for index in range(count)]


@pytest.mark.usefixtures("stored")
def test_a_row_has_the_effect_that_is_known_once_it_is_judged(
    api: Api, run_jobs: Callable[[], int], pool: Pool
) -> None:
    job = api.job(api.post(CHECK, {"schema": SCHEMA}))
    assert effects(api, job, 1) == ["unprocessed"]
    with transaction(pool) as conn:
        [claimed] = claims.claim(conn, parse(JOB, job["id"]))
        assert claimed.job.template_id is not None
        template = TemplateCache().get(conn, claimed.job.template_id)
        assert run_step(conn, claimed, template, keys=MasterKeys.parse(MASTER_KEYS))
    assert effects(api, job, 3) == ["failed", "unchanged", "unprocessed"]
    run_jobs()
    assert effects(api, job, 4) == ["failed", "unchanged", "failed", "unchanged"]


def test_the_effect_of_a_row_is_null_once_errors_are_no_longer_kept(
    api: Api, run_jobs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.post("/batch/entities", [entity(number) for number in range(3)])
    run_jobs()
    for module in (trial, items):
        monkeypatch.setattr(module, "MOST_TRIAL_ERRORS_KEPT", 2)
    answer = api.post(CHECK, {"schema": SCHEMA})
    run_jobs()
    job = api.job(answer)
    assert (job["effects"]["failed"], job["output"]["failed"]) == (3, 3)
    assert effects(api, job, 3) == ["failed", "failed", None]


@pytest.mark.usefixtures("stored")
def test_a_check_waits_for_its_job_as_a_batch_does(api: Api, stand_in_worker: Callable[[], None]) -> None:
    stand_in_worker()
    answer = api.post(CHECK, {"schema": SCHEMA}, Prefer="wait=30")
    assert (answer.status_code, data(answer)["failed"]) == (200, 2)


def test_a_check_changes_no_template_and_no_choice(api: Api, run_jobs: Callable[[], int]) -> None:
    before = data(api.get("/templates")), data(api.get("/settings"))
    answer = api.post(CHECK, {"schema": SCHEMA})
    run_jobs()
    assert api.job(answer)["status"] == "completed"
    api.put("/settings", {"templateId": "tpl_igaming"})
    assert (data(api.get("/templates")), data(api.get("/settings"))) == before
    assert data(api.post("/entities", entity(3)))["action"] == "created"


@pytest.mark.usefixtures("stored")
def test_without_a_schema_the_newest_version_is_tried(api: Api, run_jobs: Callable[[], int]) -> None:
    api.put("/templates/tpl_own", {"name": "Own", "schema": SCHEMA})
    stricter = deepcopy(SCHEMA)
    stricter["entity_types"]["player"]["required"].append("phone")
    api.put("/templates/tpl_own", {"name": "Own", "schema": stricter})
    answer = api.post("/templates/tpl_own/check", {})
    run_jobs()
    first, *_ = api.job(answer)["output"]["errors"]
    assert "phone" in first["message"]


def test_a_template_that_is_not_there_or_another_tenants_is_404(api: Api, new_api: Callable[..., Api]) -> None:
    refused(api.post("/templates/tpl_nothing/check", {"schema": SCHEMA}), 404, "NOT_FOUND", "tpl_nothing")
    new_api().put("/templates/tpl_theirs", {"name": "Theirs", "schema": SCHEMA})
    refused(api.post("/templates/tpl_theirs/check", {"schema": SCHEMA}), 404, "NOT_FOUND", "tpl_theirs")


def test_a_check_reads_no_row_of_another_tenant(
    api: Api, new_api: Callable[..., Api], run_jobs: Callable[[], int]
) -> None:
    new_api().post("/batch/entities", [entity(1)])
    run_jobs()
    answer = api.post(CHECK, {"schema": SCHEMA})
    run_jobs()
    assert api.job(answer)["total"] == 0
    refused(new_api().get(f"/batch/jobs/{data(answer)['jobId']}"), 404, "NOT_FOUND")


def test_a_wrong_schema_is_400_and_names_the_place(api: Api, observer: Connection) -> None:
    wrong = deepcopy(SCHEMA)
    wrong["states"]["balance"]["minimum"] = "1"
    refused(api.post(CHECK, {"schema": wrong}), 400, "INVALID_INPUT", "/schema/states/balance/minimum must be a number")
    refused(api.post(CHECK, {"scheme": SCHEMA}), 400, "INVALID_INPUT", "scheme")
    assert observer.execute("SELECT FROM jobs").rowcount == 0


def test_one_check_too_many_is_409_until_another_one_is_over(api: Api, run_jobs: Callable[[], int]) -> None:
    most = data(api.get("/capabilities"))["limits"]["checksAtOnce"]
    for _ in range(most):
        assert api.post(CHECK, {}).status_code == 202
    refused(api.post(CHECK, {}), 409, "LIMIT_REACHED", f"{most} checks")
    run_jobs()
    assert api.post(CHECK, {}).status_code == 202


def test_a_repeated_check_under_the_same_key_is_the_same_job(api: Api, observer: Connection) -> None:
    first = api.post(CHECK, {"schema": SCHEMA}, Idempotency_Key="a")
    again = api.post(CHECK, {"schema": SCHEMA}, Idempotency_Key="a")
    assert data(again)["jobId"] == data(first)["jobId"]
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(api.post(CHECK, {}, Idempotency_Key="a"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert observer.execute("SELECT FROM jobs").rowcount == 1
    assert observer.execute("SELECT FROM templates WHERE trial").rowcount == 1
