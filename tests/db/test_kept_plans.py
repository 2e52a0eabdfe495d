"""Every statement of web and worker processes looks up by key, though its plan was made while the tables were empty.

A new function of `ingest.db` fails here until a call of it stands in one of the two tables of `tests.db.calls`.
"""

import inspect

import pytest

from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import WORKER, Connection, EnteredPool, Pool, open_pool, transaction
from ingest.db.data import (
    entities,
    entity_lookup,
    entity_rows,
    erasure,
    event_rows,
    events,
    first_events,
    growth,
    linked_objects,
    resealing,
    retention,
    scopes,
    states,
)
from ingest.db.data import stored as stored_rows
from ingest.db.jobs import (
    acceptance,
    blocks,
    children,
    claims,
    clear_items,
    completion,
    control,
    digests,
    drafts,
    durations,
    edited_items,
    errors,
    failed_items,
    failures,
    families,
    gone,
    holds,
    item_errors,
    item_warnings,
    items,
    kept,
    listing,
    lookup,
    open_jobs,
    open_uploads,
    outbox,
    parts,
    queue,
    receiving,
    requests,
    rescue,
    results,
    retries,
    timeline,
    trials,
    unreadable,
    uploads,
    writers,
)
from ingest.db.jobs import resealing as items_resealing
from ingest.db.tenants import audit, idempotency, key_changes, keys, mappings, readers, sessions, templates, tenants
from ingest.db.webhooks import deliveries, purging, recording, registry, sending
from ingest.db.webhooks import resealing as secrets_resealing
from tests.db.calls import BEHIND_THE_WALL, ITEMS, READS, ROWS, WRITES, Call, Stored, stored
from tests.support.factories import make_tenant

__all__ = ["stored"]

# Otherwise psycopg prepares the fifth execution, and Postgres keeps the plan of the fifth one after that.
_KEEP_THE_FIRST = "SET plan_cache_mode = force_generic_plan"
_MOST_READ = 1_000
# No index has the ids of requests: a look goes through so many jobs, twice. Likewise the jobs that wrote a row.
_READS_MORE = {"requests.find": 2 * requests.LOOKED_AT, "writers.find": writers.LOOKED_AT + _MOST_READ}

# The sweeper, `webhooks` and the command line prepare nothing: their statements are planned anew each time.
_PLANNED_ANEW = {
    *(f"retention.{name}" for name in ("purge_jobs", "purge_pages", "wanted")),
    *(f"retention.{name}" for name in ("purge_idempotency_keys", "purge_template_versions")),
    *("rescue.check_due_jobs", "rescue.end_overdue_sessions"),
    *(f"failures.{name}" for name in ("fail_after_failed", "fail_late", "fail_stuck", "fail_without_blocks")),
    *("gone.forget", "holds.settle", "outbox.take_left", "receiving.remove_abandoned", "parts.remove_abandoned"),
    *("uploads.expire", "uploads.forget"),
    *(f"tenants.{name}" for name in ("create", "everyone", "resume", "set_weight", "suspend")),
    *("audit.purge", "drafts.purge", "sessions.purge", "sessions.offer"),
    *(f"readers.{name}" for name in ("add", "everyone", "remove")),
    *(f"kept.{name}" for name in ("clock", "jobs", "next_block", "open_jobs", "replace")),
    *(f"digests.{name}" for name in ("count", "find", "write")),
    *("clear_items.jobs", "clear_items.next_items", "edited_items.next_items", "failed_items.erase_of_job"),
    *("open_uploads.ids", "open_uploads.next_block", "scopes.named"),
    *(f"resealing.{name}" for name in ("called_in", "called_personal", "count", "find", "lock", "write")),
    *(f"purging.{name}" for name in ("purge_deliveries", "purge_tests", "purge_webhooks")),
    *(f"sending.{name}" for name in ("claim", "keep_bodies", "mark")),
}
_MODULES = (
    *(acceptance, blocks, children, claims, completion, control, errors, families, gone, holds, items, listing, lookup),
    *(clear_items, digests, drafts, durations, edited_items, open_jobs, open_uploads, requests, scopes),
    *(failed_items, failures, item_errors, item_warnings, items_resealing, kept, unreadable),
    *(outbox, parts, queue, receiving, rescue, results, retries, timeline, trials, uploads, writers),
    *(entities, entity_lookup, entity_rows, erasure, event_rows, events, first_events, growth, linked_objects),
    *(resealing, retention, secrets_resealing, states, stored_rows),
    *(audit, idempotency, key_changes, keys, mappings, readers, sessions, templates, tenants),
    *(deliveries, purging, recording, registry, sending),
)

