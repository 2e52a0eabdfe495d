"""Drafts of failed items: a change that was made of an older draft is refused, and a check of one is forgotten."""

from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.jobs import drafts, item_errors
from ingest.db.jobs.drafts import Draft, Verdict
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import ItemError
from tests.support.factories import accept, entity


@pytest.fixture
def job_id(conn: Connection, tenant: Tenant) -> UUID:
    """A job of which an item has failed."""
    made = accept(conn, tenant, "entities", [entity(1)])
    item_errors.record(conn, tenant.id, [(made, ItemError(0, "e", "VALIDATION_FAILED", "wrong", item=b"{}"))])
    return made


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
