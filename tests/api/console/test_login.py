"""Sessions of the console: who gets one, for how long, and what ends it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Flask

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import key_changes, keys, sessions, tenants
from ingest.db.tenants.tenants import Tenant
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import make_tenant

NewBrowser = Callable[[], Browser]


def _cookie(browser: Browser, key: str) -> str:
    return browser.post("/login", {"key": key}).headers["Set-Cookie"]


def test_a_page_without_a_session_leads_to_the_login_and_back(new_browser: NewBrowser, key: str) -> None:
    browser = new_browser()
    answer = browser.get("/jobs?state=failed")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/console/login?next=%2Fconsole%2Fjobs%3Fstate%3Dfailed"
    sent = browser.post("/login", {"key": key, "next": "/console/jobs?state=failed"})
    assert sent.headers["Location"] == "/console/jobs?state=failed"
    assert browser.get("/jobs?state=failed").status_code == 200


def test_a_login_never_leads_to_another_site(new_browser: NewBrowser, key: str) -> None:
    for address in ("https://evil.example/console/", "//evil.example/console/jobs", "/openapi.json", "/console"):
        answer = new_browser().post("/login", {"key": key, "next": address})
        assert answer.headers["Location"] == "/console/jobs"


def test_the_cookie_is_for_the_console_alone_and_for_no_script(new_browser: NewBrowser, key: str) -> None:
    cookie = _cookie(new_browser(), key)
    for word in ("HttpOnly", "SameSite=Strict", "Path=/console", "Max-Age=43200"):
        assert word in cookie
    assert "Secure" not in cookie


def test_the_cookie_is_secure_where_the_browser_came_by_tls(new_browser: NewBrowser, key: str) -> None:
    for headers in ({"Origin": "https://localhost"}, {"Origin": "http://localhost", "X_Forwarded_Proto": "https"}):
        assert "Secure" in new_browser().post("/login", {"key": key}, **headers).headers["Set-Cookie"]


def test_the_database_holds_no_secret_of_a_session(new_browser: NewBrowser, key: str, observer: Connection) -> None:
    secret = _cookie(new_browser(), key).partition("=")[2].partition(";")[0]
    [(row,)] = observer.execute("SELECT s::text || encode(hash, 'escape') FROM console_sessions s").fetchall()
    assert secret not in str(row)
    assert observer.execute("SELECT FROM console_sessions WHERE hash = %s", (keys.digest(secret),)).rowcount == 1


def test_a_wrong_key_is_told_so_and_gets_no_session(new_browser: NewBrowser) -> None:
    browser = new_browser()
    for key in ("", "hunter2", f"oh_live_{'0' * 64}"):
        answer = browser.post("/login", {"key": key})
        assert answer.status_code == 401
        assert "key" in text_of(answer)
        assert "Set-Cookie" not in answer.headers


def test_a_key_that_may_not_read_gets_no_session(new_browser: NewBrowser, key_of: Callable[..., str]) -> None:
    answer = new_browser().post("/login", {"key": key_of("write")})
    assert answer.status_code == 401
    assert "may not read" in text_of(answer)


def test_revoking_its_key_ends_a_session(browser: Browser, pool: Pool, tenant: Tenant) -> None:
    assert browser.get("/jobs").status_code == 200
    with transaction(pool) as conn:
        keys.create(conn, tenant.id, "oh_live", "another")
        [used, _] = keys.of_tenant(conn, tenant.id)
        assert key_changes.revoke(conn, tenant.id, used.id)
    assert browser.get("/jobs").status_code == 303


def test_suspending_its_tenant_ends_a_session(browser: Browser, pool: Pool, tenant: Tenant) -> None:
    with transaction(pool) as conn:
        assert tenants.suspend(conn, tenant.public_id)
    assert browser.get("/jobs").status_code == 303


def test_an_expired_key_ends_a_session(browser: Browser, observer: Connection) -> None:
    observer.execute("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    assert browser.get("/jobs").status_code == 303


def test_a_session_ends_after_twelve_hours(browser: Browser, observer: Connection) -> None:
    observer.execute("UPDATE console_sessions SET expires_at = expires_at - interval '12 hours'")
    assert browser.get("/jobs").status_code == 303


def test_a_logout_ends_the_session_on_the_server_too(browser: Browser, observer: Connection) -> None:
    assert browser.post("/logout").headers["Location"] == "/console/login"
    assert observer.execute("SELECT FROM console_sessions").rowcount == 0
    assert browser.get("/jobs").status_code == 303


def test_a_one_time_address_lets_one_browser_in_once(new_browser: NewBrowser, pool: Pool) -> None:
    with transaction(pool) as conn:
        once = sessions.offer(conn, "root")
    asked = new_browser().get(f"/login?once={once}")
    assert "Open the console" in text_of(asked)  # a program that looks at links uses nothing up
    assert new_browser().post("/login", {"once": once}).status_code == 303
    assert new_browser().post("/login", {"once": once}).status_code == 401


def test_a_one_time_address_is_no_session_and_lasts_a_minute(
    app: Flask, new_browser: NewBrowser, pool: Pool, observer: Connection
) -> None:
    with transaction(pool) as conn:
        once = sessions.offer(conn, "root")
    client = app.test_client()
    client.set_cookie("sluice_console", once, path="/console")
    assert client.get("/console/jobs").status_code == 303
    [(until,)] = observer.execute("SELECT expires_at FROM console_sessions").fetchall()
    assert until <= datetime.now(UTC) + timedelta(seconds=60)  # type: ignore[operator] # a timestamptz
    observer.execute("UPDATE console_sessions SET expires_at = now()")
    answer = new_browser().post("/login", {"once": once})
    assert answer.status_code == 401
    assert "sluice console" in text_of(answer)


def test_the_secret_of_a_session_is_no_one_time_address(new_browser: NewBrowser, key: str) -> None:
    secret = _cookie(new_browser(), key).partition("=")[2].partition(";")[0]
    assert new_browser().post("/login", {"once": secret}).status_code == 401


def test_a_key_keeps_a_hundred_sessions_and_no_more(
    new_browser: NewBrowser, key: str, pool: Pool, observer: Connection
) -> None:
    first = new_browser().log_in(key)
    with transaction(pool) as conn:
        caller = keys.caller(conn, key)
        assert caller is not None
        for _ in range(sessions.MOST_OF_KEY):
            sessions.begin(conn, caller)
    assert observer.execute("SELECT FROM console_sessions").rowcount == sessions.MOST_OF_KEY
    assert first.get("/jobs").status_code == 303


def test_a_form_of_another_site_is_refused(browser: Browser, new_browser: NewBrowser, key: str) -> None:
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none", "Origin": "http://localhost"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Accept": "*/*"},
    ):
        assert browser.post("/logout", **headers).status_code == 403
        assert new_browser().post("/login", {"key": key}, **headers).status_code == 403
    assert browser.get("/jobs").status_code == 200


def test_a_browser_that_names_only_the_origin_is_believed(browser: Browser) -> None:
    assert browser.post("/logout", Origin="http://localhost").status_code == 303


def test_the_api_takes_no_cookie_and_the_console_no_key(app: Flask, browser: Browser, key: str) -> None:
    assert browser.get("/jobs").status_code == 200
    api = browser._client.get("/operator-data-api/batch/jobs")
    assert api.status_code == 401
    page = app.test_client().get("/console/jobs", headers={"Authorization": f"Bearer {key}"})
    assert page.status_code == 303


def test_a_session_of_a_key_sees_its_tenant_alone(
    new_browser: NewBrowser, browser: Browser, operator: Browser, pool: Pool
) -> None:
    with transaction(pool) as conn:
        other, other_key = make_tenant(conn, name="Other & Sons")
    assert "Other & Sons" in text_of(new_browser().log_in(other_key).get("/jobs"))
    for page in (browser.get("/jobs"), browser.get(f"/jobs?tenant={other.public_id}")):
        assert "Other & Sons" not in text_of(page)
    assert "Other & Sons" in text_of(operator.get(f"/jobs?tenant={other.public_id}"))


def test_expired_sessions_are_purged_a_bounded_number_a_round(pool: Pool, observer: Connection) -> None:
    with transaction(pool) as conn:
        for _ in range(3):
            sessions.offer(conn, "root")
    with transaction(pool) as conn:
        assert sessions.purge(conn, limit=2) == 0
    observer.execute("UPDATE console_sessions SET expires_at = now() - interval '1 second'")
    with transaction(pool) as conn:
        assert [sessions.purge(conn, limit=2) for _ in range(3)] == [2, 1, 0]
