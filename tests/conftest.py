"""Real servers for every test: embedded ones, or those that SLUICE_TEST_DATABASE_URL and SLUICE_TEST_REDIS_URL name."""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import hypothesis
import psycopg
import pytest
import redis
import structlog
from psycopg import sql

from cli.stack.running import running_servers
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import WORKER, Connection, Pool, connect, open_pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from ingest.notify.listener import Listener
from ingest.notify.progress import Progress
from ingest.settings import Settings
from tests.support import pages
from tests.support.factories import accept, entity, make_executor, make_settings, make_tenant
from tests.support.postgres import TestServers, admin_of, url_of

hypothesis.settings.register_profile("sluice", deadline=None, max_examples=60, database=None, derandomize=True)
hypothesis.settings.load_profile("sluice")

_MEMORY = Path("/dev/shm")  # noqa: S108 # the place is the point
_ENOUGH_BYTES = 4 * 1024**3
_WHOLE_STACK = Path(__file__).parent / "e2e"


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_developer() -> None:
    for name in [name for name in os.environ if name in {"DATABASE_URL", "REDIS_URL"}]:
        del os.environ[name]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by its parameter's bytes only if they are text.

    Compressed bytes may differ with the clock, and processes that collect other names run no test at all.
    """
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode("ascii").isprintable()) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of the whole stack first.

    They are the longest: begun last, one of them would run alone. All are in the first process's part then. The others
    steal from the end of that part, where none of them is; each that took one would start a stack for it.
    """
    items.sort(key=lambda item: not item.path.is_relative_to(_WHOLE_STACK))


def _has_room(memory: Path) -> bool:
    available = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    if not available or not os.access(memory, os.W_OK):
        return False
    return min(int(available[1]) * 1024, disk_usage(memory).free) > _ENOUGH_BYTES


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for data of servers, in memory if there is enough: files of a database come and go with each clone."""
    if not _has_room(_MEMORY):
        yield tmp_path_factory.mktemp("servers")
        return
    with TemporaryDirectory(prefix="sluice-", dir=_MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def servers(data_folder: Path) -> Iterator[TestServers]:
    database_url, redis_url = os.environ.get("SLUICE_TEST_DATABASE_URL"), os.environ.get("SLUICE_TEST_REDIS_URL")
    with ExitStack() as stack:
        if not (database_url and redis_url):
            embedded = stack.enter_context(running_servers(data_folder / "servers"))
            database_url, redis_url = database_url or embedded.database_url, redis_url or embedded.redis_url
        yield TestServers(database_url, redis_url)


@pytest.fixture(scope="session")
def template_database(servers: TestServers) -> Iterator[str]:
    """The name of a migrated, empty database that each test may clone in some 20 ms."""
    name = f"sluice_test_{secrets.token_hex(4)}"
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with connect(url_of(servers, name), "sluice-cli") as conn:
        migrate(conn)
    yield name
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(servers: TestServers, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own: for whatever commits or needs two connections."""
    name = f"{template_database}_{secrets.token_hex(4)}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    with admin_of(servers) as admin:
        admin.execute(clone)
    yield url_of(servers, name)
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def latin_url(servers: TestServers) -> Iterator[str]:
    """A database that cannot hold every text."""
    name = f"sluice_test_{secrets.token_hex(4)}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
        yield url_of(servers, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def shared_database_url(servers: TestServers, template_database: str) -> Iterator[str]:
    name = f"{template_database}_shared"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    with admin_of(servers) as admin:
        admin.execute(clone)
    yield url_of(servers, name)
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def conn(shared_database_url: str) -> Iterator[Connection]:
    """One transaction of a migrated database, rolled back after the test."""
    connection = connect(shared_database_url, WORKER)
    yield connection
    connection.rollback()
    connection.close()


@pytest.fixture(scope="session")
def _emptying(servers: TestServers) -> Iterator[redis.Redis]:
    """A client for the life of the process: to make one a test, and to connect, takes milliseconds of each."""
    with redis.Redis.from_url(servers.redis_url) as client:
        yield client


@pytest.fixture
def redis_url(servers: TestServers, _emptying: redis.Redis) -> str:
    """A Redis or Valkey with nothing in it."""
    _emptying.flushdb()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return make_settings(database_url, redis_url)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """Worker connections to a database of the test's own."""
    with open_pool(database_url, WORKER, size=4) as workers:
        yield workers


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    structlog.reset_defaults()


@pytest.fixture
def tenant(conn: Connection) -> Tenant:
    """A tenant with the built-in template, in the test's own transaction."""
    return make_tenant(conn)[0]


@pytest.fixture
def owner(pool: Pool) -> Tenant:
    """A tenant with the built-in template, committed to the test's own database."""
    with transaction(pool) as conn:
        return make_tenant(conn)[0]


@pytest.fixture
def other(database_url: str) -> Iterator[Connection]:
    """A worker's connection beside those of the pool."""
    with closing(connect(database_url, WORKER)) as connection:
        yield connection


@pytest.fixture
def observer(database_url: str) -> Iterator[Connection]:
    """An autocommitting connection without guards, which sees what is committed, and what others wait for."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def listener(redis_url: str) -> Listener:
    return Listener(redis_url)


@pytest.fixture
def until_blocked(observer: Connection) -> Callable[[Connection], None]:
    """Returns once that connection waits for a lock; the test's own time limit bounds it."""

    def wait(waiting: Connection) -> None:
        query = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        while observer.execute(query, (waiting.info.backend_pid,)).fetchone() != (True,):
            pass

    return wait


@pytest.fixture
def until_gone(observer: Connection) -> Callable[[Connection], None]:
    """Returns once the server has ended that connection's session; the test's own time limit bounds it."""

    def wait(ending: Connection) -> None:
        while observer.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (ending.info.backend_pid,)).rowcount:
            pass

    return wait


@pytest.fixture
def empty_database_url(servers: TestServers) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"sluice_test_{secrets.token_hex(4)}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield url_of(servers, name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def executor(pool: Pool, redis_url: str) -> Iterator[Executor]:
    progress = Progress(redis_url)
    yield make_executor(pool, redis_url, progress)
    progress.close()


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def submit(pool: Pool, owner: Tenant) -> Callable[..., UUID]:
    """Accepts a batch of the owner's and commits it."""

    def store(kind: str, items: Any, **overrides: Any) -> UUID:
        with transaction(pool) as conn:
            return accept(conn, owner, kind, items, **overrides)

    return store


@pytest.fixture
def players(submit: Callable[..., UUID], executor: Executor) -> None:
    """player_000000 to player_000009 are there."""
    executor.run(submit("entities", [entity(number) for number in range(10)]), seconds=60)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many blocks of the pages are run, so that nobody overlooks those that are not."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if not any("test_pages.py" in getattr(report, "nodeid", "") for report in reports):
        return
    told = ", ".join(f"{count} {name}" for name, count in pages.counts())
    terminalreporter.write_line(f"blocks of the pages: {told}")
