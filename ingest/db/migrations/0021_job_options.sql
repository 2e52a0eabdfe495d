-- What few jobs have, as their requests said it (`ingest.jobs.JobOptions`); null for the many that have none of it.
ALTER TABLE jobs ADD options jsonb;
