"""docs/contracts/jobs.md section 6, `/webhooks`."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.webhooks import sending
from ingest.db.webhooks.sending import Mark, Room
from ingest.settings import Settings
from ingest.webhooks.message import EVENTS
from tests.api.conftest import TIME, Api, data, refused, walk
from tests.api.operator.test_sealed_items import without_personal_data
from tests.support.factories import entity

_URL = "https://hooks.example.com/sluice"


@pytest.fixture
def strict(settings: Settings, api: Api) -> Iterator[Api]:
    """The API of an installation that lets webhooks have public addresses alone."""
    made = create_app(dataclasses.replace(settings, webhook_allow_private=False))
    yield Api(made, api.tenant, api.key)
    services: Services = made.extensions["sluice"]
    services.close()


def made(api: Api, **form: Any) -> dict[str, Any]:
    found: dict[str, Any] = data(api.post("/webhooks", {"url": _URL, **form}))
    return found


def try_all(pool: Pool, **outcome: Any) -> int:
    """Claim what is due and mark each as delivered, or as told. Return how many."""
    with transaction(pool) as conn:
        claims = sending.claim(conn, under_way=[], room=Room(100))
        for claim in claims:
            told = {"status": 204, "milliseconds": 5, "error": None, "pause": None, "failed": False, **outcome}
            sending.mark(conn, Mark(claim, **told))
    return len(claims)


def test_post_answers_201_with_the_secret_this_once(api: Api) -> None:
    answer = api.post("/webhooks", {"url": _URL, "events": ["job.failed"], "description": "pager"})
    webhook = data(answer)
    assert answer.status_code == 201
    assert re.fullmatch(r"whk_[0-9a-f]{32}", webhook["id"])
    secret = webhook.pop("secret")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert (webhook["url"], webhook["events"], webhook["description"]) == (_URL, ["job.failed"], "pager")
    assert (webhook["enabled"], webhook["disabledReason"], webhook["jobId"]) == (True, None, None)
    assert TIME.fullmatch(webhook["createdAt"])
    assert data(api.get(f"/webhooks/{webhook['id']}")) == webhook
    assert data(api.get("/webhooks")) == [webhook]


def test_no_secret_is_stored_in_the_clear(api: Api, observer: Connection) -> None:
    secret = made(api)["secret"]
    [(row,)] = observer.execute("SELECT w::text FROM webhooks w").fetchall()
    assert secret.removeprefix("whsec_") not in str(row)
    assert "whsec" not in str(row)


def test_by_default_a_webhook_wants_every_event(api: Api) -> None:
    assert made(api)["events"] == list(EVENTS)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "url: Missing"),
        ({"url": 7}, "url"),
        ({"url": "https://x.example/", "events": []}, "events"),
        ({"url": "https://x.example/", "events": ["job.begun"]}, "job.completed"),
        ({"url": "https://x.example/", "events": ["job.failed", "job.failed"]}, "once"),
        ({"url": "https://x.example/", "event": "job.failed"}, "event"),
        ({"url": "https://x.example/", "description": "\0"}, "NUL"),
        ({"url": "https://u:p@x.example/"}, "no user"),
    ],
)
def test_a_form_that_is_wrong_is_400_and_names_the_mistake(api: Api, form: dict[str, Any], text: str) -> None:
    refused(api.post("/webhooks", form), 400, "INVALID_INPUT", text)
    assert data(api.get("/webhooks")) == []


@pytest.mark.parametrize("url", ["http://x.example/", "https://10.0.0.1/", "https://[::1]/", "https://localhost/"])
def test_a_private_address_is_400_when_it_is_told(strict: Api, url: str) -> None:
    refused(strict.post("/webhooks", {"url": url}), 400, "INVALID_INPUT", "Must")
    webhook = made(strict)
    refused(strict.call("PATCH", f"/webhooks/{webhook['id']}", {"url": url}), 400, "INVALID_INPUT", "Must")
    answer = strict.post(f"/batch/entities?callback={url}", [entity()])
    refused(answer, 400, "INVALID_INPUT", "callback: Must")


def test_an_eleventh_webhook_is_409_and_a_deleted_one_makes_room(api: Api, new_api: Callable[..., Api]) -> None:
    first = made(api)
    for _ in range(9):
        made(api)
    refused(api.post("/webhooks", {"url": _URL}), 409, "LIMIT_REACHED", "10")
    assert made(new_api())["url"] == _URL
    data(api.delete(f"/webhooks/{first['id']}"))
    made(api)


def test_a_patch_changes_what_it_names(api: Api) -> None:
    path = f"/webhooks/{made(api, description='x')['id']}"
    changed = data(api.call("PATCH", path, {"url": "https://y.example/", "events": ["job.failed"]}))
    assert (changed["url"], changed["events"], changed["description"]) == ("https://y.example/", ["job.failed"], "x")
    assert data(api.call("PATCH", path, {"description": None}))["description"] is None
    disabled = data(api.call("PATCH", path, {"enabled": False}))
    assert (disabled["enabled"], disabled["disabledReason"]) == (False, "CLIENT")
    assert TIME.fullmatch(disabled["disabledAt"])
    enabled = data(api.call("PATCH", path, {"enabled": True}))
    assert (enabled["enabled"], enabled["disabledReason"], enabled["disabledAt"]) == (True, None, None)
    refused(api.call("PATCH", path, {"enabled": "yes"}), 400, "INVALID_INPUT", "enabled")


def test_a_rotation_tells_a_new_secret_and_until_when_the_former_one_signs(api: Api) -> None:
    webhook = made(api)
    rotated = data(api.post(f"/webhooks/{webhook['id']}/rotate"))
    assert rotated["secret"] != webhook["secret"]
    assert TIME.fullmatch(rotated["formerSecretUntil"])
    assert "secret" not in data(api.get(f"/webhooks/{webhook['id']}"))


def test_another_tenants_webhook_is_404_in_every_call(api: Api, new_api: Callable[..., Api]) -> None:
    webhook = made(api)["id"]
    delivery = data(api.post(f"/webhooks/{webhook}/test"))["id"]
    stranger = new_api()
    own = made(stranger)["id"]
    calls = [
        ("GET", f"/webhooks/{webhook}"),
        ("PATCH", f"/webhooks/{webhook}"),
        ("DELETE", f"/webhooks/{webhook}"),
        ("POST", f"/webhooks/{webhook}/rotate"),
        ("POST", f"/webhooks/{webhook}/test"),
        ("GET", f"/webhooks/{webhook}/deliveries"),
        ("POST", f"/webhooks/{webhook}/deliveries/{delivery}/replay"),
        ("POST", f"/webhooks/{own}/deliveries/{delivery}/replay"),
    ]
    for method, path in calls:
        refused(stranger.call(method, path, {} if method == "PATCH" else None), 404, "NOT_FOUND")
    assert [webhook["id"] for webhook in data(stranger.get("/webhooks"))] == [own]
    refused(api.get("/webhooks/whk_x"), 404, "NOT_FOUND")


def test_a_deleted_webhook_is_gone_and_gets_nothing(api: Api, pool: Pool, run_jobs: Callable[[], int]) -> None:
    path = f"/webhooks/{made(api)['id']}"
    assert data(api.delete(path)) == {"id": path.rpartition("/")[2], "deleted": True}
    for call in (api.get(path), api.delete(path), api.get(f"{path}/deliveries"), api.post(f"{path}/rotate")):
        refused(call, 404, "NOT_FOUND")
    api.post("/batch/entities", [entity()])
    run_jobs()
    assert try_all(pool) == 0


def test_a_delivery_shows_its_job_and_each_attempt(api: Api, pool: Pool, run_jobs: Callable[[], int]) -> None:
    path = f"/webhooks/{made(api)['id']}/deliveries"
    job_id = data(api.post("/batch/entities", [entity()]))["jobId"]
    assert data(api.get(path)) == []
    run_jobs()
    [waiting] = data(api.get(path))
    assert re.fullmatch(r"msg_[0-9a-f]{32}", waiting["id"])
    assert (waiting["type"], waiting["jobId"], waiting["status"]) == ("job.completed", job_id, "pending")
    assert TIME.fullmatch(waiting["nextTryAt"])
    assert waiting["attempts"] == []
    try_all(pool, status=500, error="it answered 500", pause=0.0, failed=True)
    try_all(pool)
    [delivered] = data(api.get(path))
    assert (delivered["status"], delivered["nextTryAt"]) == ("delivered", None)
    first, second = delivered["attempts"]
    assert (first["attempt"], first["status"], first["error"]) == (1, 500, "it answered 500")
    assert (second["attempt"], second["status"], second["milliseconds"], second["error"]) == (2, 204, 5, None)
    assert TIME.fullmatch(data(api.get(path.removesuffix("/deliveries")))["lastDeliveredAt"])


def test_deliveries_are_pages_the_newest_first(api: Api) -> None:
    path = f"/webhooks/{made(api)['id']}"
    sent = [data(api.post(f"{path}/test"))["id"] for _ in range(5)]
    pages = walk(api, f"/operator-data-api{path}/deliveries?limit=2")
    assert [[delivery["id"] for delivery in page] for page in pages] == [sent[:2:-1], sent[2:0:-1], sent[:1]]
    refused(api.get(f"{path}/deliveries?limit=201"), 400, "INVALID_INPUT", "200")
    refused(api.get(f"{path}/deliveries?cursor=x"), 400, "INVALID_INPUT", "cursor")


def test_a_test_is_202_and_about_no_job(api: Api) -> None:
    path = f"/webhooks/{made(api)['id']}"
    answer = api.post(f"{path}/test")
    assert answer.status_code == 202
    assert (data(answer)["type"], data(answer)["jobId"], data(answer)["status"]) == ("webhook.test", None, "pending")


def test_a_replay_has_the_same_id_and_is_due_now(api: Api, pool: Pool) -> None:
    path = f"/webhooks/{made(api)['id']}"
    delivery = data(api.post(f"{path}/test"))["id"]
    replay = f"{path}/deliveries/{delivery}/replay"
    assert data(api.post(replay))["status"] == "pending"
    assert try_all(pool) == 1
    answer = api.post(replay)
    assert answer.status_code == 202
    assert (data(answer)["id"], data(answer)["status"]) == (delivery, "pending")
    assert try_all(pool) == 1
    assert [attempt["attempt"] for attempt in data(api.get(f"{path}/deliveries"))[0]["attempts"]] == [1, 2]
    refused(api.post(f"{path}/deliveries/msg_{'0' * 32}/replay"), 404, "NOT_FOUND")


def test_a_delivery_is_replayed_so_often_and_no_oftener(api: Api, observer: Connection) -> None:
    path = f"/webhooks/{made(api)['id']}"
    delivery = data(api.post(f"{path}/test"))["id"]
    observer.execute("UPDATE webhook_deliveries SET tries = 100")
    refused(api.post(f"{path}/deliveries/{delivery}/replay"), 409, "LIMIT_REACHED", "100")


def test_a_disabled_webhook_is_neither_tested_nor_replayed(api: Api) -> None:
    path = f"/webhooks/{made(api)['id']}"
    delivery = data(api.post(f"{path}/test"))["id"]
    data(api.call("PATCH", path, {"enabled": False}))
    refused(api.post(f"{path}/test"), 409, "WRONG_STATE", "enable")
    refused(api.post(f"{path}/deliveries/{delivery}/replay"), 409, "WRONG_STATE", "enable")


def test_without_a_master_key_making_one_is_409_and_says_what_to_do(settings: Settings, api: Api) -> None:
    app: Flask = create_app(dataclasses.replace(settings, master_keys=""))
    bare = Api(app, api.tenant, api.key)
    webhook = made(api)
    without_personal_data(bare)
    for answer in (
        bare.post("/webhooks", {"url": _URL}),
        bare.post(f"/webhooks/{webhook['id']}/rotate"),
        bare.post(f"/batch/entities?callback={_URL}", [entity()]),
    ):
        refused(answer, 409, "MASTER_KEY_MISSING", "sluice crypto generate", "SLUICE_MASTER_KEYS")
    assert data(bare.get("/webhooks"))[0]["id"] == webhook["id"]
    assert data(bare.get("/capabilities"))["webhooks"]["available"] is False
    assert data(api.get("/capabilities"))["webhooks"]["available"] is True
    assert bare.post("/batch/entities", [entity()]).status_code == 202
    services: Services = app.extensions["sluice"]
    services.close()
