-- Sweep: the jobs that must fail if the one that they come after does, some a round.
CREATE INDEX jobs_held_back_idx ON jobs (after_job_id, id)
    WHERE status = 'pending' AND after_job_id IS NOT NULL AND NOT after_any;
