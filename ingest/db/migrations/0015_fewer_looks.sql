-- Sweep: the begun jobs that it is time to look at. Of the pending ones the sweeper looks at each tenant's next alone
-- (ingest/db/upkeep.py), so that no backlog keeps it from the others, and no batch that is accepted pays for this index.
DROP INDEX jobs_look_at_idx;
CREATE INDEX jobs_look_at_idx ON jobs (look_at) WHERE status = 'processing';
