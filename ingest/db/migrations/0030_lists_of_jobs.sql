-- The job whose items were sent again by this one; null for all others.
ALTER TABLE jobs ADD parent_job_id uuid;
-- An item of the job has failed. The statements that close blocks set it once, so that progress stays a HOT update: an
-- index on `failed` itself would end that.
ALTER TABLE jobs ADD had_errors boolean NOT NULL DEFAULT false;
UPDATE jobs SET had_errors = true WHERE failed > 0 AND ended_at IS NOT NULL;

-- Lists: a tenant's jobs, newest first; by an expression, so that no plan of another statement takes this index for one of
-- open jobs. To build it reads all of `jobs`, for which batches wait; docs/operations.md says
-- how to build it beforehand while they do not. What is left of such an attempt that failed goes first.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('jobs_list_idx') AND NOT indisvalid) THEN
        DROP INDEX jobs_list_idx;
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS jobs_list_idx ON jobs ((tenant_id::bigint), id);
-- The lists by what few jobs have. A flag stands among the columns as a number: an order that has it in the middle can be
-- read from this index alone, so that no plan reads all jobs of the tenant instead.
-- Lists: jobs with failed items.
CREATE INDEX jobs_had_errors_idx ON jobs (tenant_id, (had_errors::integer), id) WHERE had_errors;
-- Lists: jobs that failed or were cancelled.
CREATE INDEX jobs_ended_early_idx ON jobs (tenant_id, ((status IN ('failed', 'cancelled'))::integer), id)
    WHERE status IN ('failed', 'cancelled');
-- Lists: jobs with a label.
CREATE INDEX jobs_label_idx ON jobs (tenant_id, (options ->> 'label'), id) WHERE options ->> 'label' IS NOT NULL;
-- Lists, and each job that is shown: the jobs that sent items of a job again.
CREATE INDEX jobs_parent_idx ON jobs (parent_job_id, id) WHERE parent_job_id IS NOT NULL;
