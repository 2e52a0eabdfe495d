"""Keys that open nothing are slowed by address, and good ones are not (docs/contracts/operator.md section 9)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from app import create_app
from app.http import rate_counter
from app.http.services import Services
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import key_changes, keys
from ingest.settings import Settings
from tests.api.conftest import Api, refused
from tests.api.operator.test_scopes import key_of
from tests.support.factories import entity

UNKNOWN = "oh_live_" + "0" * 64
_NOWHERE = "redis://127.0.0.1:1/0"


@contextmanager
def slowing(settings: Settings, api: Api, **changes: Any) -> Iterator[Api]:
    """Lend a client of an app that takes two wrong keys an hour, and believes this machine's proxies."""
    made = create_app(replace(settings, rate_wrong_keys="2/hour", trusted_proxies="127.0.0.1", **changes))
    yield Api(made, api.tenant, api.key)
    services: Services = made.extensions["sluice"]
    services.close()


@pytest.mark.parametrize("changes", [{}, {"redis_url": _NOWHERE}], ids=["redis", "redis away"])
def test_too_many_wrong_keys_of_an_address_wait_and_good_ones_do_not(
    settings: Settings, api: Api, pool: Pool, changes: dict[str, str]
) -> None:
    other = key_of(pool, api)
    with slowing(settings, api, **changes) as slow:
        here = {"X_Forwarded_For": "198.51.100.7"}
        for wrong in (UNKNOWN, "oh_live_x"):
            refused(slow.get("/settings", key=wrong, **here), 401, "UNAUTHORIZED")
        for _ in range(2):
            answer = slow.get("/settings", key=UNKNOWN, **here)
            refused(answer, 429, "RATE_LIMITED", "Too many wrong keys")
            assert 1 <= int(answer.headers["Retry-After"]) <= 3600
            assert answer.get_json()["resetAt"]
        for good in (slow.key, other):
            assert slow.get("/settings", key=good, **here).status_code == 200
        refused(slow.get("/settings", key=None, **here), 401, "UNAUTHORIZED")
        refused(slow.get("/settings", key=UNKNOWN, X_Forwarded_For="198.51.100.8"), 401, "UNAUTHORIZED")


def test_a_cached_key_that_was_revoked_is_slowed_and_sees_no_limit_of_its_tenant(
    settings: Settings, api: Api, pool: Pool
) -> None:
    with slowing(settings, api) as slow:
        services: Services = slow.app.extensions["sluice"]
        while services.key_cache.get(api.key) is None:
            assert slow.post("/batch/entities", [entity()]).status_code == 202
        with transaction(pool) as conn:
            [key] = keys.of_tenant(conn, api.tenant.id)
            keys.create(conn, api.tenant.id, "oh_live", "x")
            assert key_changes.revoke(conn, api.tenant.id, key.id)
        for _ in range(2):
            slow.get("/settings", key=UNKNOWN)
        answer = slow.post("/batch/entities", [entity()])
        refused(answer, 429, "RATE_LIMITED", "Too many wrong keys")
        assert not any(name.startswith("RateLimit") for name, _ in answer.headers)


def test_all_addresses_of_one_client_of_ipv6_count_together(settings: Settings, api: Api) -> None:
    with slowing(settings, api) as slow:

        def status(address: str) -> int:
            return slow.get("/settings", key=UNKNOWN, X_Forwarded_For=address).status_code

        assert [status(f"2001:db8:0:1::{number}") for number in (1, 2, 3)] == [401, 401, 429]
        assert status("2001:db8:0:2::1") == 401


def test_wrong_keys_of_the_public_api_are_slowed_too(settings: Settings, api: Api) -> None:
    with slowing(settings, api) as slow:

        def status(key: str) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "198.51.100.9"}
            answer = slow.app.test_client().get("/v1/health", headers=headers)
            return answer.status_code, answer.get_json()["detail"]

        assert [status(key)[0] for key in ("fm_live_" + "0" * 32, "fm_live_x")] == [401, 401]
        assert status("sk_live_x") == (429, "Rate limit exceeded")


def test_a_process_remembers_a_bounded_number_of_addresses(
    settings: Settings, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_counter, "_MOST_SOURCES", 3)
    with slowing(settings, api, redis_url=_NOWHERE) as slow:
        services: Services = slow.app.extensions["sluice"]
        count: Callable[[str], object] = services.rate_counter.count_wrong_key
        for number in range(10):
            count(f"198.51.100.{number}")
            assert len(services.rate_counter._wrong_keys._counts) <= 3  # it is what is bounded
