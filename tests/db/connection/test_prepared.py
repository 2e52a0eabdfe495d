"""Statements past the driver: what arrives, in which transaction, and what if the server has lost them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection, Pool, autocommit, transaction
from ingest.db.connection.prepared import Prepared
from ingest.errors import Unavailable, WriteRefused

_ID = UUID("0198c2a4-0000-7000-8000-000000000001")
_NOTE = Prepared(
    "note",
    "INSERT INTO notes SELECT %(id)s, %(number)s, %(said)s, %(text)s, %(data)s FROM generate_series(1, %(rows)s)",
    {"id": UUID, "number": int, "said": bool, "text": str, "data": bytes, "rows": int},
)
_VALUES = {"id": _ID, "number": -7, "said": True, "text": "naïve 🐢", "data": b"\0\xff", "rows": 1}


@pytest.fixture(autouse=True)
def notes(observer: Connection) -> Iterator[None]:
    observer.execute("CREATE TABLE notes (id uuid, number integer UNIQUE, said boolean, text text, data bytea)")
    yield
    observer.execute("DROP TABLE notes")


def _stored(observer: Connection) -> list[tuple[object, ...]]:
    return observer.execute("SELECT * FROM notes").fetchall()


def test_values_arrive_as_they_are(pool: Pool, observer: Connection) -> None:
    with autocommit(pool) as conn:
        assert _NOTE.execute(conn, _VALUES) == 1
    assert _stored(observer) == [(_ID, -7, True, "naïve 🐢", b"\0\xff")]


def test_none_is_null_and_every_row_is_counted(pool: Pool, observer: Connection) -> None:
    with autocommit(pool) as conn:
        assert _NOTE.execute(conn, {**dict.fromkeys(_VALUES), "rows": 3}) == 3
    assert _stored(observer) == [(None,) * 5] * 3


def test_it_takes_part_in_a_transaction_its_first_statement_or_not(pool: Pool, observer: Connection) -> None:
    with autocommit(pool) as conn:
        _NOTE.execute(conn, _VALUES)
    with suppress(KeyError), transaction(pool) as conn:
        _NOTE.execute(conn, {**_VALUES, "number": 8})
        raise KeyError
    assert len(_stored(observer)) == 1
    with transaction(pool) as conn:
        conn.execute("SELECT 1")
        _NOTE.execute(conn, {**_VALUES, "number": 8})
        assert len(_stored(observer)) == 1
    assert len(_stored(observer)) == 2


def test_a_rollback_at_which_the_driver_drops_all_statements_brings_no_error(pool: Pool, tmp_path: Path) -> None:
    with autocommit(pool) as conn:
        _NOTE.execute(conn, _VALUES)
    with suppress(KeyError), transaction(pool) as conn:
        conn.execute("SELECT 1", prepare=True)
        raise KeyError
    said = tmp_path / "said"
    with autocommit(pool) as conn, said.open("wb") as trace:
        assert conn.execute("SELECT FROM pg_prepared_statements WHERE name = 'note'").rowcount == 0
        conn.pgconn.trace(trace.fileno())
        _NOTE.execute(conn, {**_VALUES, "number": 8})
        conn.pgconn.untrace()
    assert b"CommandComplete" in said.read_bytes()
    assert b"ErrorResponse" not in said.read_bytes()


def test_it_outlives_a_rollback_that_nobody_tells_of(pool: Pool, observer: Connection) -> None:
    with autocommit(pool) as conn:
        conn.execute("SELECT 1", prepare=True)
        _NOTE.execute(conn, _VALUES)
        with conn.transaction(force_rollback=True):
            conn.execute("SELECT 1")
        with conn.transaction():
            assert conn.execute("SELECT FROM pg_prepared_statements WHERE name = 'note'").rowcount == 0
            _NOTE.execute(conn, {**_VALUES, "number": 8})
    with transaction(pool) as conn:
        conn.execute("SELECT 1", prepare=True)
        conn.rollback()
        _NOTE.execute(conn, {**_VALUES, "number": 9})
    assert len(_stored(observer)) == 3


def test_it_outlives_a_rollback_at_which_the_driver_has_nothing_to_drop(pool: Pool, observer: Connection) -> None:
    with suppress(KeyError), transaction(pool) as conn:
        _NOTE.execute(conn, _VALUES)
        raise KeyError
    with transaction(pool) as conn:
        _NOTE.execute(conn, _VALUES)
    assert len(_stored(observer)) == 1


def test_where_the_server_has_lost_it_it_is_prepared_again(pool: Pool, observer: Connection) -> None:
    with autocommit(pool) as conn:
        _NOTE.execute(conn, _VALUES)
        conn.execute("DEALLOCATE ALL")
        assert _NOTE.execute(conn, {**_VALUES, "number": 8}) == 1
    assert len(_stored(observer)) == 2


def test_what_the_server_refuses_is_an_error_as_of_the_driver(pool: Pool) -> None:
    with autocommit(pool) as conn:
        _NOTE.execute(conn, _VALUES)
    with pytest.raises(WriteRefused, match="23505"), autocommit(pool) as conn:
        _NOTE.execute(conn, _VALUES)
    with autocommit(pool) as conn:
        assert _NOTE.execute(conn, {**_VALUES, "number": 8}) == 1


@pytest.mark.parametrize("known", [True, False], ids=["prepared before", "not prepared"])
def test_a_server_that_is_gone_is_unavailable(pool: Pool, observer: Connection, *, known: bool) -> None:
    with autocommit(pool) as conn:
        if known:
            _NOTE.execute(conn, _VALUES)
        observer.execute("SELECT pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))
        with pytest.raises(Unavailable), translated():
            _NOTE.execute(conn, _VALUES)
    with autocommit(pool) as conn:
        assert _NOTE.execute(conn, {**_VALUES, "number": 8}) == 1
