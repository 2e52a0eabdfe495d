import secrets
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
import structlog
from psycopg import sql

from ingest.db.pool import WORKER, Connection, Pool, connect, transaction
from ingest.db.tenants import Tenant
from tests.conftest import TestServers, _named
from tests.factories import make_tenant


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
def until_blocked(observer: Connection) -> Callable[[Connection], None]:
    """Returns once that connection waits for a lock; the test's own time limit bounds it."""

    def wait(waiting: Connection) -> None:
        query = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        while observer.execute(query, (waiting.info.backend_pid,)).fetchone() != (True,):
            pass

    return wait


@pytest.fixture
def empty_database_url(servers: TestServers) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"sluice_test_{secrets.token_hex(4)}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield _named(servers, name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
