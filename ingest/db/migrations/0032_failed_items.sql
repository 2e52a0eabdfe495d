-- The text of a bad item as its sender sent it, JSON or not, for error files and retries; null where it was too large to be
-- kept, and for errors of before. Postgres compresses long ones by itself; zstd an item saves nothing of short ones, which
-- most are.
ALTER TABLE job_errors ADD item bytea;
