-- When a job fails unless it has ended: set by the statement that accepts it, for the few jobs whose client says so.
ALTER TABLE jobs ADD deadline_at timestamptz;
-- Sweep: the jobs past their deadline. Progress changes none of its columns, so that it stays a HOT update.
CREATE INDEX jobs_deadline_idx ON jobs (deadline_at) WHERE deadline_at IS NOT NULL AND ended_at IS NULL;
