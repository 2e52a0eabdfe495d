"""A URL that libpq or redis-py cannot read is a wrong setting, and no part of it is repeated."""

import pytest

from ingest.urls import wrong_database_url, wrong_redis_url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://db/sluice", "must start with postgresql://"),
        ("host=db dbname=sluice", "must start with postgresql://"),
        ("postgresql://u:hunter2@db:x/sluice", "number from 1 to 65535"),
        ("postgresql://u:hunter2@db:99999/sluice", "number from 1 to 65535"),
        ("postgresql://u:hunter2@a:1,b:x/sluice", "number from 1 to 65535"),
        ("postgresql://u:hunter2/x@db/sluice", "percent-encoded"),
        ("postgresql://u:x@hunter2@db/sluice", "percent-encoded"),
        ("postgresql://u:hunter2%zz@db/sluice", "libpq cannot read it (invalid percent-encoded token)"),
        ("postgresql://u:hunter2%00@db/sluice", "forbidden value %00"),
        ("postgresql://u:hunter2 x@db/sluice", "libpq cannot read it (unexpected spaces)"),
        ("postgresql://u:hunter2@[::1/sluice", "libpq cannot read it (end of string reached when looking for matching"),
        ("postgresql://u:hunter2@db/sluice?pgbouncer=true", "libpq knows no parameter pgbouncer: take it out"),
        ("postgresql://db/sluice?user=u&password=x&hunter2=1", "libpq cannot read it (invalid URI query parameter)"),
    ],
)
def test_a_database_url_that_libpq_cannot_read_is_told_without_a_word_of_it(url: str, told: str) -> None:
    wrong = wrong_database_url(url)
    assert wrong is not None
    assert told in wrong
    assert "hunter2" not in wrong


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://db",
        "postgresql:///sluice?host=/run/a&port=5433",
        "postgresql:///sluice?host=%2Fvar%2Frun%2Fpostgresql",
        "postgresql://u:p%40ss@a:1,b:2,c/sluice?target_session_attrs=read-write",
        "postgresql://u@[::1]:5432/sluice?options=-csearch_path%3Dapp&sslmode=verify-full",
    ],
)
def test_whatever_libpq_takes_is_taken(url: str) -> None:
    assert wrong_database_url(url) is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+unix:///run/redis.sock", "must be redis://host"),
        ("redis://", "must be redis://host"),
        ("redis://[cache", "must be redis://host"),
        ("redis://cache:0/0", "must be redis://host"),
        ("unix://", "unix:///path/to/socket"),
        ("redis://:hunter2@cache:99999/0", "redis-py cannot read it"),
        ("redis://:hunter2/x@cache/0", "must be redis://host"),
        ("redis://:hunter2@cache/none", "number of a database"),
        ("redis://:hunter2@cache/0?hunter2=1", "a parameter after ? that redis-py does not know"),
        ("redis://:hunter2@cache/0?socket_timeout=hunter2", "redis-py cannot read it"),
        ("unix:///run/redis.sock?db=hunter2", "redis-py cannot read it"),
    ],
)
def test_a_redis_url_that_redis_py_cannot_read_is_told_without_a_word_of_it(url: str, told: str) -> None:
    wrong = wrong_redis_url(url)
    assert wrong is not None
    assert told in wrong
    assert "hunter2" not in wrong


@pytest.mark.parametrize(
    "url",
    ["redis://cache", "redis://cache:6379/", "redis://u:p%40ss@cache:6379/15", "rediss://cache/0", "unix:///s?db=3"],
)
def test_whatever_redis_py_takes_is_taken(url: str) -> None:
    assert wrong_redis_url(url) is None
