"""contracts/operator.md section 1: whose key it is."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.db import keys, tenants
from ingest.db.pool import Pool, transaction
from tests.api.conftest import BASE, Api, refused
from tests.factories import entity

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


def test_section_1_a_key_of_the_public_face_opens_nothing_here(api: Api, pool: Pool) -> None:
    with transaction(pool) as conn:
        _, secret = keys.create(conn, api.tenant.id, "fm_live", "public")
    refused(api.get("/settings", key=secret), 401, "UNAUTHORIZED")


def close_key(conn: Any, api: Api) -> None:
    keys.create(conn, api.tenant.id, "oh_live", "another")
    assert keys.revoke(conn, api.tenant.id, keys.of_tenant(conn, api.tenant.id)[0].id)


def expire_key(conn: Any, api: Api) -> None:
    conn.execute("UPDATE api_keys SET expires_at = now() WHERE tenant_id = %s", (api.tenant.id,))


def suspend_tenant(conn: Any, api: Api) -> None:
    assert tenants.suspend(conn, api.tenant.public_id)


@pytest.mark.parametrize(
    ("close", "word"), [(close_key, "revoked"), (expire_key, "expired"), (suspend_tenant, "suspended")]
)
def test_section_1_a_closed_door_is_401_and_says_why(
    api: Api, pool: Pool, close: Callable[[Any, Api], None], word: str
) -> None:
    assert api.get("/settings").status_code == 200
    with transaction(pool) as conn:
        close(conn, api)
    refused(api.post("/batch/entities", [entity()]), 401, "UNAUTHORIZED", word)
