"""The rights of a key (docs/contracts/operator.md section 8): scopes, expiry, no more than its giver has."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.http.services import Services
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import key_changes, keys
from ingest.rights import SCOPES, Rights
from tests.api.conftest import BASE, Api, data, refused
from tests.api.operator.bad_batches import LINES
from tests.api.operator.test_sealed_items import lines_of, without_personal_data
from tests.support.factories import entity

KEYS = {"base": "/api-keys"}
_ADMIN = re.compile(r"(/operator-data-api/(templates|settings|webhooks|audit)|/api-keys)\b")


def key_of(pool: Pool, api: Api, *scopes: str, prefix: str = "oh_live", **rights: Any) -> str:
    with transaction(pool) as conn:
        return keys.create(conn, api.tenant.id, prefix, "x", Rights(scopes=scopes or SCOPES, **rights))[1]


def calls(api: Api) -> Iterator[tuple[str, str, list[str]]]:
    """Yield method, address and scopes of each call of the operator API."""
    for path, item in api.document["paths"].items():
        if path.startswith((BASE, "/api-keys")):
            for method, operation in item.items():
                [scopes] = operation["security"][0].values()
                yield method.upper(), re.sub(r"{\w+}", "x", path), scopes


def test_each_call_needs_the_scope_that_its_document_names(api: Api, pool: Pool) -> None:
    only = {scope: key_of(pool, api, scope) for scope in SCOPES}
    without = {scope: key_of(pool, api, *({*SCOPES} - {scope})) for scope in SCOPES}
    found = list(calls(api))
    assert len(found) > 50
    for method, path, scopes in found:
        if not scopes:
            assert path == f"{BASE}/capabilities"
            assert [api.get(path, base="", key=key).status_code for key in only.values()] == [200] * 3
            continue
        [scope] = scopes
        answer = api.call(method, path, base="", key=without[scope], body=b"{")
        refused(answer, 403, "FORBIDDEN", f"the scope {scope}")
        assert answer.headers["WWW-Authenticate"].endswith(f'error="insufficient_scope", scope="{scope}"')
        assert api.call(method, path, base="", key=only[scope], body=b"{").status_code not in {401, 403}


def test_keys_templates_settings_and_webhooks_need_admin_and_others_read_or_write(api: Api) -> None:
    for method, path, scopes in calls(api):
        if _ADMIN.match(path):
            assert scopes == ["admin"], (method, path)
        elif scopes:
            assert scopes == ["read" if method == "GET" else "write"], (method, path)


def test_a_cached_key_that_loses_its_scope_stores_nothing(api: Api, pool: Pool) -> None:
    key = key_of(pool, api)
    services: Services = api.app.extensions["sluice"]
    while services.key_cache.get(key) is None:
        assert api.post("/batch/entities", [entity()], key=key).status_code == 202
    with transaction(pool) as conn:
        *_, made = keys.of_tenant(conn, api.tenant.id)
        before = conn.execute("SELECT count(*) FROM jobs").fetchall()
        key_changes.change(conn, api.tenant.id, made.id, {"scopes": ["read"]})
    refused(api.post("/batch/entities", [entity()], key=key), 403, "FORBIDDEN", "the scope write")
    with transaction(pool) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchall() == before
        key_changes.change(conn, api.tenant.id, made.id, {"scopes": ["write"]})
    assert api.post("/batch/entities", [entity()], key=key).status_code == 202


def test_a_key_that_may_read_alone_stores_nothing_though_it_is_cached(api: Api, pool: Pool) -> None:
    reader = key_of(pool, api, "read")
    services: Services = api.app.extensions["sluice"]
    while services.key_cache.get(reader) is None:
        assert api.get("/batch/jobs", key=reader).status_code == 200
    refused(api.post("/batch/entities", [entity()], key=reader), 403, "FORBIDDEN", "the scope write")


def test_a_key_expires_at_its_time(api: Api, pool: Pool) -> None:
    past = key_of(pool, api, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    refused(api.get("/settings", key=past), 401, "UNAUTHORIZED", "expired")
    assert (
        api.get("/settings", key=key_of(pool, api, expires_at=datetime.now(UTC) + timedelta(hours=1))).status_code
        == 200
    )


def test_a_new_key_has_what_its_form_says_and_shows_it(api: Api) -> None:
    rights = {
        "scopes": ["read", "write"],
        "expiresAt": "2099-01-01T00:00:00.000Z",
        "addresses": ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32"],
        "requestsPerMinute": 600,
    }
    sent = {**rights, "addresses": ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7"]}
    made = data(api.post("", {"label": "importer", **sent}, **KEYS))
    assert {name: made[name] for name in rights} == rights
    *_, listed = data(api.get("", **KEYS))
    assert {name: listed[name] for name in rights} == rights
    nothing = {"scopes": ["admin"], "expiresAt": None, "addresses": None, "requestsPerMinute": None}
    changed = data(api.call("PATCH", "", {"id": made["id"], **nothing}, **KEYS))
    assert {name: changed[name] for name in [*nothing, "label"]} == {**nothing, "label": "importer"}


def test_a_new_key_is_as_the_key_that_makes_it_where_the_form_says_nothing(api: Api, pool: Pool) -> None:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    narrow = key_of(pool, api, "read", "admin", expires_at=expires_at, requests_per_minute=60)
    made = data(api.post("", {"label": "x"}, key=narrow, **KEYS))
    assert (made["scopes"], made["requestsPerMinute"]) == (["read", "admin"], 60)
    assert datetime.fromisoformat(made["expiresAt"]) == expires_at
    assert data(api.post("", {"label": "x"}, **KEYS))["scopes"] == list(SCOPES)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"scopes": ["read", "write"]}, "the scope write"),
        ({"expiresAt": None}, "expiresAt"),
        ({"expiresAt": "2099-01-01T00:00:00Z"}, "expiresAt"),
        ({"addresses": None}, "addresses"),
        ({"addresses": ["127.0.0.0/8", "203.0.113.0/24"]}, "addresses"),
        ({"addresses": ["0.0.0.0/0"]}, "addresses"),
        ({"requestsPerMinute": None}, "60 requests a minute"),
        ({"requestsPerMinute": 61}, "60 requests a minute"),
    ],
)
def test_no_key_gives_more_than_it_has(api: Api, pool: Pool, more: dict[str, Any], word: str) -> None:
    now = datetime.now(UTC)
    rights = Rights(["read", "admin"], now + timedelta(days=1), None, 60)
    with transaction(pool) as conn:
        made, secret = keys.create(conn, api.tenant.id, "oh_live", "x", rights)
        conn.execute("UPDATE api_keys SET addresses = '{127.0.0.0/8}' WHERE id = %s", (made.id,))
    refused(api.post("", {"label": "x", **more}, key=secret, **KEYS), 403, "FORBIDDEN", word)
    [first, own] = data(api.get("", **KEYS))
    for key in (first, own):
        answer = api.call("PATCH", "", {"id": key["id"], **more}, key=secret, **KEYS)
        refused(answer, 403, "FORBIDDEN", word)
    within = {"scopes": ["read"], "addresses": ["127.0.0.1"], "requestsPerMinute": 60}
    assert api.post("", {"label": "x", **within}, key=secret, **KEYS).status_code == 201


def test_the_last_key_with_admin_stays_one(api: Api) -> None:
    data(api.post("", {"label": "x", "scopes": ["read", "write"]}, **KEYS))
    first, _ = data(api.get("", **KEYS))
    for changes in ({"scopes": ["read"]}, {"expiresAt": "2099-01-01T00:00:00Z"}):
        refused(api.call("PATCH", "", {"id": first["id"], **changes}, **KEYS), 409, "LAST_KEY", "admin")
    refused(api.delete(f"?id={first['id']}", **KEYS), 409, "LAST_KEY", "admin")
    assert api.call("PATCH", "", {"id": first["id"], "label": "y", "requestsPerMinute": 900}, **KEYS).status_code == 200
    data(api.post("", {"label": "y"}, **KEYS))
    assert api.call("PATCH", "", {"id": first["id"], "scopes": ["admin"]}, **KEYS).status_code == 200
    assert api.delete(f"?id={first['id']}", **KEYS).status_code == 200


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ({"scopes": []}, ["scopes: "]),
        ({"scopes": ["read", "read"]}, ["scopes: "]),
        ({"scopes": ["root"]}, ["scopes.0: Must be one of: read, write, admin"]),
        ({"scopes": None}, ["scopes: "]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt: Must be a time to come"]),
        ({"expiresAt": "9999-12-31T23:59:59-01:00"}, ["expiresAt: "]),
        ({"expiresAt": "2099-01-01"}, ["expiresAt: "]),
        ({"expiresAt": 5}, ["expiresAt: "]),
        ({"addresses": []}, ["addresses: "]),
        ({"addresses": ["10.0.0.1/8"]}, ["addresses.0: Must be an address, or a network"]),
        ({"addresses": ["example.com"]}, ["addresses.0: "]),
        ({"addresses": [2130706433]}, ["addresses.0: "]),
        ({"addresses": ["127.0.0.1"] * 101}, ["addresses: "]),
        ({"requestsPerMinute": 0}, ["requestsPerMinute: "]),
        ({"requestsPerMinute": 1.5}, ["requestsPerMinute: "]),
        ({"requestsPerMinute": "60"}, ["requestsPerMinute: "]),
    ],
)
def test_wrong_rights_are_refused_by_their_names(api: Api, form: dict[str, Any], texts: list[str]) -> None:
    refused(api.post("", {"label": "x", **form}, **KEYS), 400, "INVALID_INPUT", *texts)
    [key] = data(api.get("", **KEYS))
    refused(api.call("PATCH", "", {"id": key["id"], **form}, **KEYS), 400, "INVALID_INPUT", *texts)


def test_a_key_without_admin_reads_an_entity_without_its_personal_data(api: Api, pool: Pool) -> None:
    reader = key_of(pool, api, "read", "write")
    sent = entity(data={"email": "a@example.com", "phone": "1", "vip_level": 145.50})
    assert api.post("/entities", sent).status_code == 201
    address = f"/entities/{sent['externalId']}"
    refused(api.get(address, key=reader), 403, "FORBIDDEN", "email, phone", "admin", "?pii=false")
    assert b'"data":{"vip_level":145.5}' in api.get(f"{address}?pii=false", key=reader).data
    assert data(api.get(f"{address}?pii=false"))["data"] == {"vip_level": 145.5}
    assert data(api.get(address))["data"] == sent["data"]
    game = {"entityType": "game", "externalId": "g1", "data": {"name": "Chess", "email": "not personal here"}}
    assert api.post("/entities", game).status_code == 201
    assert data(api.get("/entities/g1", key=reader))["data"] == game["data"]


def test_a_key_without_admin_reads_no_items_that_may_hold_personal_data(
    api: Api, pool: Pool, run_jobs: Callable[[], int]
) -> None:
    reader = key_of(pool, api, "read", "write")
    row = b"externalId,entityType,phone\np1,player,1\n"
    accepted = data(api.post("/batch/entities", body=row, Content_Type="text/csv"))
    states = data(api.post("/batch/states", [{"externalId": "p1", "stateKey": "no", "value": 1}]))
    events = data(api.post("/batch/events", [{"externalId": "p1", "eventType": "no", "data": {"phone": "1"}}]))
    assert run_jobs() == 3
    for job, suffixes in ((accepted, ("ndjson", "csv")), (states, ("ndjson",)), (events, ("ndjson",))):
        errors = f"/batch/jobs/{job['jobId']}/errors"
        for address in (f"{errors}?items=true", *(f"{errors}.{suffix}" for suffix in suffixes)):
            refused(api.get(address, key=reader), 403, "FORBIDDEN", "admin")
            assert api.get(address).status_code == 200
        assert len(data(api.get(errors, key=reader))) == 1


def test_a_key_without_admin_reads_no_encrypted_items_of_a_child(
    api: Api, pool: Pool, run_jobs: Callable[[], int]
) -> None:
    reader = key_of(pool, api, "read", "write")
    parent = data(api.post("/batch/entities", [entity(1, entityType="no", data={"phone": "1"})]))["jobId"]
    run_jobs()
    without_personal_data(api)
    child = data(api.post(f"/batch/jobs/{parent}/retry", {}))["id"]
    plain = data(api.post("/batch/entities", [entity(1, entityType="no")]))["jobId"]
    run_jobs()
    for suffix in ("?items=true", ".ndjson"):
        refused(api.get(f"/batch/jobs/{child}/errors{suffix}", key=reader), 403, "FORBIDDEN", "admin")
        assert api.get(f"/batch/jobs/{plain}/errors{suffix}", key=reader).status_code == 200


def test_a_key_without_admin_is_refused_before_a_file_begins_that_it_may_not_end(
    api: Api, pool: Pool, run_jobs: Callable[[], int], observer: Connection
) -> None:
    reader = key_of(pool, api, "read", "write")
    without_personal_data(api)
    items = [entity(number, entityType="no") for number in range(1_001)]  # more than are read at once
    parent = data(api.post("/batch/entities", body=lines_of(items), Content_Type=LINES))["jobId"]
    run_jobs()
    child = data(api.post(f"/batch/jobs/{parent}/retry", {}))["id"]
    run_jobs()
    observer.execute("UPDATE job_errors SET sealed_for = %s WHERE index = 1000", (api.tenant.id,))
    refused(api.get(f"/batch/jobs/{child}/errors.ndjson", key=reader), 403, "FORBIDDEN", "admin")


def test_a_key_without_admin_is_refused_by_each_encrypted_item_itself(
    api: Api, pool: Pool, run_jobs: Callable[[], int], observer: Connection
) -> None:
    reader = key_of(pool, api, "read", "write")
    without_personal_data(api)
    job = data(api.post("/batch/entities", [entity(1, entityType="no")]))["jobId"]
    run_jobs()
    observer.execute("UPDATE job_errors SET sealed_for = %s", (api.tenant.id,))
    for suffix in ("?items=true", ".ndjson"):
        refused(api.get(f"/batch/jobs/{job}/errors{suffix}", key=reader), 403, "FORBIDDEN", "admin")


def test_scopes_hold_in_the_public_api_too(api: Api, pool: Pool) -> None:
    client = api.app.test_client()

    def call(method: str, path: str, *scopes: str) -> tuple[int, Any]:
        key = key_of(pool, api, *scopes, prefix="fm_live")
        answer = client.open(f"/v1{path}", method=method, json={}, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code, json.loads(answer.data).get("detail")

    text = "This call needs a key with the scope write; this one has read"
    assert call("POST", "/object/upsert", "read") == (403, text)
    assert call("POST", "/object/batch", "read") == (403, text)
    assert call("GET", "/object/Order/1", "write")[0] == 403
    assert call("GET", "/object/Order/1", "read")[0] == 404
    assert call("POST", "/object/upsert", "write")[0] == 422
    assert call("GET", "/health", "write")[0] == 200
