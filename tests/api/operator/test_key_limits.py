"""Keys that are bound to addresses, or have a limit of their own (docs/contracts/operator.md sections 8 and 9)."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import key_changes, keys
from ingest.settings import Settings
from tests.api.conftest import Api, refused
from tests.api.operator.test_scopes import key_of
from tests.support.factories import entity

LOCAL, REMOTE = ip_network("127.0.0.0/8"), ip_network("203.0.113.0/24")


def test_a_key_opens_nothing_from_elsewhere_and_looks_unknown_there(
    api: Api, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert api.get("/settings", key=key_of(pool, api, addresses=[REMOTE, LOCAL])).status_code == 200
    elsewhere = key_of(pool, api, addresses=[REMOTE])
    message = refused(api.get("/settings", key=elsewhere), 401, "UNAUTHORIZED")
    assert message == refused(api.get("/settings", key="oh_live_" + "0" * 64), 401, "UNAUTHORIZED")
    spoofed = api.get("/settings", key=elsewhere, X_Forwarded_For="203.0.113.7")
    refused(spoofed, 401, "UNAUTHORIZED")
    assert "key_used_from_elsewhere" in capsys.readouterr().out


def test_a_trusted_proxy_says_where_a_key_is_used_from(settings: Settings, api: Api, pool: Pool) -> None:
    made = create_app(replace(settings, trusted_proxies="127.0.0.1"))
    behind = Api(made, api.tenant, key_of(pool, api, addresses=[REMOTE]))
    assert behind.get("/settings", X_Forwarded_For="203.0.113.7").status_code == 200
    refused(behind.get("/settings", X_Forwarded_For="203.0.113.7, 198.51.100.1"), 401, "UNAUTHORIZED")
    refused(behind.get("/settings"), 401, "UNAUTHORIZED")
    services: Services = made.extensions["sluice"]
    services.close()


def cache(api: Api, key: str, **headers: str) -> None:
    services: Services = api.app.extensions["sluice"]
    while services.key_cache.get(key) is None:
        assert api.post("/batch/entities", [entity()], key=key, **headers).status_code == 202


def test_a_cached_key_stores_nothing_from_elsewhere(settings: Settings, api: Api, pool: Pool) -> None:
    made = create_app(replace(settings, trusted_proxies="127.0.0.1"))
    behind = Api(made, api.tenant, key_of(pool, api, addresses=[REMOTE]))
    cache(behind, behind.key, X_Forwarded_For="203.0.113.7")
    refused(behind.post("/batch/entities", [entity()], X_Forwarded_For="198.51.100.1"), 401, "UNAUTHORIZED", "Unknown")
    assert behind.post("/batch/entities", [entity()], X_Forwarded_For="203.0.113.8").status_code == 202
    services: Services = made.extensions["sluice"]
    services.close()


def test_a_cached_key_is_held_to_the_addresses_that_it_has_now(api: Api, pool: Pool) -> None:
    key = key_of(pool, api)
    cache(api, key)

    def bind(*networks: Any) -> None:
        with transaction(pool) as conn:
            made = keys.of_tenant(conn, api.tenant.id)[-1]
            key_changes.change(conn, api.tenant.id, made.id, {"addresses": networks})

    bind(REMOTE)
    refused(api.post("/batch/entities", [entity()], key=key), 401, "UNAUTHORIZED", "Unknown")
    bind(LOCAL)
    cache(api, key)
    with transaction(pool) as conn:
        caller = keys.caller(conn, key)
    assert caller
    services: Services = api.app.extensions["sluice"]
    services.key_cache.store(key, replace(caller, addresses=[REMOTE]))
    assert api.post("/batch/entities", [entity()], key=key).status_code == 202


def test_a_key_with_a_limit_of_its_own_is_counted_by_itself(api: Api, pool: Pool) -> None:
    key, other = (key_of(pool, api, requests_per_minute=2) for _ in range(2))
    first = api.get("/settings", key=key)
    assert first.headers["RateLimit-Policy"] == '"key";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"key";r=1;')
    assert api.post("/batch/entities", [entity()], key=key).status_code == 202
    answer = api.get("/settings", key=key)
    refused(answer, 429, "RATE_LIMITED", 'More than 2 requests in 60 seconds under "key"')
    assert int(answer.headers["Retry-After"]) >= 1
    assert api.get("/settings", key=other).status_code == 200
    assert api.get("/settings").headers["RateLimit-Policy"].startswith('"read"')


def test_a_key_over_its_own_limit_takes_nothing_of_its_tenants(settings: Settings, api: Api, pool: Pool) -> None:
    made = create_app(replace(settings, rate_read="10/minute"))
    narrow = Api(made, api.tenant, key_of(pool, api, requests_per_minute=1))
    assert [narrow.get("/capabilities").status_code for _ in range(4)] == [200, 429, 429, 429]
    assert narrow.get("/capabilities", key=api.key).headers["RateLimit"].startswith('"read";r=8;')
    services: Services = made.extensions["sluice"]
    services.close()


def test_the_limit_of_the_tenant_holds_for_a_key_with_a_larger_one(
    settings: Settings, new_api: Callable[..., Api], pool: Pool
) -> None:
    made = create_app(replace(settings, rate_read="1/minute"))
    tenant = new_api().tenant
    narrow = Api(made, tenant, "")
    narrow.key = key_of(pool, narrow, requests_per_minute=1000)
    assert narrow.get("/settings").headers["RateLimit-Policy"].startswith('"read"')
    refused(narrow.get("/settings"), 429, "RATE_LIMITED", '"read"')
    services: Services = made.extensions["sluice"]
    services.close()
