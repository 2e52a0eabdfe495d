import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg
import pytest
import redis
import structlog
from psycopg import sql

from ingest.db.pool import WORKER, Connection, Pool, connect, transaction
from ingest.db.tenants import Tenant
from ingest.executor import Executor
from ingest.listener import Listener
from tests.conftest import TestServers, _named
from tests.factories import accept, entity, make_executor, make_tenant


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
        yield _named(servers, name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def executor(pool: Pool, redis_url: str) -> Executor:
    return make_executor(pool, redis_url)


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
