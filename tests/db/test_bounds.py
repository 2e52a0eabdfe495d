"""A statement that changes at most so many rows keeps to that, whatever plan Postgres makes of it.

Postgres may execute `IN (SELECT … LIMIT … FOR UPDATE)` anew for each row of the outer table. Each time it passes over
the rows that the statement has changed itself, and returns the next ones.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from ingest.db.connection.pool import Connection
from ingest.db.data import retention
from ingest.db.jobs import drafts, failures, gone, parts, receiving, uploads
from ingest.db.tenants import audit, idempotency, templates
from ingest.db.tenants.audit import Action, Actor
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import deliveries, purging, registry, sending
from ingest.ids import uuid7
from ingest.jobs import JobOptions
from ingest.webhooks.message import EVENTS
from tests.support.factories import accept, accept_failed, begin_part, entity, new_upload

_ROWS = 5
_LIMIT = 2

# A nested loop whose inner side is executed for each row of the outer one.
_ANEW = ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "indexscan", "bitmapscan", "indexonlyscan")


def _old_keys(conn: Connection, tenant: Tenant) -> None:
    for number in range(_ROWS):
        key = idempotency.Key(tenant.id, "writeEntities", sha256(b"%d" % number).digest())
        idempotency.remember(conn, key, bytes(32), idempotency.Answer())
    conn.execute("UPDATE idempotency_keys SET created_at = created_at - interval '2 days'")


def _ended_jobs(conn: Connection, tenant: Tenant) -> None:
    for _ in range(_ROWS):
        accept(conn, tenant, "entities", [entity(1)])
    conn.execute("UPDATE jobs SET status = 'cancelled', ended_at = now() - interval '2 days'")


def _gone_jobs(conn: Connection, tenant: Tenant) -> None:
    _ended_jobs(conn, tenant)
    assert retention.purge_jobs(conn, days=1, limit=_ROWS) == _ROWS
    conn.execute("UPDATE gone_ids SET gone_at = gone_at - interval '1 year'")


def _stuck_jobs(conn: Connection, tenant: Tenant) -> None:
    for _ in range(_ROWS):
        accept(conn, tenant, "entities", [entity(1)])
    conn.execute("UPDATE jobs SET status = 'processing', check_at = now(), progressed_at = now() - interval '2 days'")
    conn.execute("UPDATE job_blocks SET deliveries = 9")


def _late_jobs(conn: Connection, tenant: Tenant) -> None:
    for _ in range(_ROWS):
        accept(conn, tenant, "entities", [entity(1)], options=JobOptions(deadline_seconds=1))
    conn.execute("UPDATE jobs SET deadline_at = now()")


def _old_uploads(conn: Connection, tenant: Tenant) -> None:
    for _ in range(_ROWS):
        new_upload(conn, tenant)
    conn.execute("UPDATE uploads SET heard_at = heard_at - interval '1 year'")


def _gone_uploads(conn: Connection, tenant: Tenant) -> None:
    _old_uploads(conn, tenant)
    assert uploads.expire(conn, limit=_ROWS) == _ROWS


def _parts_left(conn: Connection, tenant: Tenant) -> None:
    upload_id = new_upload(conn, tenant)
    for part in range(1, _ROWS + 1):
        begin_part(conn, upload_id, part)
    conn.execute("UPDATE upload_parts SET touched_at = touched_at - interval '1 hour'")


def _replaced_versions(conn: Connection, tenant: Tenant) -> None:
    schema: dict[str, Any] = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}
    for number in range(_ROWS + 1):
        templates.store(conn, tenant.id, "tpl_own", name="Own", version=str(number), schema=schema)
    conn.execute("UPDATE templates SET created_at = created_at - interval '1 hour'")


def _tried_versions(conn: Connection, tenant: Tenant) -> None:
    for _ in range(_ROWS):
        templates.store_trial(conn, tenant.id, tenant.template_id or 0, None)
    conn.execute("UPDATE templates SET created_at = created_at - interval '1 hour' WHERE trial")


_WANTED: dict[str, Any] = {"url": "https://x.example", "events": EVENTS, "description": None, "secret": "x"}


def _old_deliveries(conn: Connection, tenant: Tenant) -> UUID:
    webhook = registry.create(conn, uuid7(), tenant.id, **_WANTED)
    for _ in range(_ROWS):
        deliveries.add_test(conn, webhook.id)
    conn.execute("UPDATE webhook_deliveries SET occurred_at = occurred_at - interval '2 days'")
    return webhook.id


def _deliveries_of_deleted(conn: Connection, tenant: Tenant) -> None:
    registry.delete(conn, tenant.id, _old_deliveries(conn, tenant))


def _deleted_webhooks(conn: Connection, tenant: Tenant) -> None:
    for _ in range(_ROWS):
        registry.delete(conn, tenant.id, registry.create(conn, uuid7(), tenant.id, **_WANTED).id)


def _old_entries(conn: Connection, tenant: Tenant) -> None:
    conn.execute("SET LOCAL session_replication_role = replica")  # past the trigger that keeps them
    for _ in range(_ROWS):
        audit.record(conn, Actor("command", "x", "x"), Action.TENANT_RESUMED, "x", tenant_id=tenant.id)
    conn.execute("UPDATE audit_log SET at = at - interval '2 days'")
    conn.execute("SET LOCAL session_replication_role = origin")


def _old_drafts(conn: Connection, tenant: Tenant) -> None:
    job_id = accept_failed(conn, tenant, _ROWS)
    edited = [drafts.Draft(index, b"{}", sealed=False, dropped=False, version=0) for index in range(_ROWS)]
    drafts.store(conn, tenant.id, job_id, edited, editor="ada")
    conn.execute("UPDATE job_drafts SET edited_at = edited_at - interval '2 days'")


_BOUNDED: dict[str, tuple[Callable[[Connection, Tenant], object], Callable[[Connection], int]]] = {
    "idempotency keys": (_old_keys, lambda conn: retention.purge_idempotency_keys(conn, limit=_LIMIT)),
    "audit entries": (_old_entries, lambda conn: audit.purge(conn, days=1, limit=_LIMIT)),
    "drafts": (_old_drafts, lambda conn: drafts.purge(conn, days=1, limit=_LIMIT)),
    "uploads to expire": (_old_uploads, lambda conn: uploads.expire(conn, limit=_LIMIT)),
    "uploads to forget": (_gone_uploads, lambda conn: uploads.forget(conn, limit=_LIMIT)),
    "parts left": (_parts_left, lambda conn: parts.remove_abandoned(conn, limit=_LIMIT)),
    "jobs left": (_gone_uploads, lambda conn: receiving.remove_abandoned(conn, limit=_LIMIT, seconds=-1)),
    "deliveries": (_deliveries_of_deleted, lambda conn: purging.purge_deliveries(conn, limit=_LIMIT)),
    "tests of webhooks": (_old_deliveries, lambda conn: purging.purge_tests(conn, days=1, limit=_LIMIT)),
    "webhooks": (_deleted_webhooks, lambda conn: purging.purge_webhooks(conn, limit=_LIMIT)),
    "messages": (_old_deliveries, lambda conn: len(sending.claim(conn, under_way=[], room=sending.Room(32 * _LIMIT)))),
    "jobs": (_ended_jobs, lambda conn: retention.purge_jobs(conn, days=1, limit=_LIMIT)),
    "gone ids": (_gone_jobs, lambda conn: gone.forget(conn, limit=_LIMIT)),
    "template versions": (_replaced_versions, lambda conn: retention.purge_template_versions(conn, limit=_LIMIT)),
    "tried versions": (_tried_versions, lambda conn: retention.purge_template_versions(conn, limit=_LIMIT)),
    "late jobs": (_late_jobs, lambda conn: len(failures.fail_late(conn, limit=_LIMIT))),
    "stuck jobs": (_stuck_jobs, lambda conn: len(failures.fail_stuck(conn, seconds=60, limit=_LIMIT))),
}


@pytest.mark.parametrize("name", _BOUNDED)
def test_a_bounded_statement_keeps_to_its_bound_by_any_plan(conn: Connection, tenant: Tenant, name: str) -> None:
    fill, change = _BOUNDED[name]
    fill(conn, tenant)
    for setting in _ANEW:
        conn.execute(f"SET LOCAL enable_{setting} = off".encode())
    assert [change(conn) for _ in range(4)] == [2, 2, 1, 0]
