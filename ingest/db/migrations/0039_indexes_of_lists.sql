-- Each paragraph is a transaction of its own.

-- What is left of a build that failed goes first.
DO $$
DECLARE
    failed regclass;
BEGIN
    FOR failed IN SELECT indexrelid FROM pg_index WHERE NOT indisvalid AND indexrelid IN (
        to_regclass('jobs_list_idx'), to_regclass('jobs_had_errors_idx'), to_regclass('jobs_ended_early_idx'),
        to_regclass('jobs_label_idx'), to_regclass('jobs_parent_idx'))
    LOOP
        EXECUTE format('DROP INDEX %s', failed);
    END LOOP;
END $$;

-- Lists: a tenant's jobs, newest first; by an expression, so that no plan of another statement takes this index for one of
-- open jobs.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_list_idx ON jobs ((tenant_id::bigint), id);

-- The lists by what few jobs have. A flag stands among the columns as a number: an order that has it in the middle can be
-- read from this index alone, so that no plan reads all jobs of the tenant instead.
-- Lists: jobs with failed items.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_had_errors_idx ON jobs (tenant_id, (had_errors::integer), id)
    WHERE had_errors;

-- Lists: jobs that failed or were cancelled.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_ended_early_idx
    ON jobs (tenant_id, ((status IN ('failed', 'cancelled'))::integer), id)
    WHERE status IN ('failed', 'cancelled');

-- Lists: jobs with a label.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_label_idx ON jobs (tenant_id, (options ->> 'label'), id)
    WHERE options ->> 'label' IS NOT NULL;

-- Lists, and each job that is shown: the jobs that sent items of a job again.
CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_parent_idx ON jobs (parent_job_id, id) WHERE parent_job_id IS NOT NULL;
