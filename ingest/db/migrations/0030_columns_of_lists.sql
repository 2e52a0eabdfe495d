ALTER TABLE jobs
    -- The job whose items were sent again by this one; null for all others.
    ADD COLUMN IF NOT EXISTS parent_job_id uuid,
    -- An item of the job has failed. The statements that close blocks set it once, so that progress stays a HOT update: an
    -- index on `failed` itself would end that. 0038 sets it for jobs that had ended before, 0039 has the indexes.
    ADD COLUMN IF NOT EXISTS had_errors boolean NOT NULL DEFAULT false;
