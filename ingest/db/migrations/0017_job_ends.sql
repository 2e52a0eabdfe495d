-- The end of a job, until it is announced: written by the statement that ends the job, deleted by the process that tells
-- the request and the jobs that wait for it (ingest/db/jobs/outbox.py). No foreign key: to look each job up again would cost
-- every end, and the sweeper deletes the row of a job that is gone. A row lives for milliseconds and is never updated;
-- autovacuum, as it comes, sees to so small a table once a minute.
CREATE TABLE job_ends (
    job_id   uuid CONSTRAINT job_ends_pkey PRIMARY KEY,
    ended_at timestamptz NOT NULL -- the job's
);
