"""A job is stored for a cached caller only if all about it still holds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import acceptance, lookup
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants import keys
from ingest.db.tenants.keys import Caller
from ingest.ids import uuid7
from ingest.intake.blocks import cut
from tests.support.factories import make_tenant


def a_caller(pool: Pool) -> Caller:
    """Return the caller of a key, as it is once its last use is noted."""
    with transaction(pool) as conn:
        _, secret = make_tenant(conn)
    for _ in range(2):
        with transaction(pool) as conn:
            found = keys.caller(conn, secret)
    assert found is not None
    return found


def store(pool: Pool, caller: Caller, job_id: UUID) -> bool:
    job = NewJob(job_id, caller.tenant_id, "entities", False, caller.template_id, None, "test", False, caller)
    with transaction(pool) as conn:
        return acceptance.accept(conn, job, cut(b"[1, 2]", limit=2, block_items=1))


_CHANGES = [
    "UPDATE api_keys SET revoked_at = now() WHERE id = %(key)s",
    "UPDATE api_keys SET label = label WHERE id = %(key)s",
    "UPDATE tenants SET suspended_at = now() WHERE id = %(tenant)s",
    "UPDATE tenants SET template_id = NULL WHERE id = %(tenant)s",
    "DELETE FROM api_keys WHERE id = %(key)s",
]


@pytest.mark.parametrize("change", _CHANGES)
def test_a_job_is_stored_for_a_cached_caller_only_if_nothing_about_it_has_changed(pool: Pool, change: str) -> None:
    caller, first, second = a_caller(pool), uuid7(), uuid7()
    assert store(pool, caller, first)
    with transaction(pool) as conn:
        conn.execute(change, {"key": caller.key_id, "tenant": caller.tenant_id})
    assert not store(pool, caller, second)
    with transaction(pool) as conn:
        assert lookup.get(conn, second) is None
        assert conn.execute("SELECT DISTINCT job_id FROM job_blocks").fetchall() == [(first,)]
    assert store(pool, caller, first), "what has landed stands, whatever has changed since"


def test_an_attempt_that_lands_late_stands_once_though_its_caller_has_changed_meanwhile(
    pool: Pool, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    caller, job_id = a_caller(pool), uuid7()

    def attempt(conn: Connection, cached: Caller | None) -> bool:
        job = NewJob(job_id, caller.tenant_id, "entities", False, caller.template_id, None, "test", False, cached)
        return acceptance.accept(conn, job, cut(b"[1, 2]", limit=2, block_items=1))

    with transaction(pool) as late, ThreadPoolExecutor(1) as thread:
        assert attempt(late, caller)
        with transaction(pool) as conn:
            conn.execute("UPDATE api_keys SET last_used_at = now() WHERE id = %s", (caller.key_id,))
        with transaction(pool) as conn:
            assert not attempt(conn, caller)
        again = thread.submit(attempt, other, None)
        until_blocked(other)
        late.commit()
        assert again.result()
    other.commit()
    with transaction(pool) as conn:
        assert conn.execute("SELECT job_id, no FROM job_blocks ORDER BY no").fetchall() == [(job_id, 0), (job_id, 1)]


def test_no_job_is_stored_for_a_cached_caller_whose_key_has_expired_since(pool: Pool) -> None:
    caller = a_caller(pool)
    with transaction(pool) as conn:
        update = "UPDATE api_keys SET expires_at = now() WHERE id = %s RETURNING xmin::text"
        [(version,)] = conn.execute(update, (caller.key_id,)).fetchall()
    assert not store(pool, replace(caller, key_version=str(version)), uuid7())
    with transaction(pool) as conn:
        update = "UPDATE api_keys SET expires_at = now() + interval '1 hour' WHERE id = %s RETURNING xmin::text"
        [(version,)] = conn.execute(update, (caller.key_id,)).fetchall()
    assert store(pool, replace(caller, key_version=str(version)), uuid7())
