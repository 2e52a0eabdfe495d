"""A finding is counted and shown by examples, within bounds."""

from uuid import UUID

import psycopg
import pytest

from ingest.db import verify
from ingest.db.connection.pool import Connection, connect
from ingest.ids import spell
from tests.db.verify.findings import found, verified


def test_the_first_example_is_named_as_the_api_names_it_and_says_what_is_wrong(
    database_url: str, observer: Connection, done: dict[str, UUID]
) -> None:
    observer.execute("UPDATE job_errors SET index = 7 WHERE job_id = %s", (done["events"],))
    [result] = [result for result in verified(database_url) if result.found]
    [example] = result.examples
    assert (example.id, example.detail) == (spell("job", done["events"]), "index 7 to 7, total 3")


def test_five_examples_are_enough_and_the_count_is_of_all(database_url: str, observer: Connection) -> None:
    observer.execute("""
        INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
        SELECT gen_random_uuid(), 77, '', n::text, 'player', '{}' FROM generate_series(1, 40) n""")
    [result] = [result for result in verified(database_url) if result.found]
    assert (result.check.name, result.found, len(result.examples)) == ("entity_tenant", 40, 5)


def test_a_check_counts_no_further_than_its_bound(database_url: str, observer: Connection) -> None:
    observer.execute("""
        INSERT INTO states (tenant_id, entity_id, key, value)
        SELECT 1, n, 'balance', '1' FROM generate_series(1, 10001) n""")
    assert found(database_url) == {"state_entity": verify.MOST_FOUND}


def test_a_check_that_takes_too_long_is_given_up_and_the_others_go_on(
    database_url: str, observer: Connection, done: dict[str, UUID]
) -> None:
    observer.execute("UPDATE job_errors SET index = 7 WHERE job_id = %s", (done["events"],))
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE states")
        assert found(database_url, check_seconds=1) == {
            "job_errors_within": 1,
            "state_entity": None,
            "state_separate": None,
            "state_erased": None,
            "state_readable": None,
            "wall": None,
        }


def test_nothing_can_be_written_by_a_check(database_url: str) -> None:
    with connect(database_url, "sluice-cli") as conn:
        next(verify.verify(conn, deadline_seconds=1, stuck_after_seconds=1, check_seconds=1))
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            conn.execute("DELETE FROM jobs")