# Autovacuum comes when it likes, and the later a busy machine is with this test, the more it knows of by then.
_ONLY_WHEN_TOLD = """
DO $$ DECLARE name regclass; BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', name);
    END LOOP;
END $$
"""

# Retention may empty these tables, and autovacuum then notes that they are empty.
_EMPTIED = """
VACUUM ANALYZE jobs, job_blocks, job_drafts, job_errors, job_warnings, job_ends, job_timeline, idempotency_keys,
               uploads, upload_parts, gone_ids, webhooks, webhook_deliveries, webhook_tries, entities, states, events,
               event_entities
"""

_GROW = """
INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
SELECT gen_random_uuid(), {tenant}, '', 'e' || lpad(n::text, 6, '0'), 'player', '{{}}'
FROM generate_series(0, {rows} - 1) n ON CONFLICT DO NOTHING;
INSERT INTO states (tenant_id, entity_id, key, value)
SELECT tenant_id, id, 'k', '1' FROM entities ON CONFLICT DO NOTHING;
INSERT INTO events (id, public_id, tenant_id, type, properties, occurred_at, external_id)
SELECT nextval('events_id_seq'), gen_random_uuid(), {tenant}, 'session', '{{}}', now(), external_id FROM entities
ON CONFLICT DO NOTHING;
INSERT INTO event_entities (tenant_id, entity_id, occurred_at, event_id)
SELECT {tenant}, e.id, v.occurred_at, v.id
FROM (SELECT id, row_number() OVER () AS n FROM entities) e
JOIN (SELECT id, occurred_at, row_number() OVER () AS n FROM events) v USING (n) ON CONFLICT DO NOTHING;
INSERT INTO event_entities (tenant_id, entity_id, occurred_at, event_id)
SELECT {tenant}, e.id, v.occurred_at, v.id FROM entities e CROSS JOIN events v WHERE e.external_id = 'e000001'
ON CONFLICT DO NOTHING;
INSERT INTO idempotency_keys (tenant_id, endpoint, key_hash, fingerprint)
SELECT {tenant}, 'writeStates', sha256(('x' || n)::bytea), sha256('') FROM generate_series(1, {rows}) n;
INSERT INTO tenants (public_id, name, workspace_id, workspace_name)
SELECT gen_random_uuid(), 'x', gen_random_uuid(), 'x' FROM generate_series(1, {rows});
INSERT INTO api_keys (id, tenant_id, hash, prefix, label)
SELECT gen_random_uuid(), id, sha256(public_id::text::bytea), 'oh_live', 'x' FROM tenants;
INSERT INTO templates (tenant_id, slug, name, version, schema)
SELECT id, 'tpl_own', 'x', '1', (SELECT schema FROM templates LIMIT 1) FROM tenants WHERE id <> {tenant};
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, status, total, blocks_open, created, unprocessed,
                  ended_at, options)
SELECT gen_random_uuid(), {tenant}, 'entities', false, '', false, 'completed', 1, 0, 1, 0, now(), '{{"label": "y"}}'
FROM generate_series(1, {rows});
INSERT INTO job_errors (tenant_id, job_id, index, code, message) SELECT tenant_id, id, 0, '', '' FROM jobs
ON CONFLICT DO NOTHING;
INSERT INTO job_warnings (tenant_id, job_id, index, no, code, message) SELECT tenant_id, id, 0, 0, '', '' FROM jobs
ON CONFLICT DO NOTHING;
INSERT INTO job_drafts (tenant_id, job_id, index, edit, sealed, dropped, version, editor)
SELECT tenant_id, id, 0, '', false, false, 1, '' FROM jobs ON CONFLICT DO NOTHING;
INSERT INTO console_mappings (tenant_id, name, mapping) SELECT id, 'x', '{{}}' FROM tenants WHERE id <> {tenant};
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, blocks_open, unprocessed, after_job_id)
SELECT gen_random_uuid(), {tenant}, 'entities', false, '', false, 1, 1, 1,
       CASE WHEN n % 2 = 0 THEN '{waiting}'::uuid END
FROM generate_series(1, {rows} / 4) n;
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, total, blocks_open, unprocessed, status, queued_at)
SELECT gen_random_uuid(), {other}, 'events', false, '', false, 2, 2, 2, 'processing', now() + interval '1 second'
FROM generate_series(1, {rows} / 4);
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload, open)
SELECT j.tenant_id, j.id, 0, 0, 1, '', j.ended_at IS NULL FROM jobs j ON CONFLICT DO NOTHING;
INSERT INTO uploads (id, tenant_id, job_id, status, content_type, coding)
SELECT gen_random_uuid(), tenant_id, id, 'completed', '', '' FROM jobs ON CONFLICT DO NOTHING;
INSERT INTO gone_ids (id, tenant_id) SELECT gen_random_uuid(), {tenant} FROM generate_series(1, {rows});
INSERT INTO upload_parts (tenant_id, id, upload_id, number, part, whole, digest)
SELECT tenant_id, gen_random_uuid(), id, 1, 1, true, sha256('') FROM uploads ON CONFLICT DO NOTHING;
INSERT INTO console_sessions (hash, tenant_id, key_id, begun, expires_at)
SELECT sha256(n::text::bytea), k.tenant_id, k.id, true, now()
FROM (SELECT * FROM api_keys LIMIT 1) k, generate_series(1, {rows} / 2) n ON CONFLICT DO NOTHING;
INSERT INTO webhooks (id, tenant_id, url, events, secret)
SELECT gen_random_uuid(), id, '', '{{job.completed}}', '' FROM tenants WHERE id <> {tenant};
WITH told AS (
    INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, status, total, blocks_open, created, unprocessed,
                      ended_at)
    SELECT gen_random_uuid(), tenant_id, 'entities', false, '', false, 'completed', 1, 0, 1, 0, now() FROM webhooks
    RETURNING id, tenant_id
)
INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, job_id, lane, event, occurred_at)
SELECT gen_random_uuid(), w.id, w.tenant_id, j.id, w.id, '', now() FROM webhooks w JOIN told j USING (tenant_id)
ON CONFLICT DO NOTHING;
INSERT INTO audit_log (tenant_id, actor_kind, actor_id, actor_label, action, object_kind, object_id, details)
SELECT CASE WHEN n % 2 = 0 THEN {tenant} ELSE {other} END, 'key', '', '', 'key.created', 'key', '', '{{}}'
FROM generate_series(1, {rows}) n;
INSERT INTO webhook_tries (tenant_id, delivery_id, number)
SELECT tenant_id, id, 1 FROM webhook_deliveries ON CONFLICT DO NOTHING;
"""


