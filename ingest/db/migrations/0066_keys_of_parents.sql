-- Each paragraph is a transaction of its own.

-- A row names what it belongs to by its id and its own tenant: Postgres refuses a row of one tenant that belongs to another's.
-- The new foreign key stands before the former one goes, and rows of before are looked through while others are written.
CREATE OR REPLACE PROCEDURE refer_within_tenant(of_table text, reference text, parent text) LANGUAGE plpgsql AS $$
DECLARE
    former   constant text := format('%s_%s_fkey', of_table, reference);
    composed constant text := format('%s_%s_tenant_id_fkey', of_table, reference);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = of_table::regclass AND conname = composed) THEN
        CALL with_brief_locks(format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY (%I, tenant_id)
            REFERENCES %I (id, tenant_id) ON DELETE CASCADE NOT VALID', of_table, composed, reference, parent));
        COMMIT;
    END IF;
    EXECUTE format('ALTER TABLE %I VALIDATE CONSTRAINT %I', of_table, composed);
    COMMIT;
    CALL with_brief_locks(format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS %I', of_table, former));
END $$;

CALL refer_within_tenant('job_blocks', 'job_id', 'jobs');

CALL refer_within_tenant('job_errors', 'job_id', 'jobs');

CALL refer_within_tenant('job_warnings', 'job_id', 'jobs');

CALL refer_within_tenant('job_timeline', 'job_id', 'jobs');

CALL refer_within_tenant('job_drafts', 'job_id', 'jobs');

CALL refer_within_tenant('uploads', 'job_id', 'jobs');

CALL refer_within_tenant('upload_parts', 'upload_id', 'uploads');

CALL refer_within_tenant('webhooks', 'job_id', 'jobs');

CALL refer_within_tenant('webhook_deliveries', 'job_id', 'jobs');

CALL refer_within_tenant('webhook_deliveries', 'webhook_id', 'webhooks');

CALL refer_within_tenant('webhook_tries', 'delivery_id', 'webhook_deliveries');

-- An operator's session has neither a key nor a tenant: Postgres checks no reference of which a part is null.
CALL refer_within_tenant('console_sessions', 'key_id', 'api_keys');

DROP PROCEDURE refer_within_tenant;

-- Where the key has the tenant already, since this ran before, the new index is one too many.
CREATE OR REPLACE PROCEDURE swap_key(of_table text, key text, kind text) LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
               WHERE conrelid = of_table::regclass AND conname = key AND attname = 'tenant_id') THEN
        CALL with_brief_locks(format('DROP INDEX IF EXISTS %I', key || '_new'));
    ELSE
        CALL with_brief_locks(format('ALTER TABLE %1$I DROP CONSTRAINT %2$I;
            ALTER TABLE %1$I ADD CONSTRAINT %2$I %3$s USING INDEX %4$I', of_table, key, kind, key || '_new'));
    END IF;
END $$;

CALL swap_key('jobs', 'jobs_pkey', 'PRIMARY KEY');

CALL swap_key('uploads', 'uploads_pkey', 'PRIMARY KEY');

CALL swap_key('webhooks', 'webhooks_pkey', 'PRIMARY KEY');

CALL swap_key('webhook_deliveries', 'webhook_deliveries_pkey', 'PRIMARY KEY');

CALL swap_key('webhook_deliveries', 'webhook_deliveries_id_key', 'UNIQUE');

CALL swap_key('api_keys', 'api_keys_pkey', 'PRIMARY KEY');

CALL swap_key('gone_ids', 'gone_ids_pkey', 'PRIMARY KEY');

CALL swap_key('uploads', 'uploads_job_id_key', 'UNIQUE');

CALL swap_key('upload_parts', 'upload_parts_number_key', 'UNIQUE');

CALL swap_key('webhooks', 'webhooks_job_id_key', 'UNIQUE');

DROP PROCEDURE swap_key;

CREATE OR REPLACE PROCEDURE swap_index(name text) LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(name || '_new') IS NOT NULL THEN
        CALL with_brief_locks(format('DROP INDEX IF EXISTS %1$I; ALTER INDEX %2$I RENAME TO %1$I', name, name || '_new'));
    END IF;
END $$;

CALL swap_index('webhook_deliveries_job_idx');

CALL swap_index('console_sessions_key_id_idx');

DROP PROCEDURE swap_index;
