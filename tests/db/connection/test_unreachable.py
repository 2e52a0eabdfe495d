"""Every way in which there is no connection has its own words and its own advice."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from ingest.db.connection.pool import connect
from ingest.db.connection.unreachable import advice_for, why_unreachable
from ingest.errors import Unavailable

_PRIVATE = "hunter2"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, nor will meanwhile."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def reason_of(url: str) -> str:
    with pytest.raises(Unavailable) as raised:
        connect(url, "sluice-web")
    message = raised.value.message
    assert "\n" not in message
    assert "SQLSTATE" not in message
    assert _PRIVATE not in message
    return message


def test_a_missing_database_is_named(database_url: str) -> None:
    reason = reason_of(make_conninfo(database_url, dbname="no_such_one"))
    assert 'database "no_such_one" does not exist' in reason
    assert "CREATE DATABASE" in advice_for(reason)


def test_a_missing_role_is_named(database_url: str) -> None:
    reason = reason_of(make_conninfo(database_url, user="no_such_one", password=_PRIVATE))
    assert 'role "no_such_one" does not exist' in reason
    assert "CREATE ROLE" in advice_for(reason)


def test_a_closed_port_is_named(closed_port: int) -> None:
    reason = reason_of(f"postgresql://sluice:{_PRIVATE}@127.0.0.1:{closed_port}/sluice")
    assert f'connection to server at "127.0.0.1", port {closed_port} failed: Connection refused' in reason
    assert "Start the server" in advice_for(reason)


def test_a_missing_socket_is_named(tmp_path: Path) -> None:
    reason = reason_of(f"postgresql:///sluice?host={tmp_path}")
    assert f'"{tmp_path}/.s.PGSQL.5432" failed: No such file or directory' in reason
    assert "Start the server" in advice_for(reason)


def test_an_unknown_host_is_named() -> None:
    reason = reason_of(f"postgresql://sluice:{_PRIVATE}@no-such-host.invalid/sluice")
    assert "no-such-host.invalid" in reason
    assert "Mend the host" in advice_for(reason)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ('FATAL: password authentication failed for user "sluice"', "percent-encoded"),
        ("fe_sendauth: no password supplied", "PGPASSFILE"),
        ("FATAL: unsupported startup parameter: options", "PGOPTIONS"),
        ("FATAL: no such database: sluice", "pooler"),
        ("FATAL: sorry, too many clients already", "max_connections"),
        ("FATAL: the database system is starting up", "Wait"),
        ('FATAL: no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf"),
        ("server does not support SSL, but SSL was required", "sslmode"),
        ("anything else", "DATABASE_URL"),
    ],
)
def test_each_refusal_has_its_advice(reason: str, advice: str) -> None:
    assert advice in advice_for(reason)


def test_a_database_that_answers_is_not_called_unreachable(database_url: str) -> None:
    assert "in use" in why_unreachable(database_url, "sluice-web")
