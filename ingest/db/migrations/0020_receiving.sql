-- A body of any size becomes a job while it arrives: block by block, in a state in which nothing of it runs and no call
-- shows it. The request that reads the body moves the job on to `pending`, and draws its `seq` there, since that is when
-- it is accepted.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_status_check,
    ADD CONSTRAINT jobs_status_check
        CHECK (status IN ('receiving', 'pending', 'processing', 'completed', 'failed', 'cancelled')),
    DROP CONSTRAINT jobs_effects_sum_to_total,
    ADD CONSTRAINT jobs_effects_sum_to_total CHECK (
        total = created + updated + unchanged + duplicate + failed + unprocessed
        AND (total > 0 OR status = 'receiving'));
-- Sweep: the jobs whose request may have died while it read their body. No column of it changes as a job progresses, or
-- that would no longer be a HOT update.
CREATE INDEX jobs_receiving_idx ON jobs (created_at) WHERE status = 'receiving';

-- Where a body has lines, the worker numbers them from the first one of its block, and tells them of errors and warnings.
ALTER TABLE job_blocks ADD first_line bigint;
ALTER TABLE job_errors ADD line bigint;
ALTER TABLE job_warnings ADD line bigint;
