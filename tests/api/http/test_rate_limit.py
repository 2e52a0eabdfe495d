"""docs/contracts/operator.md section 9, and 429 as section 1 words it."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app import create_app
from app.http.rate_counter import RateCounter
from ingest.db.connection.pool import Pool, transaction
from ingest.settings import Settings
from tests.api.conftest import TIME, Api, data, refused
from tests.api.operator.test_scopes import calls
from tests.support.factories import entity, event, make_tenant, state


@contextmanager
def limited(settings: Settings, pool: Pool, **rates: str) -> Iterator[Callable[[], Api]]:
    """An app with rates of its own."""
    app = create_app(replace(settings, **rates))

    def new_api() -> Api:
        with transaction(pool) as conn:
            return Api(app, *make_tenant(conn))

    yield new_api
    app.extensions["sluice"].close()


def test_section_9_one_request_too_many_is_429(settings: Settings, pool: Pool) -> None:
    with limited(settings, pool, rate_batch="2/hour") as new_api:
        api = new_api()
        for _ in range(2):
            assert api.post("/batch/entities", [entity()]).status_code == 202
        before = datetime.now(UTC)
        answer = api.post("/batch/entities", [entity()])
        refused(answer, 429, "RATE_LIMITED", "ingest:batch")
        wait = int(answer.headers["Retry-After"])
        reset = answer.get_json()["resetAt"]
        assert 1 <= wait <= 3600
        assert answer.get_json()["error"]["resetAt"] == reset
        assert TIME.fullmatch(reset)
        assert abs(datetime.fromisoformat(reset) - before - timedelta(seconds=wait)) < timedelta(seconds=5)
        assert answer.headers["RateLimit"] == f'"ingest:batch";r=0;t={wait}'


def test_section_9_tenants_are_counted_apart(settings: Settings, pool: Pool) -> None:
    with limited(settings, pool, rate_read="1/hour") as new_api:
        first, second = new_api(), new_api()
        assert first.get("/settings").status_code == 200
        assert first.get("/settings").status_code == 429
        assert second.get("/settings").status_code == 200


CALLS: list[tuple[str, str, str, Any]] = [
    ("ingest:entities", "POST", "/entities", entity()),
    ("ingest:entities", "DELETE", "/entities/player_000001", None),
    ("ingest:events", "POST", "/entities/player_000001/events", {"eventType": "session", "data": {}}),
    ("ingest:states", "PUT", "/entities/player_000001/state/balance", 1),
    ("ingest:batch", "POST", "/batch/entities", [entity()]),
    ("ingest:batch", "POST", "/batch/events", [event()]),
    ("ingest:batch", "POST", "/batch/states", [state()]),
    ("read", "GET", "/entities/player_000001", None),
    ("read", "GET", "/entities/player_000001/events", None),
    ("read", "GET", "/entities/player_000001/state", None),
    ("read", "GET", "/batch/jobs/job_x", None),
    ("read", "GET", "/settings", None),
    ("settings", "PUT", "/settings", {}),
]


@pytest.mark.parametrize(("scope", "method", "path", "item"), CALLS)
def test_section_9_every_answer_says_its_scope_and_what_is_left(
    api: Api, scope: str, method: str, path: str, item: Any
) -> None:
    headers = [api.call(method, path, item).headers for _ in range(2)]
    left = []
    for sent in headers:
        assert re.fullmatch(rf'"{scope}";q=\d+;w=60', sent["RateLimit-Policy"])
        match = re.fullmatch(rf'"{scope}";r=(\d+);t=[1-9]\d*', sent["RateLimit"])
        assert match
        left.append(int(match[1]))
    assert left[0] - left[1] == 1


def test_section_9_a_refused_request_counts_and_says_so_too(settings: Settings, pool: Pool) -> None:
    with limited(settings, pool, rate_batch="2/hour") as new_api:
        api = new_api()
        answers = [api.post("/batch/entities", []) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [400, 400, 429]
        assert all("RateLimit-Policy" in answer.headers for answer in answers)


def test_section_9_without_redis_all_may_pass_and_one_line_says_so(
    settings: Settings, pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    with limited(settings, pool, rate_batch="1/hour", redis_url="redis://127.0.0.1:1/0") as new_api:
        api = new_api()
        answers = [api.post("/batch/entities", [entity()]) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [202] * 5
        assert answers[0].headers["RateLimit-Policy"] == '"ingest:batch";q=1;w=3600'
        assert "RateLimit" not in answers[0].headers
        assert capsys.readouterr().out.count("rate_limits_off") == 1
        assert data(api.get("/settings"))["batchWaitSeconds"] == 0


def test_a_redis_that_hangs_costs_one_short_wait_and_not_one_a_request(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits = RateCounter(replace(settings, redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        began = time.monotonic()
        for _ in range(100):
            assert limits.count(UUID(int=1), "read").passes
        assert time.monotonic() - began < 2


def counted(limits: RateCounter, times: int) -> int:
    """Return how many of `times` requests passed."""
    return sum(limits.count(UUID(int=1), "read").passes for _ in range(times))


def test_section_9_processes_that_tell_redis_of_several_requests_at_once_overrun_no_limit_by_more_than_that(
    settings: Settings,
) -> None:
    settings = replace(settings, rate_read="1000/day")
    processes = [RateCounter(settings), RateCounter(settings)]
    passed = sum(counted(process, 7) for _ in range(300) for process in processes)
    assert 1000 <= passed <= 1000 + 2 * 10
    assert [counted(process, 100) for process in processes] == [0, 0]


def test_section_9_what_a_process_let_pass_on_its_own_is_told_to_all(settings: Settings) -> None:
    settings = replace(settings, rate_read="1000/day")
    one, other = RateCounter(settings), RateCounter(settings)
    assert counted(one, 500) == 500
    verdict = other.count(UUID(int=1), "read")
    assert verdict.left is not None
    assert 499 <= verdict.left <= 499 + 10


def test_section_9_where_few_are_left_each_request_is_asked_for(settings: Settings) -> None:
    settings = replace(settings, rate_read="99/day")
    processes = [RateCounter(settings), RateCounter(settings)]
    lefts = [process.count(UUID(int=1), "read").left for _ in range(50) for process in processes]
    assert lefts == [*range(98, -1, -1), 0]


def test_each_write_that_takes_admin_has_the_rate_of_settings(settings: Settings, pool: Pool) -> None:
    """Keys, settings, templates and their checks, webhooks, their tests and replays: whatever there is, and will be."""
    with limited(settings, pool, rate_settings="1/hour") as new_api:
        api = new_api()
        assert api.put("/settings", {}).status_code == 200
        writes = [(method, path) for method, path, scopes in calls(api) if scopes == ["admin"] and method != "GET"]
        assert len(writes) >= 11
        for method, path in writes:
            refused(api.call(method, path, {}, base=""), 429, "RATE_LIMITED", '"settings"')
        assert api.get("/settings").status_code == 200
