"""Rights are judged on the server: a visitor that may only look gets 403 wherever something would change."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.console import access
from app.console.pages import BASE
from app.http.services import attach
from ingest.db.connection.pool import Connection, transaction
from ingest.errors import TryAgain
from ingest.rights import ADMIN, ANY, READ, SCOPES, WRITE
from ingest.settings import Settings
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import make_settings

NewBrowser = Callable[[], Browser]

_JOB = f"job_{'0' * 32}"


def _posts(app: Flask) -> dict[str, str]:
    """Each address that takes a form of a session, with the scope that its view names."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(f"{BASE}/") and "POST" in (rule.methods or ()):
            scope = access.scope_of(app.view_functions[rule.endpoint], "POST")
            path = app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, _JOB))
            found[path.removeprefix(BASE)] = scope
    return found


def test_a_reader_gets_403_at_every_form(app: Flask, new_browser: NewBrowser, key_of: Callable[..., str]) -> None:
    reader = new_browser().log_in(key_of(READ))
    forms = [path for path, scope in _posts(app).items() if scope not in {ANY, access.OPEN}]
    assert len(forms) > 6
    for path in forms:
        answer = reader.post(path, {"confirmed": "1"})
        assert answer.status_code == 403, path
        assert "scope" in text_of(answer)


def test_a_writer_gets_403_at_every_form_of_administration(
    app: Flask, new_browser: NewBrowser, key_of: Callable[..., str]
) -> None:
    writer = new_browser().log_in(key_of(READ, WRITE))
    for path, scope in _posts(app).items():
        if scope == ADMIN:
            assert writer.post(path, {"confirmed": "1"}).status_code == 403, path


def test_a_form_without_a_scope_of_its_own_takes_admin() -> None:
    assert access.scope_of(lambda: None, "POST") == ADMIN
    assert access.scope_of(lambda: None, "GET") == READ


def test_every_form_without_a_session_leads_to_the_login(app: Flask, new_browser: NewBrowser) -> None:
    for path, scope in _posts(app).items():
        if scope != access.OPEN:
            assert new_browser().post(path).headers["Location"].startswith("/console/login"), path


def test_a_reader_sees_no_button_that_would_be_refused(new_browser: NewBrowser, key_of: Callable[..., str]) -> None:
    reader = new_browser().log_in(key_of(READ))
    assert "Cancel" not in text_of(reader.get("/jobs"))


@pytest.fixture
def read_only(app: Flask, settings: Settings) -> Flask:
    app.extensions["sluice"].close()
    attach(app, make_settings(settings.database_url, settings.redis_url, console="read-only"))
    return app


def test_a_console_for_reading_refuses_every_form_but_the_logout(read_only: Flask, key: str) -> None:
    browser = Browser(read_only).log_in(key)
    for path, scope in _posts(read_only).items():
        if scope in SCOPES:
            answer = browser.post(path, {"confirmed": "1"})
            assert answer.status_code == 403, path
            assert "reading only" in text_of(answer)
    assert "read only" in text_of(browser.get("/jobs"))
    assert browser.post("/logout").status_code == 303


def test_what_takes_too_long_says_so_and_the_rest_is_there(browser: Browser, other: Connection) -> None:
    other.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    answer = browser.get("/jobs")
    assert answer.status_code == 200
    said = text_of(answer)
    assert "The list is too slow to say" in said
    assert "Find a job" in said
    other.rollback()
    assert "too slow" not in text_of(browser.get("/jobs"))


def test_no_statement_of_the_console_takes_longer_than_half_a_second(app: Flask) -> None:
    pool = app.extensions["sluice"].console_pool(None)
    with pytest.raises(TryAgain), transaction(pool) as conn:
        conn.execute("SELECT pg_sleep(1)")
