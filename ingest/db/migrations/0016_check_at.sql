-- Two columns say what they hold: when the sweeper checks a job next, and how often it notified workers in vain. From this
-- migration to their restart, workers and sweepers of an older version claim no job; jobs wait, and none is lost.
ALTER TABLE jobs RENAME COLUMN look_at TO check_at;
ALTER TABLE jobs RENAME COLUMN rings TO notify_attempts;
ALTER INDEX jobs_look_at_idx RENAME TO jobs_check_at_idx;
