"""The console in a real browser: Debian's chromium, a real server, and a tenant of each test's own.

All tests of a process share the server, its database and the browser: their start costs more than any test. Each page
is held to what holds for all: no error in its console, and no request to another origin.
"""

import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import sql

from ingest import ids
from ingest.db.connection.pool import WORKER, Pool, open_pool, transaction
from ingest.db.tenants import keys, sessions
from ingest.db.tenants.tenants import Tenant
from tests.api.conftest import running
from tests.support.factories import accept, entity, make_tenant, run_pending
from tests.support.postgres import TestServers, admin_of, url_of

sync_api = pytest.importorskip("playwright.sync_api", reason="make .venv/browsing installs what opens a browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("chromium is not installed: apt-get install chromium", allow_module_level=True)

WIDE, NARROW = 1280, 320


@dataclass(frozen=True)
class Site:
    """A running server.

    Attributes:
        address: of the console.
        pool: connections to its database, as workers have them.
    """

    address: str
    pool: Pool
    redis_url: str

    def run_jobs(self) -> None:
        """Run every job that waits, in this process."""
        run_pending(self.pool, self.redis_url)


@dataclass
class Visit:
    """A tenant of a test's own, and browsers that are logged in as its key."""

    site: Site
    tenant: Tenant
    key: str
    browser: Any
    exits: ExitStack
    faults: list[str] = field(default_factory=list)

    def open(
        self,
        path: str = "/jobs",
        *,
        width: int = WIDE,
        logged_in: bool = True,
        operator: bool = False,
        init_script: str = "",
        refused: str = "",
        **options: Any,
    ) -> Any:
        """Open a page of the console in a browser of its own.

        Args:
            path: of the page.
            width: of the window.
            logged_in: by the tenant's key.
            operator: as an operator of the installation instead.
            init_script: runs before the page's own.
            refused: a pattern of addresses that are answered with 503.
            options: Playwright's for a context.
        """
        context = self.browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.exits.callback(context.close)
        context.set_default_timeout(10_000)
        if logged_in:
            secret = self._session(operator=operator)
            context.add_cookies([{"name": "sluice_console", "value": secret, "url": f"{self.site.address}/"}])
        if init_script:
            context.add_init_script(init_script)
        if refused:
            context.route(refused, lambda route: route.fulfill(status=503))
        page = context.new_page()
        page.on("console", lambda said: self.faults.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._hold(request.url))
        page.goto(f"{self.site.address}{path}")
        return page

    def _session(self, *, operator: bool) -> str:
        with transaction(self.site.pool) as conn:
            if operator:
                secret = sessions.open_offered(conn, sessions.offer(conn, "root"))
                assert secret is not None
                return secret
            caller = keys.caller(conn, self.key)
            assert caller is not None
            return sessions.begin(conn, caller)

    def _hold(self, url: str) -> None:
        if not url.startswith((self.site.address, "data:")):
            self.faults.append(f"a request to {url}")

    def submit(self, items: Sequence[Any] = (), *, kind: str = "entities", **overrides: Any) -> str:
        """Accept a batch; returns the id of its job."""
        with transaction(self.site.pool) as conn:
            return ids.spell(ids.JOB, accept(conn, self.tenant, kind, list(items) or [entity()], **overrides))

    def run_jobs(self) -> None:
        """Run every job that waits."""
        self.site.run_jobs()


@pytest.fixture(scope="session")
def console_database_url(servers: TestServers, template_database: str) -> Iterator[str]:
    """A database of these tests alone: they commit what others would find."""
    name = f"{template_database}_console"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    with admin_of(servers) as admin:
        admin.execute(clone)
    yield url_of(servers, name)
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def site(console_database_url: str, servers: TestServers) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    place = f"127.0.0.1:{port}"
    with (
        running(console_database_url, servers, place, SLUICE_BIND=place),
        open_pool(console_database_url, WORKER, size=2) as pool,
    ):
        yield Site(f"http://{place}/console", pool, servers.redis_url)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def visit(site: Site, browser: Any) -> Iterator[Visit]:
    with transaction(site.pool) as conn:
        tenant, key = make_tenant(conn)
    with ExitStack() as exits:
        visited = Visit(site, tenant, key, browser, exits)
        yield visited
    assert visited.faults == []


@pytest.fixture
def submit(visit: Visit) -> Callable[..., str]:
    return visit.submit