def _read(conn: Connection) -> int:
    """Return how many rows this transaction has read."""
    query = "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables"
    [(rows,)] = conn.execute(query, prepare=False).fetchall()
    return int(str(rows))


def _rows_read(pool: Pool, call: Call, stored: Stored) -> int:
    with transaction(pool) as conn:
        conn.execute("SELECT pg_stat_force_next_flush()", prepare=False)  # what came before is not this transaction's
    with transaction(pool) as conn:
        before = _read(conn)
        call(conn, stored)
        return _read(conn) - before


@pytest.mark.parametrize("analyzed", [_EMPTIED, "VACUUM ANALYZE"], ids=["some tables", "all tables"])
def test_a_plan_made_while_the_tables_were_empty_reads_few_rows_of_full_ones(
    database_url: str, observer: Connection, stored: Stored, analyzed: str
) -> None:
    observer.execute(_ONLY_WHEN_TOLD)
    observer.execute(analyzed.encode())
    with open_pool(database_url, WORKER, size=1) as worker, open_pool(database_url, "sluice-web", size=1) as web:
        for pool in (worker, web):
            with transaction(pool) as conn:
                conn.prepare_threshold = 0
                conn.execute(_KEEP_THE_FIRST)
        behind = EnteredPool(web, of_tenant(stored.tenant.id))
        calls: list[tuple[Pool, str, Call]] = []
        for name, call in {**READS, **WRITES}.items():
            calls.append((worker, name, call))
            if name in BEHIND_THE_WALL:
                calls.append((behind, f"{name} behind the wall", call))
        for pool, _, call in calls:
            with transaction(pool) as conn:
                call(conn, stored)
        with transaction(worker) as conn:
            other, _ = make_tenant(conn)
        growth = _GROW.format(tenant=stored.tenant.id, other=other.id, waiting=stored.waiting, rows=ROWS)
        observer.execute(growth.encode())
        first = "SELECT id FROM entities ORDER BY external_id LIMIT 100"
        stored.entity_ids, stored.items = [int(str(row[0])) for row in observer.execute(first)], ITEMS
        read = {name: _rows_read(pool, call, stored) for pool, name, call in calls}
        most = {name: _READS_MORE.get(name.removesuffix(" behind the wall"), _MOST_READ) for name in read}
        assert {name: rows for name, rows in read.items() if rows > most[name]} == {}


