-- A client may pause a job, and resume it in its place. Claims pass over a job that is on hold, and no later job waits
-- for it. 0034 looks at the states of the jobs that are there, for which nobody need wait; 0040 has the indexes.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_status_check,
    ADD CONSTRAINT jobs_status_check
        CHECK (status IN ('receiving', 'pending', 'processing', 'paused', 'completed', 'failed', 'cancelled')) NOT VALID,
    -- Since when the job is paused, or waits by ?after= for one that is on hold. A job that ended on hold keeps it.
    ADD COLUMN IF NOT EXISTS on_hold_since timestamptz;

-- The open blocks of an ended job keep their payload until the job is purged: it is what a client may have tried again.
DROP INDEX IF EXISTS jobs_cancelled_idx;
ALTER TABLE jobs DROP COLUMN IF EXISTS payload_kept;

-- The timeline of jobs: what a job's own row cannot tell, such as pauses. Most jobs have no row here. 0038 adds the
-- cancellations of before.
CREATE TABLE IF NOT EXISTS job_timeline (
    job_id uuid NOT NULL CONSTRAINT job_timeline_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    no     bigint GENERATED ALWAYS AS IDENTITY, -- tells entries of the same microsecond apart
    what   text NOT NULL CONSTRAINT job_timeline_what_check
        CHECK (what IN ('delivered_again', 'paused', 'resumed', 'cancelled', 'relabelled')),
    actor  text, -- the label of an API key, or `command`; null for workers
    detail text,
    -- A job's timeline, a page at a time.
    CONSTRAINT job_timeline_pkey PRIMARY KEY (job_id, at, no)
);
