"""Each table of the schema is checked by verify, emptied by an erasure and purged by the sweeper, or says why not.

A new table fails here until `_fill` brings a row into it as the product would, and each of the three knows it.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from hashlib import sha256
from uuid import UUID

import pytest
from psycopg.errors import ForeignKeyViolation

from ingest.crypto import MasterKeys
from ingest.db import verify
from ingest.db.connection.pool import Connection, Pool, connect, transaction
from ingest.db.data import entity_lookup, erasure, retention
from ingest.db.jobs import control, drafts
from ingest.db.jobs.drafts import Draft
from ingest.db.tenants import audit, idempotency, mappings, readers, sessions, templates, tenants
from ingest.db.tenants.audit import Action, Actor
from ingest.db.tenants.idempotency import Answer, Key
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import sending
from ingest.engine import webhooks
from ingest.engine.executor import Executor
from ingest.ids import uuid7
from ingest.items.entities import SCOPE
from ingest.settings import Settings
from ingest.webhooks.message import EVENTS
from tests.support.factories import MASTER_KEYS, entity, event, make_tenant, new_upload, state, store_part
from worker.sweep import Sweep

# Tables that no check of `sluice verify` reads.
_NOT_VERIFIED = {
    "api_keys": "its constraints hold all that could be wrong with a key",
    "readers": "its constraints hold all that could be wrong with a reader",
    "audit_log": "an entry stands for itself: a trigger keeps it as it was written",
    "console_sessions": "its constraints hold all that could be wrong with a session",
    "console_mappings": "its constraints hold all that could be wrong with a mapping",
}

# Tables that may hold rows of an entity, or its data, once it was deleted.
_NOT_ERASED = {
    "tenants": "it holds nothing that was sent as an item",
    "api_keys": "it holds nothing that was sent as an item",
    "console_sessions": "it holds nothing that was sent as an item",
    "readers": "it holds nothing that was sent as an item",
    "audit_log": "it holds nothing that was sent as an item",
    "templates": "it holds nothing that was sent as an item",
    "jobs": "it counts items, and holds none",
    "job_blocks": "the items go when their block is closed; of jobs that ended before, by `sluice entities erase`",
    "job_ends": "it holds nothing that was sent as an item",
    "job_errors": "the texts of failed items are erased by ingest.db.jobs.failed_items, where they are encrypted",
    "job_drafts": "edits of failed items are erased with their texts by ingest.db.jobs.failed_items and edited_items",
    "console_mappings": "it holds names of columns",
    "job_warnings": "what a client was told of its batch goes with the job, by retention",
    "job_timeline": "it holds nothing that was sent as an item",
    "events": "events outlive their entity (docs/contracts/operator.md section 3)",
    "event_entities": "events outlive their entity (docs/contracts/operator.md section 3)",
    "idempotency_keys": "it holds ids, and hashes of the rest",
    "uploads": "it holds nothing that was sent as an item",
    "gone_ids": "it holds ids of jobs and uploads",
    "upload_parts": "it counts items and has a hash of them; their blocks are those of a job",
    "webhooks": "it holds nothing that was sent as an item",
    "webhook_deliveries": "what a webhook was told of a job, which names no item, goes with the job",
    "webhook_tries": "it holds nothing that was sent as an item",
}

# Tables of which no retention deletes all rows.
_NOT_PURGED = {
    "tenants": "a tenant is suspended, and never deleted",
    "api_keys": "a key is revoked, and stays on the list of its tenant's keys",
    "readers": "a reader stays until a command removes it",
    "templates": "the newest version of a template stays; replaced ones go",
    "entities": "an entity stays until its client deletes it; retention is of events and states",
    "webhooks": "a webhook stays until its client deletes it; a callback goes with its job",
    "console_mappings": "a mapping stays until somebody deletes it",
}

# Tables that may hold rows of no tenant, or of all.
_NOT_OF_A_TENANT = {
    "tenants": "a row is a tenant",
    "templates": "a template without a tenant is built in",
    "audit_log": "an entry without a tenant is about the installation itself",
    "console_sessions": "a session without a tenant is an operator's, who sees all",
}

# References that do not name the tenant.
_REFERENCE_TO_ALL = {"tenants_template_id_fkey": "a template without a tenant is built in"}

# Tables of which each row belongs to a row of another table.
_BELONGING = (
    *("job_blocks", "job_drafts", "job_errors", "job_timeline", "job_warnings", "upload_parts", "uploads"),
    *("webhook_deliveries", "webhook_tries"),
)

# A text that stands in the data of an entity, and in whatever came with it.
_MARK = "hunter2"

_TABLES = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
AND relname <> 'sluice_migrations' ORDER BY relname
"""
_WITH_TENANT = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name = 'tenant_id' AND is_nullable = 'NO'
"""
_KEY_WITH_TENANT = """
SELECT relname FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
JOIN pg_attribute a ON a.attrelid = conrelid AND attnum = ANY (conkey)
WHERE contype = 'p' AND relnamespace = 'public'::regnamespace AND attname = 'tenant_id'
"""
_REFERENCE_WITHOUT_TENANT = """
SELECT conname FROM pg_constraint k
WHERE contype = 'f' AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)
                                    AND attname = 'tenant_id')
