-- Each paragraph is a transaction of its own.

-- The job that sent the unprocessed items of an open block again, by `POST …/retry`; null while none has, so that no item
-- is in two of them.
ALTER TABLE job_blocks ADD COLUMN IF NOT EXISTS retried_in uuid;

-- A retry of before took all open blocks of the job that it names. There are few of them: no release has made any.
UPDATE job_blocks b SET retried_in = c.id
FROM jobs c
WHERE c.parent_job_id IS NOT NULL AND c.options ->> 'picked' = 'unprocessed' AND b.job_id = c.parent_job_id AND b.open;
