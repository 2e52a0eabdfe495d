"""Real servers for every test: embedded ones, or those that SLUICE_TEST_DATABASE_URL and SLUICE_TEST_REDIS_URL name."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg import sql

from cli.stack import running_servers
from ingest.config import Settings
from ingest.db.migrate import migrate
from ingest.db.pool import WORKER, Connection, Pool, connect, open_pool
from tests.factories import make_settings

_MEMORY = Path("/dev/shm")  # noqa: S108 # the place is the point
_ENOUGH_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class TestServers:
    """The servers of the tests; `database_url` may create and drop databases."""

    __test__ = False
    database_url: str
    redis_url: str


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_developer() -> None:
    for name in [name for name in os.environ if name in {"DATABASE_URL", "REDIS_URL"}]:
        del os.environ[name]


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
    with _admin(servers) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with connect(_named(servers, name), "sluice-cli") as conn:
        migrate(conn)
    yield name
    with _admin(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(servers: TestServers, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own: for whatever commits or needs two connections."""
    name = f"{template_database}_{secrets.token_hex(4)}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    with _admin(servers) as admin:
        admin.execute(clone)
    yield _named(servers, name)
    with _admin(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def latin_url(servers: TestServers) -> Iterator[str]:
    """A database that cannot hold every text."""
    name = f"sluice_test_{secrets.token_hex(4)}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
        yield _named(servers, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def shared_database_url(servers: TestServers, template_database: str) -> Iterator[str]:
    name = f"{template_database}_shared"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    with _admin(servers) as admin:
        admin.execute(clone)
    yield _named(servers, name)
    with _admin(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def conn(shared_database_url: str) -> Iterator[Connection]:
    """One transaction of a migrated database, rolled back after the test."""
    connection = connect(shared_database_url, WORKER)
    yield connection
    connection.rollback()
    connection.close()


@pytest.fixture
def redis_url(servers: TestServers) -> str:
    """A Redis or Valkey with nothing in it."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return make_settings(database_url, redis_url)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """Worker connections to a database of the test's own."""
    with open_pool(database_url, WORKER, size=4) as workers:
        yield workers


def _admin(servers: TestServers) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(servers.database_url, autocommit=True)


def _named(servers: TestServers, name: str) -> str:
    parts = urlsplit(servers.database_url)
    return f"postgresql://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")