"""
_TIMES = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'sluice_migrations' AND data_type = 'timestamp with time zone'
"""
_NAMES_ENTITY = "SELECT table_name FROM information_schema.columns WHERE column_name = 'entity_id'"
_READ = "SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan + coalesce(idx_scan, 0) > 0"


def _fill(pool: Pool, owner: Tenant, submit: Callable[..., UUID], executor: Executor) -> None:
    """Bring rows into every table by the ways of the product: those of items are about one entity, with the mark."""
    with transaction(pool) as conn:
        for version in ("1", "2"):
            schema = {"entity_types": {}, "event_types": {}, "state_keys": [], "pii_fields": {}}
            templates.store(conn, owner.id, "tpl_own", name="Own", version=version, schema=schema)
    refused, with_warning = entity(2, entityType=_MARK), entity(1, data={"email": _MARK, "n": _MARK}, **{_MARK: 1})
    session = event(1, eventType="session", data={"text": _MARK})
    keys = MasterKeys.parse(MASTER_KEYS)
    with transaction(pool) as conn:
        actor = Actor("command", "root", "sluice tenants suspend")
        sessions.offer(conn, "root")
        audit.record(conn, actor, Action.TENANT_SUSPENDED, owner.public_id, tenant_id=owner.id)
        url = "https://hooks.example.com"
        wanted = {"url": url, "events": EVENTS, "description": None, "allow_private": False}
        webhooks.create(conn, keys, owner.id, **wanted)
    batches = {"entities": [with_warning, refused], "events": [session], "states": [state(1, value=_MARK)]}
    jobs = {kind: submit(kind, items) for kind, items in batches.items()}
    for job_id in jobs.values():
        executor.run(job_id, seconds=60)
    key = Key(owner.id, "upsertEntity", sha256(_MARK.encode()).digest())
    with transaction(pool) as conn:
        assert control.cancel(conn, submit("states", [state(1)]))
        past = submit("states", [state(1)])
        assert control.cancel(conn, past)
        conn.execute("UPDATE jobs SET ended_at = ended_at - interval '1 year' WHERE id = %s", (past,))
        assert retention.purge_jobs(conn, days=30, limit=1) == 1
        store_part(conn, new_upload(conn, owner), 1, json.dumps(entity(1)).encode() + b"\n")
        idempotency.remember(conn, key, sha256(b"").digest(), Answer(public_id=uuid7(), action="created"))
        edited = Draft(1, b"{}", sealed=False, dropped=False, version=0)
        assert drafts.store(conn, owner.id, jobs["entities"], [edited], editor="ada") == {1}
        mappings.save(conn, owner.id, "players", {})
        assert sending.claim(conn, under_way=[], room=sending.Room(2))


@pytest.fixture
def tables(
    pool: Pool, owner: Tenant, executor: Executor, observer: Connection, submit: Callable[..., UUID]
) -> Iterator[list[str]]:
    """The tables of the schema, each with a row."""
    _fill(pool, owner, submit, executor)
    reader = f"reader_{secrets.token_hex(4)}"  # roles are those of the server
    with transaction(pool) as conn:
        readers.add(conn, owner.id, reader)
    names = _names(observer, _TABLES)
    empty = [name for name in names if not _count(observer, name)]
    assert not empty, f"let _fill of {__file__} bring a row into these tables, as the product would: {empty}"
    yield names
    with transaction(pool) as conn:
        readers.remove(conn, reader)


def _names(observer: Connection, query: str) -> list[str]:
    return [str(row[0]) for row in observer.execute(query.encode())]


