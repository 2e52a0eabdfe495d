from typing import NoReturn

import pytest

from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection, Pool
from ingest.errors import Unavailable, WriteRefused
from tests.support.lossy import IS_LOST, LANDS, lossy_pool


def write(conn: Connection) -> None:
    conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', '1')")


def test_a_commit_that_landed_is_no_error_even_where_its_answer_was_lost(pool: Pool, observer: Connection) -> None:
    with lossy_pool(pool, LANDS) as lossy, confirmed_transaction(lossy) as conn:
        write(conn)
    assert observer.execute("SELECT FROM states").rowcount == 1


def test_a_commit_that_did_not_land_is_an_error(pool: Pool, observer: Connection) -> None:
    with lossy_pool(pool, IS_LOST) as lossy, pytest.raises(Unavailable), confirmed_transaction(lossy) as conn:
        write(conn)
    assert observer.execute("SELECT FROM states").rowcount == 0


def test_a_transaction_that_wrote_nothing_has_nothing_to_ask_for(pool: Pool) -> None:
    with lossy_pool(pool, LANDS) as lossy, pytest.raises(Unavailable), confirmed_transaction(lossy) as conn:
        conn.execute("SELECT 1")


def test_a_session_that_ends_before_the_commit_is_an_error(pool: Pool, observer: Connection) -> None:
    def write_and_lose(conn: Connection) -> None:
        write(conn)
        observer.execute("SELECT pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))

    with pytest.raises(Unavailable), confirmed_transaction(pool) as conn:
        write_and_lose(conn)
    assert observer.execute("SELECT FROM states").rowcount == 0


def test_what_is_refused_is_refused(pool: Pool) -> None:
    with pytest.raises(WriteRefused), confirmed_transaction(pool) as conn:
        conn.execute("INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'a', NULL)")


def test_an_error_of_the_caller_rolls_back(pool: Pool, observer: Connection) -> None:
    def write_and_stop(conn: Connection) -> NoReturn:
        write(conn)
        raise KeyError

    with pytest.raises(KeyError), confirmed_transaction(pool) as conn:
        write_and_stop(conn)
    assert observer.execute("SELECT FROM states").rowcount == 0
