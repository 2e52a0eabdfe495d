"""The console beside a database whose role may build no wall between tenants: its own questions whose a row is hold."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import keys
from ingest.db.tenants.tenants import Tenant
from ingest.ids import JOB, spell
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import accept, entity, make_tenant

_TABLES = ("api_keys", "job_blocks", "jobs")


@pytest.fixture(autouse=True)
def _no_wall(observer: Connection) -> Iterator[None]:
    for table in _TABLES:
        observer.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
    yield
    for table in _TABLES:
        observer.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())


@pytest.fixture
def stranger(pool: Pool) -> Tenant:
    with transaction(pool) as conn:
        return make_tenant(conn, name="Stranger")[0]


@pytest.fixture
def job(pool: Pool, stranger: Tenant) -> str:
    """A job of the stranger's, which waits."""
    with transaction(pool) as conn:
        return spell(JOB, accept(conn, stranger, "entities", [entity()]))


def test_rows_that_a_page_asks_for_are_those_of_its_tenant(browser: Browser, operator: Browser, job: str) -> None:
    assert job not in browser.get(f"/jobs/live?rows={job}", live=True).get_data(as_text=True)
    assert job in operator.get(f"/jobs/live?rows={job}", live=True).get_data(as_text=True)
    assert job not in browser.get("/jobs").get_data(as_text=True)


def test_a_job_that_is_ticked_is_one_of_its_tenant(browser: Browser, job: str, observer: Connection) -> None:
    nobodys = f"job_{'0' * 32}"
    told = text_of(browser.post("/jobs/bulk", {"do": "cancel", "job": [job, nobodys], "confirmed": "1"}))
    assert "0 done 2 could not be:" in told
    assert f"{job}: There is no job" in told
    assert f"{nobodys}: There is no job" in told
    assert observer.execute("SELECT status FROM jobs").fetchall() == [("pending",)]


def test_a_key_that_another_takes_over_from_is_one_of_its_tenant(
    browser: Browser, stranger: Tenant, pool: Pool, observer: Connection
) -> None:
    with transaction(pool) as conn:
        [key] = keys.of_tenant(conn, stranger.id)
    for path, form in (("/keys/rotate", {"key": str(key.id), "hours": "1"}), (f"/keys/{key.id}/revoke", {})):
        assert browser.post(path, {**form, "confirmed": "1"}).status_code == 404
    assert observer.execute("SELECT FROM api_keys").rowcount == 2


def test_the_page_of_a_job_is_its_tenants(browser: Browser, job: str) -> None:
    for path in ("", "/live", "/raw", "/stream", "/errors", "/errors.ndjson"):
        assert browser.get(f"/jobs/{job}{path}").status_code == 404
    for path in ("cancel", "pause", "label", "errors"):
        assert browser.post(f"/jobs/{job}/{path}", {"confirmed": "1"}).status_code == 404


def test_a_job_of_another_tenant_is_never_said_to_have_written_an_entity(
    browser: Browser, app: Flask, key: str, job: str, run_jobs: Callable[[], int], observer: Connection
) -> None:
    run_jobs()
    headers = {"Authorization": f"Bearer {key}"}
    assert app.test_client().post("/operator-data-api/entities", json=entity(), headers=headers).status_code == 201
    moment = "(SELECT max(updated_at) FROM entities)"
    observer.execute(f"UPDATE job_blocks SET written_at = {moment}".encode())
    observer.execute(f"UPDATE jobs SET started_at = {moment}, ended_at = {moment}".encode())
    page = text_of(browser.get(f"/entities?id={entity()['externalId']}"))
    assert "no job that is known" in page
    assert job not in page
