-- Behind the wall between tenants (ingest/db/connection/walls.py), a request that sends a key says by it whose it is: its
-- transaction has the rows of the tenant that the key opens, or of nobody. It runs as its owner, who sees all keys.
CREATE FUNCTION enter_by_key(key_hash bytea) RETURNS text LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT set_config('sluice.tenant', coalesce((SELECT tenant_id FROM api_keys WHERE hash = key_hash)::text, ''), true);
END;

-- What the place of a job in the queue is reckoned from: how much there is to do, and was done, for all tenants. It shows
-- no more of another tenant's jobs, and it is read with the rights of its owner.
CREATE VIEW jobs_counted AS
SELECT tenant_id, kind, status, seq, total, unprocessed, started_at, progressed_at, ended_at, on_hold_since FROM jobs;

-- Jobs with a label, by which lists look them up. To reach into a document is no leakproof operation, so that Postgres would
-- compare labels only behind the wall, after it has read all labelled jobs. So this view has the rights of its owner, and says
-- itself what `sluice_app` may see.
CREATE VIEW jobs_labelled AS
SELECT * FROM jobs
WHERE options ->> 'label' IS NOT NULL
  AND (current_user <> 'sluice_app' OR tenant_id = nullif(current_setting('sluice.tenant', true), '')::integer);
