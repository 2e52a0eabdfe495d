-- Each paragraph is a transaction of its own.

-- What is left of a build that failed goes first.
DO $$
DECLARE
    failed regclass;
BEGIN
    FOR failed IN SELECT indexrelid FROM pg_index WHERE NOT indisvalid AND indexrelid IN (
        to_regclass('jobs_pkey_new'), to_regclass('jobs_id_key'), to_regclass('uploads_pkey_new'),
        to_regclass('webhooks_pkey_new'), to_regclass('webhook_deliveries_pkey_new'),
        to_regclass('webhook_deliveries_id_key_new'), to_regclass('api_keys_pkey_new'), to_regclass('gone_ids_pkey_new'),
        to_regclass('uploads_job_id_key_new'), to_regclass('upload_parts_number_key_new'),
        to_regclass('webhooks_job_id_key_new'), to_regclass('webhook_deliveries_job_idx_new'),
        to_regclass('console_sessions_key_id_idx_new'))
    LOOP
        EXECUTE format('DROP INDEX %s', failed);
    END LOOP;
END $$;

-- The next migration has these indexes take the place of those without the tenant. It comes last, so that a row is found by its
-- id as before, and no index more need stay for that.

-- A job, by its id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS jobs_pkey_new ON jobs (id, tenant_id);

-- Processes of the version before: ON CONFLICT (id), where they accept a batch. It goes with the triggers of 0054.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS jobs_id_key ON jobs (id);

-- An upload, by its id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uploads_pkey_new ON uploads (id, tenant_id);

-- A webhook, by its id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS webhooks_pkey_new ON webhooks (id, tenant_id);

-- The list of a webhook's deliveries, and their deletion with it.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS webhook_deliveries_pkey_new ON webhook_deliveries (webhook_id, seq, tenant_id);

-- A delivery, by its id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS webhook_deliveries_id_key_new ON webhook_deliveries (id, tenant_id);

-- A key, by its id. A request looks it up by its hash, which has an index of its own.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS api_keys_pkey_new ON api_keys (id, tenant_id);

-- A job or an upload that is gone, by its id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS gone_ids_pkey_new ON gone_ids (id, tenant_id);

-- The deletion of a row deletes those that name it and its tenant. While few rows are there, a plan that is kept could as well look
-- for the tenant alone, by the index of the table's own key: so the indexes of references have both, and they are built
-- after those, since of two that seem equal Postgres takes the younger one.

-- The upload of a job.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uploads_job_id_key_new ON uploads (job_id, tenant_id);

-- The attempts of an upload, in order.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS upload_parts_number_key_new ON upload_parts (upload_id, number, tenant_id);

-- The callback of a job.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS webhooks_job_id_key_new ON webhooks (job_id, tenant_id);

-- The deletion of a job.
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_deliveries_job_idx_new ON webhook_deliveries (job_id, tenant_id)
    WHERE job_id IS NOT NULL;

-- Sessions of a key that goes, or that has begun too many.
CREATE INDEX CONCURRENTLY IF NOT EXISTS console_sessions_key_id_idx_new ON console_sessions (key_id, tenant_id)
    WHERE key_id IS NOT NULL;
