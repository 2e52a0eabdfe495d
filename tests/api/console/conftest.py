"""A browser without a screen: it keeps the cookie, sends forms, and holds every page to its headers."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from app.console.pages import POLICY
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys, sessions
from ingest.db.tenants.tenants import Tenant
from ingest.rights import Rights
from tests.support.factories import make_tenant


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of(response: TestResponse) -> str:
    """Return what a page says, without its markup."""
    parser = _Text()
    parser.feed(response.get_data(as_text=True))
    return " ".join(" ".join(parser.texts).split())


class Browser:
    """A browser at the console."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def get(self, path: str, *, live: bool = False) -> TestResponse:
        """Open a page below `/console`, or ask for a part of it as the script does."""
        return self._held(self._client.get(f"/console{path}", headers={"HX-Request": "true"} if live else {}))

    def post(self, path: str, form: Any = None, **headers: str) -> TestResponse:
        """Send a form as a page of the console does; the headers are instead of those that a browser adds."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} or {"Sec-Fetch-Site": "same-origin"}
        return self._held(self._client.post(f"/console{path}", data=MultiDict(form or {}), headers=sent))

    def send(self, path: str, **form: Any) -> TestResponse:
        """Send a form and say yes; return the page that comes then."""
        return self.get_after(path, form)

    def get_after(self, path: str, form: Any) -> TestResponse:
        """Likewise, of fields of any names."""
        answer = self.post(path, {**form, "confirmed": "1"})
        assert answer.status_code == 303, text_of(answer)
        return self.get(answer.headers["Location"].removeprefix("/console"))

    def log_in(self, key: str) -> "Browser":
        """Log in by a key."""
        assert self.post("/login", {"key": key}).status_code == 303
        return self

    def _held(self, response: TestResponse) -> TestResponse:
        assert response.headers["Content-Security-Policy"] == POLICY
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers.getlist("Referrer-Policy") in (["same-origin"], [])
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        if "/static/" not in response.request.path:
            assert response.headers["Cache-Control"] == "no-store"
        return response


@pytest.fixture
def new_browser(app: Flask) -> Callable[[], Browser]:
    return lambda: Browser(app)


@pytest.fixture
def owned(pool: Pool) -> tuple[Tenant, str]:
    """A tenant and an operator key of its own."""
    with transaction(pool) as conn:
        return make_tenant(conn)


@pytest.fixture
def tenant(owned: tuple[Tenant, str]) -> Tenant:
    return owned[0]


@pytest.fixture
def key(owned: tuple[Tenant, str]) -> str:
    return owned[1]


@pytest.fixture
def browser(new_browser: Callable[[], Browser], key: str) -> Browser:
    """Logged in by a key that may do everything."""
    return new_browser().log_in(key)


@pytest.fixture
def operator(new_browser: Callable[[], Browser], pool: Pool) -> Browser:
    """Logged in by a one-time address, for all tenants."""
    with transaction(pool) as conn:
        once = sessions.offer(conn, "root")
    browser = new_browser()
    assert browser.post("/login", {"once": once}).status_code == 303
    return browser


@pytest.fixture
def key_of(pool: Pool, tenant: Tenant) -> Callable[..., str]:
    """Make a key of the tenant's with some scopes alone."""

    def make(*scopes: str) -> str:
        with transaction(pool) as conn:
            return keys.create(conn, tenant.id, "oh_live", "limited", Rights(scopes))[1]

    return make
