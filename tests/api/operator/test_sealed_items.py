"""Items of tenants with personal data are stored encrypted, and read back (docs/contracts/operator.md section 7)."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.http.services import Services, attach
from ingest.crypto import is_sealed
from ingest.db.connection.pool import Pool
from ingest.db.jobs import claims
from ingest.engine.delivery import Delivery
from ingest.engine.sealing import PAYLOAD, PURPOSE
from ingest.errors import SecretUnreadable
from ingest.master_keys import generate
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.api.operator.bad_batches import CSV, HEADER, LINES, Run, file_of
from tests.api.operator.uploads import begin, complete, put
from tests.support.factories import entity, event, make_executor, make_sealer

Observer = psycopg.Connection[tuple[Any, ...]]
Send = Callable[[Api, list[dict[str, Any]]], Any]

MARK = "marked-4711"
PLAIN = {"entity_types": {"player": {"required": ["email"]}}, "pii_fields": {}}


def marked(number: int = 1, **overrides: Any) -> dict[str, Any]:
    return entity(number, data={"email": MARK}, **overrides)


def lines_of(items: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(item)}\n" for item in items).encode()


def in_parts(api: Api, items: list[dict[str, Any]]) -> Any:
    upload = begin(api)
    assert put(api, upload, 1, lines_of(items)).status_code == 200
    return complete(api, upload, 1)


def as_rows(api: Api, items: list[dict[str, Any]]) -> Any:
    rows = [f"{item['externalId']},{item['entityType']},{item['data'].get('email', '')},,[]" for item in items]
    return api.post("/batch/entities", body="\n".join([HEADER, *rows]).encode(), Content_Type=CSV)


WAYS: dict[str, Send] = {
    "array": lambda api, items: api.post("/batch/entities", items),
    "lines": lambda api, items: api.post("/batch/entities", body=lines_of(items), Content_Type=LINES),
    "rows": as_rows,
    "parts": in_parts,
    "atomic": lambda api, items: api.post("/batch/entities?atomic=true", items),
    "dry": lambda api, items: api.post("/batch/entities?validateOnly=true", items),
}


def payloads(observer: Observer) -> list[bytes]:
    return [row[0] for row in observer.execute("SELECT payload FROM job_blocks WHERE payload <> '' ORDER BY no")]


def texts(observer: Observer) -> list[tuple[int, bytes | None, int | None]]:
    return list(observer.execute("SELECT index, item, sealed_for FROM job_errors ORDER BY job_id, index"))  # type: ignore[arg-type] # as selected


def without_personal_data(api: Api) -> None:
    assert api.put("/templates/tpl_plain", {"name": "P", "version": "1", "schema": PLAIN}).status_code == 200
    assert api.put("/settings", {"templateId": "tpl_plain"}).status_code == 200


@contextmanager
def other_key(app: Flask, settings: Settings) -> Iterator[None]:
    """The app has another master key for a while."""
    services: Services = app.extensions["sluice"]
    attach(app, dataclasses.replace(settings, master_keys=generate()))
    yield
    app.extensions["sluice"].close()
    app.extensions["sluice"] = services


@pytest.mark.parametrize("way", WAYS)
def test_payloads_are_encrypted_whatever_the_way_and_run_as_ever(
    way: str, api: Api, observer: Observer, run_jobs: Callable[[], int]
) -> None:
    accepted = WAYS[way](api, [marked(1), marked(2)])
    assert accepted.status_code == 202
    [stored] = payloads(observer)
    assert is_sealed(stored)
    assert not is_sealed(make_sealer(api.tenant.id).payload(stored))
    run_jobs()
    assert api.job(accepted)["effects"]["created"] == 2


@pytest.mark.parametrize("way", WAYS)
def test_tenants_without_personal_data_have_theirs_in_the_clear(way: str, api: Api, observer: Observer) -> None:
    without_personal_data(api)
    assert WAYS[way](api, [marked()]).status_code == 202
    assert not any(map(is_sealed, payloads(observer)))


@pytest.mark.parametrize("way", WAYS)
def test_texts_of_failed_items_are_encrypted_and_given_back(
    way: str, api: Api, observer: Observer, run_jobs: Callable[[], int]
) -> None:
    accepted = WAYS[way](api, [marked(1), marked(2, entityType="plaier")])
    run_jobs()
    job = api.job(accepted)
    [(index, stored, sealed_for)] = texts(observer)
    assert (index, sealed_for) == (1, api.tenant.id)
    assert stored is not None
    assert MARK.encode() not in stored
    [line] = map(json.loads, file_of(api, job, "ndjson").splitlines())
    assert (line["externalId"], line["data"]["email"]) == ("player_000002", MARK)
    [shown] = data(api.get(f"/batch/jobs/{job['id']}/errors?items=true"))
    assert MARK in json.dumps(shown["item"])
    if way == "rows":
        assert MARK in file_of(api, job, "csv").decode()


def test_texts_without_personal_data_are_in_the_clear(api: Api, observer: Observer, run: Run) -> None:
    without_personal_data(api)
    run(lines_of([marked(entityType="plaier")]))
    [(_, stored, sealed_for)] = texts(observer)
    assert sealed_for is None
    assert MARK.encode() in (stored or b"")


def test_a_text_that_looks_encrypted_but_is_not_is_given_back_as_it_is(api: Api, run: Run) -> None:
    without_personal_data(api)
    job = run(b"\xf5\x04test" + b"x" * 40 + b"\n")
    [line] = map(json.loads, file_of(api, job, "ndjson").splitlines())
    assert line["_raw"].endswith("x" * 40)


def test_a_retry_reads_encrypted_texts_and_keeps_patches_encrypted(
    api: Api, observer: Observer, run: Run, run_jobs: Callable[[], int]
) -> None:
    job = run(lines_of([marked(1, entityType="plaier"), marked(2, entityType="plaier")]))
    patch = {"0": {"entityType": "player", "data": {"first_name": f"{MARK}-patched"}}}
    child = data(api.post(f"/batch/jobs/{job['id']}/retry", {"patch": patch}))
    [stored] = payloads(observer)
    assert is_sealed(stored)
    assert data(api.get(f"/batch/jobs/{child['id']}/items/1"))["effect"] == "unprocessed"
    run_jobs()
    assert data(api.get("/entities/player_000001"))["data"] == {"email": MARK, "first_name": f"{MARK}-patched"}
    assert [sealed_for for _, _, sealed_for in texts(observer)] == [api.tenant.id] * 3


def test_unprocessed_and_validated_blocks_stay_encrypted_in_children(
    api: Api, observer: Observer, run_jobs: Callable[[], int]
) -> None:
    cancelled = data(api.post("/batch/entities", [marked(1)]))["jobId"]
    assert api.post(f"/batch/jobs/{cancelled}/cancel").status_code == 200
    assert api.post(f"/batch/jobs/{cancelled}/retry", {"select": "unprocessed"}).status_code == 202
    validated = data(api.post("/batch/entities?validateOnly=true", [marked(2)]))["jobId"]
    run_jobs()
    assert api.post(f"/batch/jobs/{validated}/commit").status_code == 202
    aborted = data(api.post("/batch/entities?atomic=true", [marked(3), marked(4, entityType="plaier")]))["jobId"]
    run_jobs()
    assert api.post(f"/batch/jobs/{aborted}/retry", {"select": "unprocessed"}).status_code == 202
    assert all(map(is_sealed, payloads(observer)))
    run_jobs()
    found = [api.get(f"/entities/player_00000{number}").status_code for number in (1, 2, 3, 4)]
    assert found == [200, 200, 200, 404]


def test_personal_data_stay_encrypted_once_the_template_calls_nothing_so(
    api: Api, observer: Observer, run: Run, run_jobs: Callable[[], int]
) -> None:
    job = run(lines_of([marked(1, entityType="plaier")]))
    without_personal_data(api)
    assert api.post(f"/batch/jobs/{job['id']}/retry", {}).status_code == 202
    assert all(map(is_sealed, payloads(observer)))
    run_jobs()
    assert [sealed_for for _, _, sealed_for in texts(observer)] == [api.tenant.id] * 2


def test_children_that_run_together_under_a_plain_template_stay_encrypted(
    api: Api, observer: Observer, run_jobs: Callable[[], int], pool: Pool, redis_url: str
) -> None:
    sent = [[marked(number, entityType="plaier")] for number in range(2)]
    parents = [data(api.post("/batch/entities?validateOnly=true", items))["jobId"] for items in sent]
    run_jobs()
    without_personal_data(api)
    for parent in parents:
        assert api.post(f"/batch/jobs/{parent}/commit").status_code == 202
    executor = make_executor(pool, redis_url)
    group = executor.runner.claim(claims.claim_next) or []
    assert len(group) == 2
    assert executor.run_claimed(group, math.inf, fair=False) is Delivery.DONE
    assert [sealed_for for _, _, sealed_for in texts(observer)] == [api.tenant.id] * 4
    assert not any(MARK.encode() in (stored or b"") for _, stored, _ in texts(observer))


def test_a_payload_of_another_tenant_is_unreadable(
    api: Api, new_api: Callable[..., Api], observer: Observer, run_jobs: Callable[[], int]
) -> None:
    sealed = new_api()
    assert sealed.post("/batch/entities", [marked()]).status_code == 202
    [theirs] = payloads(observer)
    other = make_sealer(api.tenant.id)
    assert other.keys.cipher(sealed.tenant.id, PURPOSE).open(theirs, PAYLOAD)
    with pytest.raises(SecretUnreadable):
        other.payload(theirs)
    run_jobs()


def test_deleting_an_entity_erases_its_failed_items_of_past_jobs(
    api: Api, new_api: Callable[..., Api], observer: Observer, run: Run, run_jobs: Callable[[], int]
) -> None:
    items = [marked(1), marked(2), marked(1, entityType="plaier"), marked(2, entityType="plaier")]
    job = run(lines_of(items))
    run(lines_of([event(1, eventType="sesion", data={"note": MARK})]), call="events")
    neighbour = new_api()
    assert neighbour.post("/batch/entities", [marked(1, entityType="plaier")]).status_code == 202
    run_jobs()
    assert api.delete("/entities/player_000001").status_code == 200
    kept = [(index, sealed_for) for index, stored, sealed_for in texts(observer) if stored is not None]
    assert sorted(kept) == [(0, neighbour.tenant.id), (3, api.tenant.id)]
    lines = [json.loads(line) for line in file_of(api, job, "ndjson").splitlines()]
    assert [line["_sluice"]["index"] for line in lines] == [2, 3]
    assert [MARK in json.dumps(line) for line in lines] == [False, True]
    refused(
        api.post(f"/batch/jobs/{job['id']}/retry", {"select": [2]}), 400, "INVALID_INPUT", "was erased with its entity"
    )
    assert data(api.post(f"/batch/jobs/{job['id']}/retry", {}))["total"] == 1


def test_the_audit_log_tells_who_read_and_who_erased_a_person(api: Api) -> None:
    assert api.post("/entities", marked()).status_code == 201
    assert api.post("/entities", {**entity(2), "entityType": "game", "data": {"name": "x"}}).status_code == 201
    assert MARK in api.get("/entities/player_000001").get_data(as_text=True)
    assert MARK not in api.get("/entities/player_000001?pii=false").get_data(as_text=True)
    assert api.get("/entities/player_000002").status_code == 200
    for name in ("player_000001", "player_000002"):
        assert api.delete(f"/entities/{name}").status_code == 200
    entries = data(api.get("/audit?object=person"))
    assert [(entry["action"], entry["object"]["id"], entry["details"]) for entry in reversed(entries)] == [
        ("person.read", "player_000001", {"fields": ["email"]}),
        ("person.erased", "player_000001", {"entityType": "player", "failedItems": 0}),
    ]
    assert {entry["actor"]["label"] for entry in entries} == {"test"}
    assert MARK not in json.dumps(entries)


def test_deleting_an_unknown_entity_is_404_and_erases_its_failed_items(api: Api, observer: Observer, run: Run) -> None:
    run(lines_of([marked(1, entityType="plaier"), marked(2, entityType="plaier")]))
    refused(api.delete("/entities/player_000001"), 404, "NOT_FOUND", "player_000001")
    assert [stored is None for _, stored, _ in texts(observer)] == [True, False]
    refused(api.delete("/entities/player_000001"), 404, "NOT_FOUND", "player_000001")
    [entry] = data(api.get("/audit?object=person"))
    assert (entry["action"], entry["details"]) == ("person.erased", {"entityType": None, "failedItems": 1})


def test_an_erasure_is_recorded_though_the_template_calls_nothing_personal_now(api: Api) -> None:
    assert api.post("/entities", marked(1)).status_code == 201
    without_personal_data(api)
    assert api.post("/entities", marked(2)).status_code == 201
    for name in ("player_000001", "player_000002"):
        assert api.delete(f"/entities/{name}").status_code == 200
    [entry] = data(api.get("/audit?object=person&action=person.erased"))
    assert entry["object"]["id"] == "player_000001"


def test_under_a_lost_key_failed_items_are_a_clear_error(api: Api, app: Flask, settings: Settings, run: Run) -> None:
    job = run(lines_of([marked(entityType="plaier")]))
    with other_key(app, settings):
        for call in ("errors?items=true", "errors.ndjson"):
            refused(api.get(f"/batch/jobs/{job['id']}/{call}"), 500, "SECRET_UNREADABLE", 'no key "test"')
        refused(api.post(f"/batch/jobs/{job['id']}/retry", {}), 500, "SECRET_UNREADABLE", 'no key "test"')
        assert api.get(f"/batch/jobs/{job['id']}/errors").status_code == 200
    assert MARK.encode() in file_of(api, job, "ndjson")


def test_without_a_master_key_nothing_is_stored(api: Api, app: Flask, settings: Settings, observer: Observer) -> None:
    upload = begin(api)
    services: Services = app.extensions["sluice"]
    attach(app, dataclasses.replace(settings, master_keys=""))
    try:
        for way in ("array", "lines", "rows"):
            refused(WAYS[way](api, [marked()]), 409, "MASTER_KEY_MISSING", "sluice crypto generate")
        refused(put(api, upload, 1, lines_of([marked()])), 409, "MASTER_KEY_MISSING")
    finally:
        app.extensions["sluice"].close()
        app.extensions["sluice"] = services
    assert payloads(observer) == []
