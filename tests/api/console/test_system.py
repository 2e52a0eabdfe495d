"""S6, what the installation stands on."""

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis
from click.testing import CliRunner
from flask import Flask
from limits import parse

from app.console.tallies import speed
from cli import main
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.db.verify import CHECKS
from ingest.notify import heartbeats
from ingest.notify.tallies import ITEMS, REFUSALS, Series
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import accept, entity


def test_an_operator_sees_the_lines_of_doctor(operator: Browser) -> None:
    said = text_of(operator.get("/system"))
    assert "ok database PostgreSQL" in said
    assert "ok migrations all are applied" in said
    assert "FAIL sweep it is not running: none is connected" in said
    assert "broker memory" in said
    assert "0 pending jobs" in said


def test_a_process_that_connects_is_seen(operator: Browser, observer: Connection) -> None:
    observer.execute("SET application_name = 'sluice-sweep'")
    assert "it is not running: none is connected" not in text_of(operator.get("/system")).partition("workers")[0]


def test_a_system_that_stands_as_the_page_shows_it_is_not_sent_again(operator: Browser) -> None:
    page = operator.get("/system").get_data(as_text=True)
    [address] = re.findall(r'hx-get="/console([^"]+)"', page)
    assert operator.get(address, live=True).status_code in {200, 304}  # its clock and memory may have moved


def test_an_idle_worker_is_seen(operator: Browser, broker: redis.Redis) -> None:
    assert "warn workers none runs Start workers" in text_of(operator.get("/system"))
    heartbeats.beat(broker, "a", 4)
    assert "ok workers 4 processes run" in text_of(operator.get("/system"))


def test_what_cannot_be_looked_at_in_time_is_told_beside_the_rest(operator: Browser, other: Connection) -> None:
    other.execute("LOCK TABLE webhooks IN ACCESS EXCLUSIVE MODE")
    said = text_of(operator.get("/system"))
    assert "webhook secrets it could not be looked at" in said
    assert "ok migrations" in said
    other.rollback()


def test_the_system_is_for_operators_alone(browser: Browser) -> None:
    assert browser.get("/system").status_code == 403
    assert browser.get("/system/live").status_code == 403


def _in_the_window_before(broker: redis.Redis, series: Series, count: int) -> None:
    """Count in the last window that has ended; if it is the one before by the time of the look, that is shown, too."""
    window = int(time.time()) // series.seconds
    broker.set(f"sluice:{series.name}:{window - 1}", count)


def test_items_a_second_are_a_line_and_a_sentence(operator: Browser, broker: redis.Redis) -> None:
    _in_the_window_before(broker, ITEMS, 6_000)
    page = operator.get("/system")
    told = "1,200 at most and 20 on average in the last five minutes"
    assert told in text_of(page)
    [label] = re.findall(r'<svg [^>]*role="img" aria-label="([^"]+)"', page.get_data(as_text=True))
    assert told in label
    [points] = re.findall(r'<polyline points="([^"]+)"', page.get_data(as_text=True))
    assert len(points.split()) == ITEMS.windows


def test_a_line_goes_up_with_the_speed_and_is_flat_where_nothing_runs() -> None:
    assert speed([0, 50, 100], 5) == (20.0, 20.0, 10.0, "0,40.0 1,20.0 2,0.0", 2, 40)
    assert speed([0, 0], 5) == (0.0, 0.0, 0.0, "0,40.0 1,40.0", 1, 40)


def test_workers_count_items_whether_metrics_are_on_or_not(
    broker: redis.Redis, pool: Pool, tenant: Tenant, run_jobs: Callable[[], int]
) -> None:
    with transaction(pool) as conn:
        accept(conn, tenant, "entities", [entity(1), entity(2), entity(3, entityType="nothing")])
        accept(conn, tenant, "entities", [entity(4)])
    run_jobs()
    while sum(int(broker.get(key) or 0) for key in broker.keys("sluice:items:*")) != 4:
        pass


def test_requests_that_a_rate_limit_refuses_are_told(
    operator: Browser, app: Flask, key: str, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Rate limits have refused no request in the last hour" in text_of(operator.get("/system"))
    counter = app.extensions["sluice"].rate_counter
    monkeypatch.setitem(counter._rates, "read", parse("1/minute"))
    client = app.test_client()
    answers = [
        client.get("/operator-data-api/batch/jobs", headers={"Authorization": f"Bearer {key}"}) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    while not broker.keys("sluice:refusals:*"):
        pass
    broker.flushdb()
    _in_the_window_before(broker, REFUSALS, 7)
    said = text_of(operator.get("/system"))
    assert "Rate limits have refused 7 requests in the last hour, 7 of them in the last five minutes" in said


def test_the_last_verify_is_told_with_its_time(
    operator: Browser, database_url: str, redis_url: str, observer: Connection, pool: Pool, tenant: Tenant
) -> None:
    assert "ok verify no run of `sluice verify` is known" in text_of(operator.get("/system"))
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    assert CliRunner().invoke(main, ["verify"], env=env).exit_code == 0
    said = text_of(operator.get("/system"))
    assert re.search(rf"ok verify {len(CHECKS)} checks of what is stored found nothing wrong, \d{{4}}-.* UTC", said)
    with transaction(pool) as conn:
        accept(conn, tenant, "entities", [entity()])
    observer.execute("UPDATE jobs SET blocks_open = 2")
    assert CliRunner().invoke(main, ["verify", "--json"], env=env).exit_code == 1
    said = text_of(operator.get("/system"))
    assert f"FAIL verify 1 of {len(CHECKS)} checks found something wrong (job_blocks_open)" in said


def test_a_broker_that_is_away_is_told_beside_the_rest(operator: Browser, app: Flask) -> None:
    services = app.extensions["sluice"]
    services.settings = replace(services.settings, redis_url="redis://127.0.0.1:1/0")
    said = text_of(operator.get("/system"))
    assert "the broker, which counts them, does not answer" in said
    assert "warn workers how many run is not known" in said
    assert "warn verify its last run could not be looked up" in said
    assert "ok database" in said
