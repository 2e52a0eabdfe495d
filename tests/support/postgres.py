"""Databases of the tests' Postgres: an administrator's connection, and the URL of one by its name."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg


@dataclass(frozen=True)
class TestServers:
    """The servers of the tests; `database_url` may create and drop databases."""

    __test__ = False
    database_url: str
    redis_url: str


def admin_of(servers: TestServers) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(servers.database_url, autocommit=True)


def url_of(servers: TestServers, name: str) -> str:
    parts = urlsplit(servers.database_url)
    return f"postgresql://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")
