"""Keys are stored with their write or not at all, by one of several requests, and go after 24 hours."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from ingest.db.connection.confirmed import retry_until_known
from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import Connection, EnteredPool, Pool, connect, open_pool, transaction
from ingest.db.data import retention
from ingest.db.jobs import acceptance
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants import idempotency, keys
from ingest.db.tenants.idempotency import Answer, Key
from ingest.db.tenants.tenants import Tenant
from ingest.errors import KeyInProgress
from ingest.intake.blocks import Block
from ingest.settings import Settings
from tests.support.factories import make_tenant, new_job
from tests.support.relay import relay
from worker.sweep import Sweep

_FINGERPRINT = sha256(b"body").digest()
_BLOCKS = [Block(0, 1, b"payload")]


def key_of(tenant: Tenant, name: str = "key", endpoint: str = "writeEntities") -> Key:
    return Key(tenant.id, endpoint, sha256(name.encode()).digest())


def with_key(tenant: Tenant, key: Key | None = None) -> NewJob:
    return new_job(tenant, key=key or key_of(tenant), fingerprint=_FINGERPRINT)


def count(observer: Connection, table: str) -> int:
    return observer.execute(f"SELECT FROM {table}".encode()).rowcount


def test_a_job_and_its_key_are_stored_together(pool: Pool, owner: Tenant, observer: Connection) -> None:
    job = with_key(owner)
    with transaction(pool) as conn:
        assert acceptance.accept(conn, job, _BLOCKS)
        assert count(observer, "jobs") == count(observer, "idempotency_keys") == 0
    assert count(observer, "jobs") == count(observer, "job_blocks") == 1
    with transaction(pool) as conn:
        assert idempotency.find(conn, key_of(owner)) == (_FINGERPRINT, Answer(job_id=job.id))
        assert idempotency.find(conn, key_of(owner, "another")) is None


def test_a_job_that_is_not_stored_leaves_no_key(pool: Pool, observer: Connection) -> None:
    with transaction(pool) as conn:
        tenant, secret = make_tenant(conn)
    with transaction(pool) as conn:
        caller = keys.caller(conn, secret)
    assert caller is not None
    job = replace(with_key(tenant), cached_caller=caller)
    observer.execute("UPDATE api_keys SET revoked_at = now()")
    with transaction(pool) as conn:
        assert not acceptance.accept(conn, job, _BLOCKS)
    assert count(observer, "jobs") == count(observer, "idempotency_keys") == 0


def test_a_second_job_under_a_key_is_refused_while_the_first_is_open(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    assert acceptance.accept(other, with_key(owner), _BLOCKS)
    with pytest.raises(KeyInProgress), transaction(pool) as conn:
        acceptance.accept(conn, with_key(owner), _BLOCKS)
    with transaction(pool) as conn:
        assert acceptance.accept(conn, with_key(owner, key_of(owner, "another")), _BLOCKS)
        assert acceptance.accept(conn, with_key(owner, key_of(owner, endpoint="writeStates")), _BLOCKS)
    other.commit()
    with pytest.raises(KeyInProgress), transaction(pool) as conn:
        acceptance.accept(conn, with_key(owner), _BLOCKS)
    assert count(observer, "jobs") == count(observer, "idempotency_keys") == 3


def test_a_key_is_free_once_its_first_transaction_was_rolled_back(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    idempotency.lock(other, key_of(owner))
    idempotency.remember(other, key_of(owner), _FINGERPRINT, Answer())
    with pytest.raises(KeyInProgress), transaction(pool) as conn:
        idempotency.lock(conn, key_of(owner))
    other.rollback()
    with transaction(pool) as conn:
        assert acceptance.accept(conn, with_key(owner), _BLOCKS)
    assert count(observer, "jobs") == 1


def test_a_key_is_free_once_the_process_of_its_first_is_dead(
    settings: Settings, pool: Pool, owner: Tenant, observer: Connection, until_gone: Callable[[Connection], None]
) -> None:
    with closing(connect(settings.database_url, "sluice-web")) as dying:
        idempotency.lock(dying, key_of(owner))
        observer.execute("SELECT pg_terminate_backend(%s)", (dying.info.backend_pid,))
        until_gone(dying)
    with transaction(pool) as conn:
        idempotency.lock(conn, key_of(owner))


def test_the_index_decides_where_the_other_committed_meanwhile(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    with transaction(pool) as conn:
        idempotency.lock(conn, key_of(owner))
        # Without the lock, as nobody does, so that both come to the index.
        idempotency.remember(other, key_of(owner), _FINGERPRINT, Answer(action="created"))
        other.commit()
        with pytest.raises(KeyInProgress):
            idempotency.remember(conn, key_of(owner), _FINGERPRINT, Answer(action="updated"))
    assert observer.execute("SELECT action FROM idempotency_keys").fetchall() == [("created",)]


@pytest.mark.parametrize("lands", [True, False])
def test_a_lost_answer_to_a_statement_with_a_key_leaves_one_job(
    settings: Settings, owner: Tenant, observer: Connection, tmp_path: Path, *, lands: bool
) -> None:
    job, marked = with_key(owner), b"INSERT INTO jobs"
    with relay(settings.database_url, tmp_path, marked=marked, lands=lands, at=marked) as between:
        with open_pool(between.database_url, "sluice-web", size=2) as lossy:
            assert retry_until_known(
                EnteredPool(lossy, of_tenant(owner.id)), lambda conn: acceptance.accept(conn, job, _BLOCKS)
            )
        assert between.cuts == 1
    assert observer.execute("SELECT id FROM jobs").fetchall() == [(job.id,)]
    assert observer.execute("SELECT job_id FROM idempotency_keys").fetchall() == [(job.id,)]


def test_an_attempt_that_finds_its_own_lost_one_under_way_waits_for_it(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    job = with_key(owner)
    attempts: list[UUID] = []

    def accept(conn: Connection) -> bool:
        if not attempts:
            attempts.append(job.id)
            assert acceptance.accept(other, job, _BLOCKS)
            observer.execute("SELECT pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))
        else:
            attempts.append(job.id)
            if len(attempts) == 3:
                other.commit()
        return acceptance.accept(conn, job, _BLOCKS)

    assert retry_until_known(pool, accept)
    assert len(attempts) == 3
    assert count(observer, "jobs") == 1


# Purging.


def store(conn: Connection, tenant: Tenant, number: int, age: str) -> None:
    idempotency.remember(conn, key_of(tenant, str(number)), _FINGERPRINT, Answer())
    conn.execute(
        "UPDATE idempotency_keys SET created_at = now() - %s::interval WHERE key_hash = %s",
        (age, key_of(tenant, str(number)).hash),
    )


def test_keys_older_than_24_hours_go_oldest_first_and_no_more_than_the_limit(conn: Connection, tenant: Tenant) -> None:
    for number, age in enumerate(["23 hours 59 minutes", "24 hours", "3 days", "25 hours", "0"]):
        store(conn, tenant, number, age)
    assert retention.purge_idempotency_keys(conn, limit=2) == 2
    left = {row[0] for row in conn.execute("SELECT key_hash FROM idempotency_keys")}
    assert left == {key_of(tenant, str(number)).hash for number in (0, 1, 4)}
    assert retention.purge_idempotency_keys(conn, limit=2) == 1
    assert retention.purge_idempotency_keys(conn, limit=2) == 0


def test_a_purge_passes_over_a_key_that_is_taken_up_again(
    pool: Pool, owner: Tenant, other: Connection, observer: Connection
) -> None:
    with transaction(pool) as conn:
        store(conn, owner, 1, "25 hours")
        store(conn, owner, 2, "25 hours")
    job = with_key(owner, key_of(owner, "1"))
    assert acceptance.accept(other, job, _BLOCKS)
    with transaction(pool) as conn:
        assert retention.purge_idempotency_keys(conn, limit=10) == 1
    other.commit()
    with transaction(pool) as conn:
        assert retention.purge_idempotency_keys(conn, limit=10) == 0
    assert observer.execute("SELECT job_id FROM idempotency_keys").fetchall() == [(job.id,)]


def test_a_purge_finds_old_keys_by_their_index(conn: Connection, tenant: Tenant) -> None:
    for number in range(3):
        store(conn, tenant, number, "1 hour")
    query = retention._PURGE_KEYS.replace("%(limit)s", "10")
    plan = "\n".join(str(row[0]) for row in conn.execute(f"EXPLAIN {query}".encode()))
    assert "idempotency_keys_created_at_idx" in plan


def test_sweep_purges_keys(settings: Settings, pool: Pool, owner: Tenant, observer: Connection) -> None:
    with transaction(pool) as conn:
        store(conn, owner, 1, "25 hours")
        store(conn, owner, 2, "1 hour")
    with connect(settings.database_url, "sluice-sweep") as conn:
        assert Sweep(settings).run_once(conn)["idempotency_keys_purged"] == 1
    assert count(observer, "idempotency_keys") == 1