# The calls of one file are made by a connection of their own, each first while these tables have not a page: to the
# planner any index of such a table costs the same.
_DATA = "entities, states, events, event_entities"
_OF_DATA = {"entities", "entity_lookup", "entity_rows", "event_rows", "events", "first_events", "growth", "states"}
_GROW_DATA = """
INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
SELECT gen_random_uuid(), {tenant}, '', 'e' || lpad(n::text, 6, '0'), 'player', '{{}}' FROM generate_series(1, {rows}) n
ON CONFLICT DO NOTHING
"""


def test_a_plan_made_while_no_entity_was_there_reads_few_of_many(
    database_url: str, observer: Connection, stored: Stored
) -> None:
    observer.execute(_ONLY_WHEN_TOLD)
    read = {}
    for name, call in {**READS, **WRITES}.items():
        if name.partition(".")[0] not in _OF_DATA:
            continue
        observer.execute(f"TRUNCATE {_DATA}".encode())
        observer.execute(f"VACUUM ANALYZE {_DATA}".encode())
        with open_pool(database_url, WORKER, size=1) as pool:
            with transaction(pool) as conn:
                conn.prepare_threshold = 0
                conn.execute(_KEEP_THE_FIRST)
            with transaction(pool) as conn:
                call(conn, stored)
            observer.execute(_GROW_DATA.format(tenant=stored.tenant.id, rows=ROWS).encode())
            read[name] = _rows_read(pool, call, stored)
    assert {name: rows for name, rows in read.items() if rows > _MOST_READ} == {}


# Processes of the version before need these: triggers and defaults that find the tenant of a row
# (0054_tenants_of_rows.sql), and the index by which they accept a batch (0065_indexes_of_parents.sql).
_FALLBACKS = """
SELECT 'DROP INDEX jobs_id_key'
UNION ALL
SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE tgname LIKE '%\\_tenant'
UNION ALL
SELECT format('ALTER TABLE %s ALTER tenant_id DROP DEFAULT', adrelid::regclass)
FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE attname = 'tenant_id'
"""


def test_no_statement_needs_what_stands_for_the_version_before(
    pool: Pool, observer: Connection, stored: Stored
) -> None:
    fallbacks = observer.execute(_FALLBACKS).fetchall()
    assert len(fallbacks) == 10
    for (statement,) in fallbacks:
        observer.execute(str(statement).encode())
    for call in {**READS, **WRITES}.values():
        with transaction(pool) as conn:
            call(conn, stored)


def test_each_function_that_executes_statements_has_a_call_here() -> None:
    functions = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in _MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and "conn" in inspect.signature(function).parameters
    }
    assert {name.split()[0] for name in (*READS, *WRITES)} | _PLANNED_ANEW == functions
