from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit
from ingest.db.tenants.audit import Action, Actor, Filter
from ingest.db.tenants.tenants import Tenant
from tests.support.factories import make_tenant

_ACTOR = Actor("key", "0198c2a4-6a77-7d10-8b27-5b8a1f0c9c11", "importer", "req-1")


def record(conn: Connection, tenant: Tenant, *actions: Action) -> None:
    for action in actions:
        audit.record(conn, _ACTOR, action, "x", tenant_id=tenant.id, details={"number": 1})


def test_an_entry_tells_who_did_what_to_what(conn: Connection, tenant: Tenant) -> None:
    record(conn, tenant, Action.KEY_REVOKED)
    [entry] = audit.page(conn, tenant.id, Filter(), limit=2).entries
    assert (entry.tenant_id, entry.action, entry.object_kind, entry.object_id) == (tenant.id, "key.revoked", "key", "x")
    assert (entry.actor_kind, entry.actor_id, entry.actor_label) == ("key", _ACTOR.id, "importer")
    assert (entry.details, entry.request_id) == ({"number": 1}, "req-1")


def test_pages_have_the_newest_first_and_miss_none(conn: Connection, tenant: Tenant) -> None:
    record(conn, tenant, *[Action.KEY_CREATED] * 5)
    stranger, _ = make_tenant(conn)
    record(conn, stranger, Action.KEY_CREATED)
    found, before = [], None
    for size in (2, 2, 1):
        page = audit.page(conn, tenant.id, Filter(), limit=2, before=before)
        assert len(page.entries) == size
        found += page.entries
        before = page.before
    assert before is None
    assert [entry.id for entry in found] == sorted((entry.id for entry in found), reverse=True)
    assert {entry.tenant_id for entry in found} == {tenant.id}
    assert audit.page(conn, None, Filter(), limit=1).entries[0].tenant_id == stranger.id


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(action="key.revoked"),
        Filter(object_kind="key"),
        Filter(object_id="mine"),
        Filter(since=datetime.now(UTC) + timedelta(hours=1)),
    ],
)
def test_a_filter_passes_what_it_names_alone(conn: Connection, tenant: Tenant, wanted: Filter) -> None:
    audit.record(conn, _ACTOR, Action.WEBHOOK_CREATED, "other", tenant_id=tenant.id)
    assert audit.page(conn, tenant.id, wanted, limit=9).entries == []
    audit.record(conn, _ACTOR, Action.KEY_REVOKED, "mine", tenant_id=tenant.id)
    assert len(audit.page(conn, tenant.id, wanted, limit=9).entries) == (wanted.since is None)


def test_a_page_looks_at_so_many_entries_and_goes_on_behind_them(
    conn: Connection, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LOOKS", 2)
    record(conn, tenant, Action.KEY_REVOKED, *[Action.KEY_CREATED] * 3)
    wanted = Filter(action="key.revoked")
    first = audit.page(conn, tenant.id, wanted, limit=9)
    assert first.entries == []
    assert first.before
    second = audit.page(conn, tenant.id, wanted, limit=9, before=first.before)
    assert [entry.action for entry in second.entries] == ["key.revoked"]


@pytest.mark.parametrize(
    "change", ["UPDATE audit_log SET actor_id = 'nobody'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_no_statement_changes_or_deletes_an_entry(conn: Connection, tenant: Tenant, change: str) -> None:
    record(conn, tenant, Action.KEY_REVOKED)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
        conn.execute(change.encode())
    assert len(audit.page(conn, tenant.id, Filter(), limit=9).entries) == 1


def test_retention_deletes_old_entries_and_no_others(conn: Connection, tenant: Tenant) -> None:
    record(conn, tenant, Action.KEY_REVOKED)
    assert audit.purge(conn, days=1, limit=9) == 0
    assert audit.purge(conn, days=0, limit=9) == 0, "what is not older than now"
    assert len(audit.page(conn, tenant.id, Filter(), limit=9).entries) == 1
    assert audit.purge(conn, days=-1, limit=9) == 1
    assert audit.page(conn, tenant.id, Filter(), limit=9).entries == []
