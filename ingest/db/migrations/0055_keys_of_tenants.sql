-- Each paragraph is a transaction of its own.

-- What is left of a build that failed goes first.
DO $$
DECLARE
    failed regclass;
BEGIN
    FOR failed IN SELECT indexrelid FROM pg_index WHERE NOT indisvalid AND indexrelid IN (
        to_regclass('states_pkey_new'), to_regclass('event_entities_pkey_new'), to_regclass('job_blocks_pkey_new'),
        to_regclass('job_errors_pkey_new'), to_regclass('job_warnings_pkey_new'), to_regclass('job_timeline_pkey_new'),
        to_regclass('job_ends_pkey_new'), to_regclass('upload_parts_pkey_new'), to_regclass('webhook_tries_pkey_new'),
        to_regclass('webhook_tries_delivery_id_number_key'))
    LOOP
        EXECUTE format('DROP INDEX %s', failed);
    END LOOP;
END $$;

-- Have no row without a tenant: looked for while rows are written, so that the column's NOT NULL need not look.
CREATE OR REPLACE PROCEDURE require_tenants(of_table text) LANGUAGE plpgsql AS $$
BEGIN
    CALL with_brief_locks(format('ALTER TABLE %1$I DROP CONSTRAINT IF EXISTS %1$s_has_tenant,
        ADD CONSTRAINT %1$s_has_tenant CHECK (tenant_id IS NOT NULL) NOT VALID', of_table));
    COMMIT;
    EXECUTE format('ALTER TABLE %1$I VALIDATE CONSTRAINT %1$s_has_tenant', of_table);
    COMMIT;
    CALL with_brief_locks(format('ALTER TABLE %1$I ALTER tenant_id SET NOT NULL;
        ALTER TABLE %1$I DROP CONSTRAINT %1$s_has_tenant', of_table));
END $$;

CALL require_tenants('states');

CALL require_tenants('event_entities');

CALL require_tenants('job_blocks');

CALL require_tenants('job_errors');

CALL require_tenants('job_warnings');

CALL require_tenants('job_timeline');

CALL require_tenants('job_ends');

CALL require_tenants('upload_parts');

CALL require_tenants('webhook_tries');

DROP PROCEDURE require_tenants;

-- Primary keys with the tenant, as a partitioned table needs them. It comes last: statements of processes of the version
-- before, which do not name it, go on finding their rows by the columns before it, and no index more need stay for them.
CREATE OR REPLACE PROCEDURE swap_key(of_table text) LANGUAGE plpgsql AS $$
BEGIN
    CALL with_brief_locks(format('ALTER TABLE %1$I DROP CONSTRAINT %1$s_pkey;
        ALTER TABLE %1$I ADD CONSTRAINT %1$s_pkey PRIMARY KEY USING INDEX %1$s_pkey_new', of_table));
END $$;

-- An entity's states: upserts and reads.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS states_pkey_new ON states (entity_id, key, tenant_id);

CALL swap_key('states');

-- An entity's events, newest first.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS event_entities_pkey_new ON event_entities (entity_id, occurred_at, event_id, qualifier, tenant_id);

CALL swap_key('event_entities');

-- A job's blocks, in order.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS job_blocks_pkey_new ON job_blocks (job_id, no, tenant_id);

CALL swap_key('job_blocks');

-- A job's item errors, in order.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS job_errors_pkey_new ON job_errors (job_id, index, tenant_id);

CALL swap_key('job_errors');

-- A job's warnings, in order.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS job_warnings_pkey_new ON job_warnings (job_id, index, no, tenant_id);

CALL swap_key('job_warnings');

-- A job's timeline, a page at a time.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS job_timeline_pkey_new ON job_timeline (job_id, at, no, tenant_id);

CALL swap_key('job_timeline');

-- The end of a job.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS job_ends_pkey_new ON job_ends (job_id, tenant_id);

CALL swap_key('job_ends');

-- An attempt at a part.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS upload_parts_pkey_new ON upload_parts (id, tenant_id);

CALL swap_key('upload_parts');

-- The tries of a message, in order.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS webhook_tries_pkey_new ON webhook_tries (delivery_id, number, tenant_id);

-- Processes of the version before: a try that was begun twice. It goes with the triggers of 0054.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS webhook_tries_delivery_id_number_key ON webhook_tries (delivery_id, number);

CALL swap_key('webhook_tries');

DROP PROCEDURE swap_key;
