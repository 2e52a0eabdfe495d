-- Each paragraph is a transaction of its own.

-- What is left of a build that failed goes first.
DO $$
DECLARE
    failed regclass;
BEGIN
    FOR failed IN SELECT indexrelid FROM pg_index WHERE NOT indisvalid AND indexrelid IN (
        to_regclass('jobs_open_idx_new'), to_regclass('jobs_unordered_idx_new'), to_regclass('jobs_on_hold_idx'))
    LOOP
        EXECUTE format('DROP INDEX %s', failed);
    END LOOP;
END $$;

-- Claims: a tenant's earliest open job of a kind, and whether one that was accepted earlier is still open.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_open_idx_new ON jobs (tenant_id, status, kind, seq)
    WHERE status IN ('pending', 'processing') AND on_hold_since IS NULL;

-- Claims: jobs that wait for no other may be anywhere among those that do.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_unordered_idx_new ON jobs (tenant_id, seq)
    WHERE status = 'pending' AND NOT ordered AND on_hold_since IS NULL;

-- Sweep: the jobs on hold, some a round. Progress changes none of its columns, so that it stays a HOT update.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_on_hold_idx ON jobs (tenant_id, seq)
    WHERE status IN ('pending', 'paused') AND on_hold_since IS NOT NULL;

-- The new ones take the place of those that know of no hold. Workers and sweepers of an older version, whose claims say
-- nothing of on_hold_since, find no index of open jobs from now on: they claim by slower ways until their restart.
DROP INDEX IF EXISTS jobs_open_idx;
ALTER INDEX jobs_open_idx_new RENAME TO jobs_open_idx;
DROP INDEX IF EXISTS jobs_unordered_idx;
ALTER INDEX jobs_unordered_idx_new RENAME TO jobs_unordered_idx;
