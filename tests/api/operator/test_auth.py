"""docs/contracts/operator.md section 1: whose key it is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.http.services import Services
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import key_changes, keys, tenants
from ingest.ids import uuid7
from tests.api.conftest import BASE, Api, refused
from tests.support.factories import entity

CALLS = [
    ("GET", f"{BASE}/templates"),
    ("PUT", f"{BASE}/templates/tpl_x"),
    ("GET", f"{BASE}/settings"),
    ("PUT", f"{BASE}/settings"),
    ("POST", f"{BASE}/entities"),
    ("GET", f"{BASE}/entities/x"),
    ("DELETE", f"{BASE}/entities/x"),
    ("POST", f"{BASE}/entities/x/events"),
    ("GET", f"{BASE}/entities/x/events"),
    ("PUT", f"{BASE}/entities/x/state/balance"),
    ("GET", f"{BASE}/entities/x/state"),
    ("POST", f"{BASE}/batch/entities"),
    ("POST", f"{BASE}/batch/events"),
    ("POST", f"{BASE}/batch/states"),
    ("GET", f"{BASE}/batch/jobs/job_x"),
    ("GET", f"{BASE}/batch/jobs/job_x/errors"),
    ("POST", "/api-keys"),
    ("GET", "/api-keys"),
    ("PATCH", "/api-keys"),
    ("DELETE", "/api-keys"),
]


@pytest.mark.parametrize("base", ["", "/functions/v1"])
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_section_1_every_call_needs_a_key_before_its_body_is_looked_at(
    api: Api, method: str, path: str, base: str
) -> None:
    answer = api.call(method, path, base=base, key=None, body=b"{", Content_Type="text/plain")
    refused(answer, 401, "UNAUTHORIZED", "Bearer oh_live_")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic b2g6bGl2ZQ==",
        "Bearer oh_live_",
        "Bearer oh_live_" + "0" * 63,
        "Bearer oh_live_" + "0" * 64,
        "Bearer oh_live_" + "A" * 64,
        "Bearer oh_live_" + "\u0660" * 64,
        "Bearer fm_live_" + "0" * 32,
        "Bearer \x00",
        "oh_live_" + "0" * 64,
    ],
)
def test_section_1_a_key_that_opens_nothing_is_401(api: Api, header: str) -> None:
    sent = header.encode().decode("latin-1")
    refused(api.get("/settings", key=None, Authorization=sent), 401, "UNAUTHORIZED")


def test_section_1_the_scheme_may_be_in_any_case(api: Api) -> None:
    assert api.get("/settings", key=None, Authorization=f"bEARER  {api.key}").status_code == 200


def test_section_1_a_key_of_the_public_api_opens_nothing_here(api: Api, pool: Pool) -> None:
    with transaction(pool) as conn:
        _, secret = keys.create(conn, api.tenant.id, "fm_live", "public")
    refused(api.get("/settings", key=secret), 401, "UNAUTHORIZED")


def close_key(conn: Any, api: Api) -> None:
    keys.create(conn, api.tenant.id, "oh_live", "another")
    assert key_changes.revoke(conn, api.tenant.id, keys.of_tenant(conn, api.tenant.id)[0].id)


def expire_key(conn: Any, api: Api) -> None:
    conn.execute("UPDATE api_keys SET expires_at = now() WHERE tenant_id = %s", (api.tenant.id,))


def suspend_tenant(conn: Any, api: Api) -> None:
    assert tenants.suspend(conn, api.tenant.public_id)


CLOSED = [(close_key, "revoked"), (expire_key, "expired"), (suspend_tenant, "suspended")]


@pytest.mark.parametrize(("close", "word"), CLOSED)
def test_section_1_a_closed_door_is_401_and_says_why(
    api: Api, pool: Pool, close: Callable[[Any, Api], None], word: str
) -> None:
    assert api.get("/settings").status_code == 200
    with transaction(pool) as conn:
        close(conn, api)
    refused(api.post("/batch/entities", [entity()]), 401, "UNAUTHORIZED", word)


def cached(api: Api) -> Services:
    """Have the process cache the caller."""
    services: Services = api.app.extensions["sluice"]
    while services.key_cache.get(api.key) is None:
        assert api.post("/batch/entities", [entity()]).status_code == 202
    return services


def jobs_of(pool: Pool, columns: str) -> list[tuple[object, ...]]:
    with transaction(pool) as conn:
        return conn.execute(f"SELECT {columns} FROM jobs ORDER BY id").fetchall()


@pytest.mark.parametrize(("close", "word"), CLOSED)
def test_section_1_a_key_that_was_closed_stores_nothing_and_is_401_though_it_is_cached(
    api: Api, pool: Pool, close: Callable[[Any, Api], None], word: str
) -> None:
    services = cached(api)
    before = jobs_of(pool, "id")
    with transaction(pool) as conn:
        close(conn, api)
    answer = api.post("/batch/entities", [entity()])
    refused(answer, 401, "UNAUTHORIZED", word)
    assert not any(name.startswith("RateLimit") for name, _ in answer.headers)
    assert services.key_cache.get(api.key) is None
    assert jobs_of(pool, "id") == before
    refused(api.post("/batch/entities", body=b"{"), 401, "UNAUTHORIZED", word)


def test_a_batch_of_a_cached_caller_is_stored_under_what_the_tenant_has_chosen_since(api: Api, pool: Pool) -> None:
    cached(api)
    template = {"name": "Other", "schema": {"entity_types": {"player": {}}}}
    assert api.put("/templates/tpl_other", template).status_code == 200
    assert api.put("/settings", {"templateId": "tpl_other", "batchWaitSeconds": 1}).status_code == 200
    assert api.post("/batch/entities", [entity()]).status_code == 202
    *_, (before, waited), (after, waits) = jobs_of(pool, "template_id, awaited")
    assert before != after
    assert (waited, waits) == (False, True)


def test_a_batch_that_is_stored_at_the_second_try_has_the_id_of_the_first(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(api)
    made: list[UUID] = []
    monkeypatch.setattr("app.batches.uuid7", lambda: made.append(uuid7()) or made[-1])
    with transaction(pool) as conn:
        conn.execute("UPDATE tenants SET name = 'Another' WHERE id = %s", (api.tenant.id,))
    assert api.post("/batch/entities", [entity()]).status_code == 202
    assert made == [jobs_of(pool, "id")[-1][0]]


def test_a_caller_without_a_template_is_not_cached(new_api: Callable[..., Api]) -> None:
    api = new_api(template=None)
    for _ in range(3):
        refused(api.post("/batch/entities", [entity()]), 400, "TEMPLATE_NOT_CONFIGURED")
    assert api.put("/settings", {"templateId": "tpl_igaming"}).status_code == 200
    assert api.post("/batch/entities", [entity()]).status_code == 202


def test_only_batches_let_a_cached_caller_in(api: Api, pool: Pool) -> None:
    cached(api)
    with transaction(pool) as conn:
        suspend_tenant(conn, api)
    for method, path in CALLS:
        if (method, path.rpartition("/")[0]) != ("POST", f"{BASE}/batch"):
            refused(api.call(method, path, base=""), 401, "UNAUTHORIZED", "suspended")


def test_the_cache_of_callers_is_bounded(api: Api) -> None:
    services = cached(api)
    caller = services.key_cache.get(api.key)
    assert caller
    for number in range(10_001):
        services.key_cache.store(str(number), caller)
    assert services.key_cache.get(api.key) is None
    assert services.key_cache.get("10000") == caller
