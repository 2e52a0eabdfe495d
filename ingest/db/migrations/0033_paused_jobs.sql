-- A client may pause a job, and resume it in its place. Claims pass over a job that is on hold, and no later job waits
-- for it. Workers and sweepers of an older version find the index of open jobs by its old condition no more: they claim
-- by slower ways until their restart. 0034 looks at the states of the jobs that are there, for which nobody need wait.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_status_check,
    ADD CONSTRAINT jobs_status_check
        CHECK (status IN ('receiving', 'pending', 'processing', 'paused', 'completed', 'failed', 'cancelled')) NOT VALID,
    -- Since when the job is paused, or waits by ?after= for one that is on hold. A job that ended on hold keeps it.
    ADD on_hold_since timestamptz;

-- Claims: a tenant's earliest open job of a kind, and whether one that was accepted earlier is still open.
DROP INDEX jobs_open_idx;
CREATE INDEX jobs_open_idx ON jobs (tenant_id, status, kind, seq)
    WHERE status IN ('pending', 'processing') AND on_hold_since IS NULL;
-- Claims: jobs that wait for no other may be anywhere among those that do.
DROP INDEX jobs_unordered_idx;
CREATE INDEX jobs_unordered_idx ON jobs (tenant_id, seq)
    WHERE status = 'pending' AND NOT ordered AND on_hold_since IS NULL;
-- Sweep: the jobs on hold, some a round. Progress changes none of its columns, so that it stays a HOT update.
CREATE INDEX jobs_on_hold_idx ON jobs (tenant_id, seq)
    WHERE status IN ('pending', 'paused') AND on_hold_since IS NOT NULL;

-- The open blocks of an ended job keep their payload until the job is purged: it is what a client may have tried again.
DROP INDEX jobs_cancelled_idx;
ALTER TABLE jobs DROP payload_kept;

-- What happened to a job beside its begin and its end, which its row tells: rare, so that most jobs have no row here.
CREATE TABLE job_timeline (
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
-- Until now, jobs were cancelled by command alone.
INSERT INTO job_timeline (job_id, at, what, actor)
SELECT id, ended_at, 'cancelled', 'command' FROM jobs WHERE status = 'cancelled';