def _count(observer: Connection, table: str, condition: str = "true", **values: object) -> int:
    query = f"SELECT FROM {table} t WHERE {condition}"
    return observer.execute(query.encode(), values).rowcount


def test_verify_reads_every_table(database_url: str, tables: list[str]) -> None:
    with connect(database_url, "sluice-cli") as conn:
        assert list(verify.verify(conn, deadline_seconds=60, stuck_after_seconds=60, check_seconds=30))
        read = {str(name) for (name,) in conn.execute(_READ)}
    unread = [table for table in tables if table not in read and table not in _NOT_VERIFIED]
    assert not unread, f"add invariants of these to ingest/db/verify/, or a reason to _NOT_VERIFIED: {unread}"


def test_an_erasure_leaves_nothing_of_an_entity_in_any_table(
    pool: Pool, owner: Tenant, observer: Connection, tables: list[str]
) -> None:
    with transaction(pool) as conn:
        [entity_id] = entity_lookup.resolve(conn, owner.id, {SCOPE: ["player_000001"]})[SCOPE].values()
    naming = _names(observer, _NAMES_ENTITY)

    def rows(table: str) -> int:
        held = "position(%(mark)s IN t::text) > 0"
        named = f"{held} OR t.entity_id = %(entity_id)s" if table in naming else held
        return _count(observer, table, named, mark=_MARK, entity_id=entity_id)

    erased = [table for table in tables if table not in _NOT_ERASED]
    unmarked = [table for table in erased if not rows(table)]
    assert not unmarked, f"let _fill of {__file__} write the mark into these tables: {unmarked}"
    with transaction(pool) as conn:
        assert erasure.delete(conn, owner.id, "player_000001")
    left = [table for table in erased if rows(table)]
    assert not left, (
        f"let _DELETE of ingest/db/data/erasure.py erase rows of these, or add a reason to _NOT_ERASED: {left}"
    )


def test_retention_empties_every_table(
    settings: Settings, pool: Pool, owner: Tenant, observer: Connection, tables: list[str]
) -> None:
    with transaction(pool) as conn:
        tenants.configure(conn, owner.id, {"data_retention_days": 30})
    sweep = Sweep(settings)
    with connect(settings.database_url, "sluice-sweep") as conn:
        observer.execute("SET session_replication_role = replica")  # past the trigger that keeps the audit log
        for _ in range(2):  # the ids of purged jobs age in their turn
            for table, column in observer.execute(_TIMES).fetchall():
                observer.execute(f"UPDATE {table} SET {column} = {column} - interval '10 years'".encode())
            for _ in retention.TABLES:
                sweep.run_once(conn)
    left = [table for table in tables if table not in _NOT_PURGED and _count(observer, table)]
    assert not left, f"give these a retention in ingest/db/data/retention.py, or a reason in _NOT_PURGED: {left}"


def test_every_row_says_whose_it_is(observer: Connection) -> None:
    without = {*_names(observer, _TABLES)} - {*_names(observer, _WITH_TENANT)}
    assert without == _NOT_OF_A_TENANT.keys(), "give these a tenant_id NOT NULL, or a reason in _NOT_OF_A_TENANT"


def test_every_primary_key_has_the_tenant(observer: Connection) -> None:
    without = {*_names(observer, _TABLES)} - {*_names(observer, _KEY_WITH_TENANT)}
    assert without == _NOT_OF_A_TENANT.keys(), "add tenant_id to these keys, or a reason to _NOT_OF_A_TENANT"


def test_every_reference_has_the_tenant(observer: Connection) -> None:
    without = {*_names(observer, _REFERENCE_WITHOUT_TENANT)}
    assert without == _REFERENCE_TO_ALL.keys(), "add tenant_id to these foreign keys, or a reason to _REFERENCE_TO_ALL"


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("table", _BELONGING)
def test_no_row_can_belong_to_one_of_another_tenants(
    pool: Pool, owner: Tenant, observer: Connection, table: str
) -> None:
    with transaction(pool) as conn:
        other, _ = make_tenant(conn)
    change = f"UPDATE {table} SET tenant_id = %s WHERE tenant_id = %s"
    with pytest.raises(ForeignKeyViolation, match=f'on table "{table}" violates foreign key constraint "'):
        observer.execute(change.encode(), (other.id, owner.id))


def test_each_exemption_is_of_a_table_that_is_there(observer: Connection) -> None:
    assert {*_NOT_VERIFIED, *_NOT_ERASED, *_NOT_PURGED} <= set(_names(observer, _TABLES))
