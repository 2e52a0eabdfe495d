"""Drafts of failed items: a change that was made of an older draft is refused, and a check of one is forgotten."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import drafts, failed_items
from ingest.db.jobs.drafts import Draft, Verdict
from ingest.db.tenants.tenants import Tenant
from tests.support.factories import accept_failed


@pytest.fixture
def job_id(conn: Connection, tenant: Tenant) -> UUID:
    """A job of which an item has failed."""
    return accept_failed(conn, tenant)


def _stored(conn: Connection, tenant: Tenant, job_id: UUID, edit: bytes, version: int) -> bool:
    made = Draft(0, edit, sealed=False, dropped=False, version=version)
    return drafts.store(conn, tenant.id, job_id, [made], editor="ada") == {0}


def test_a_change_of_an_older_draft_is_refused(conn: Connection, tenant: Tenant, job_id: UUID) -> None:
    assert _stored(conn, tenant, job_id, b"1", version=0)
    assert not _stored(conn, tenant, job_id, b"2", version=0)
    assert _stored(conn, tenant, job_id, b"3", version=1)
    [shown] = drafts.show(conn, job_id, [0, 1])
    assert (shown.edit, shown.version) == (b"3", 2)


def test_what_a_check_has_found_holds_until_the_next_change(conn: Connection, tenant: Tenant, job_id: UUID) -> None:
    _stored(conn, tenant, job_id, b"1", version=0)
    drafts.note(conn, job_id, [Verdict(0, 2, "NOT_FOUND", "late", None)])  # of a draft that is no more
    assert not drafts.show(conn, job_id, [0])[0].checked
    drafts.note(conn, job_id, [Verdict(0, 1, "NOT_FOUND", "wrong", "/x")])
    assert [(mark.edited, mark.good, mark.bad) for mark in drafts.marks(conn, job_id)] == [(1, 0, 1)]
    _stored(conn, tenant, job_id, b"2", version=1)
    assert not drafts.show(conn, job_id, [0])[0].checked


# Erases the text of an item of p1's that failed, and its draft, in the two ways that there are.
Erase = Callable[[Connection, Tenant, UUID], int]
_ERASURES: dict[str, Erase] = {
    "by their entity": lambda conn, tenant, _job_id: failed_items.erase(conn, tenant.id, "p1"),
    "by their job": lambda conn, _tenant, job_id: failed_items.erase_of_job(conn, job_id, [0]),
}
_LEFT = "SELECT FROM job_drafts"


@pytest.fixture
def failed(pool: Pool, owner: Tenant) -> UUID:
    """The same, committed and encrypted."""
    with transaction(pool) as conn:
        return accept_failed(conn, owner, sealed=True)


@pytest.mark.parametrize("erase", _ERASURES.values(), ids=_ERASURES.keys())
def test_an_erasure_waits_for_a_draft_that_is_being_stored_and_erases_it(
    pool: Pool,
    other: Connection,
    observer: Connection,
    owner: Tenant,
    failed: UUID,
    erase: Erase,
    until_blocked: Callable[[Connection], None],
) -> None:
    assert _stored(other, owner, failed, b"{}", version=0)
    with ThreadPoolExecutor(1) as threads, transaction(pool) as conn:
        erased = threads.submit(erase, conn, owner, failed)
        until_blocked(conn)
        other.commit()
        assert erased.result() == 1
    assert observer.execute(_LEFT).rowcount == 0


@pytest.mark.parametrize("erase", _ERASURES.values(), ids=_ERASURES.keys())
def test_a_draft_of_an_item_that_is_being_erased_waits_and_is_refused(
    pool: Pool,
    other: Connection,
    observer: Connection,
    owner: Tenant,
    failed: UUID,
    erase: Erase,
    until_blocked: Callable[[Connection], None],
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with transaction(pool) as conn:
            assert erase(conn, owner, failed) == 1
            stored = threads.submit(_stored, other, owner, failed, b"{}", 0)
            until_blocked(other)
        assert not stored.result()
    other.commit()
    assert observer.execute(_LEFT).rowcount == 0
