"""S5, an entity: numbers to the digit, and personal data hidden until somebody asks for a field of it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from ingest import ids
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobOptions
from ingest.rights import READ
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import accept, entity, event, make_tenant, state

_EXACT = b"""[{"entityType": "player", "externalId": "player_000001", "data":
{"email": "ada@example.com", "vip_level": 145.50, "huge": 1234567890123456789012345678901234567890, "none": null}}]"""


@pytest.fixture
def stored(pool: Pool, tenant: Tenant, run_jobs: Callable[[], int]) -> None:
    """player_000001 is there, with a state and an event."""

    def store(kind: str, items: Any, **options: Any) -> None:
        with transaction(pool) as conn:
            accept(conn, tenant, kind, items, **options)
        run_jobs()

    store("entities", _EXACT, sealed=True)
    store("states", [state(1, value=7.10)])
    store("events", [event(1)])


@pytest.mark.usefixtures("stored")
def test_an_entity_is_shown_with_numbers_to_the_digit(browser: Browser) -> None:
    said = text_of(browser.get("/entities?id=player_000001"))
    assert "vip_level 145.50" in said
    assert "huge 1234567890123456789012345678901234567890" in said
    assert "none null" in said
    assert "balance 7.1" in said
    assert "transaction" in said


@pytest.mark.usefixtures("stored")
def test_personal_data_is_hidden_until_somebody_asks_for_a_field(browser: Browser, observer: Connection) -> None:
    page = browser.get("/entities?id=player_000001")
    assert "ada@example.com" not in page.get_data(as_text=True)
    assert observer.execute("SELECT FROM audit_log").rowcount == 0
    shown = browser.post("/entities/reveal", {"id": "player_000001", "field": "email"})
    assert "email ada@example.com" in text_of(shown)
    [row] = observer.execute("SELECT action, actor_kind, actor_label, object_id, details FROM audit_log").fetchall()
    assert row == ("person.read", "key", "test", "player_000001", {"fields": ["email"]})


@pytest.mark.usefixtures("stored")
def test_a_look_of_an_operator_names_the_user_in_the_audit_log(
    operator: Browser, tenant: Tenant, observer: Connection
) -> None:
    form = {"id": "player_000001", "field": "email", "tenant": str(tenant.public_id)}
    assert "ada@example.com" in text_of(operator.post("/entities/reveal", form))
    [row] = observer.execute("SELECT actor_kind, actor_id, actor_label FROM audit_log").fetchall()
    assert row == ("command", "root", "sluice console")


@pytest.mark.usefixtures("stored")
def test_a_field_that_is_no_personal_data_is_not_revealed(browser: Browser, observer: Connection) -> None:
    for field in ("vip_level", "nothing", ""):
        assert browser.post("/entities/reveal", {"id": "player_000001", "field": field}).status_code == 404
    assert observer.execute("SELECT FROM audit_log").rowcount == 0


@pytest.mark.usefixtures("stored")
def test_a_reader_may_not_see_personal_data(new_browser: Callable[[], Browser], key_of: Callable[..., str]) -> None:
    reader = new_browser().log_in(key_of(READ))
    assert "personal data, for admins" in text_of(reader.get("/entities?id=player_000001"))
    assert reader.post("/entities/reveal", {"id": "player_000001", "field": "email"}).status_code == 403


def test_an_entity_that_is_not_there_is_told_so(browser: Browser) -> None:
    answer = browser.get("/entities?id=nobody")
    assert answer.status_code == 404
    assert "No entity has this id" in text_of(answer)


def test_an_operator_picks_a_tenant_first(operator: Browser, tenant: Tenant) -> None:
    page = operator.get("/entities?id=player_1")
    assert "Which tenant?" in text_of(page)
    assert f"id=player_1&amp;tenant={tenant.public_id}" in page.get_data(as_text=True)


@pytest.mark.usefixtures("stored")
def test_no_entity_of_another_tenant_is_found(new_browser: Callable[[], Browser], pool: Pool) -> None:
    with transaction(pool) as conn:
        _, key = make_tenant(conn, name="Stranger")
    assert new_browser().log_in(key).get("/entities?id=player_000001").status_code == 404


def test_the_texts_of_an_entity_are_text(
    browser: Browser, pool: Pool, tenant: Tenant, run_jobs: Callable[[], int]
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    with transaction(pool) as conn:
        accept(conn, tenant, "entities", [entity(externalId=evil, data={"email": "x", evil: evil})], sealed=True)
    run_jobs()
    page = browser.get("/entities?id=%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E")
    assert page.status_code == 200
    assert "<img" not in page.get_data(as_text=True)


def _writers(browser: Browser) -> str:
    page = browser.get("/entities?id=player_000001").get_data(as_text=True)
    [found] = re.findall(r'<dd id="writers">(.*?)</dd>', page)
    return str(found)


@pytest.fixture
def submit(pool: Pool, tenant: Tenant) -> Callable[..., str]:
    def store(*items: Any, kind: str = "entities", **overrides: Any) -> str:
        with transaction(pool) as conn:
            return ids.spell(ids.JOB, accept(conn, tenant, kind, list(items), **overrides))

    return store


def test_the_job_that_wrote_an_entity_last_is_named(
    browser: Browser, submit: Callable[..., str], run_jobs: Callable[[], int]
) -> None:
    first = submit(entity(1), entity(2), block_items=1)
    run_jobs()
    assert _writers(browser) == f'<a href="/console/jobs/{first}">{first}</a>'
    for change in (
        lambda: submit(entity(1, data={"email": "new@example.com"})),
        lambda: submit(*(entity(number, data={"email": f"{number}@example.com"}) for number in range(1, 4))),
    ):
        job = change()
        submit(entity(2, data={"email": "other@example.com"}))
        run_jobs()
        assert _writers(browser) == f'<a href="/console/jobs/{job}">{job}</a>'


def test_a_job_that_changed_nothing_and_a_dry_run_are_no_writers(
    browser: Browser, submit: Callable[..., str], run_jobs: Callable[[], int]
) -> None:
    job = submit(entity(1))
    run_jobs()
    submit(entity(1))
    submit(entity(1, data={"email": "dry@example.com"}), options=JobOptions(validate_only=True))
    submit(event(1), kind="events")
    run_jobs()
    assert job in _writers(browser)
    assert _writers(browser).count("href") == 1


def test_jobs_that_were_run_together_are_all_named(
    browser: Browser, submit: Callable[..., str], run_jobs: Callable[[], int], observer: Connection
) -> None:
    jobs = [submit(entity(1)), submit(entity(2))]
    run_jobs()
    observer.execute(
        "UPDATE job_blocks SET written_at = (SELECT updated_at FROM entities ORDER BY external_id LIMIT 1)"
    )
    observer.execute("UPDATE jobs SET started_at = now() - interval '1 hour', ended_at = now()")
    said = _writers(browser)
    assert said.startswith("one of 2 small jobs that were run together: ")
    assert all(job in said for job in jobs)


def test_an_entity_that_a_single_call_wrote_has_no_job(browser: Browser, app: Flask, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert app.test_client().post("/operator-data-api/entities", json=entity(1), headers=headers).status_code == 201
    assert "no job that is known: a single call wrote it" in _writers(browser)
