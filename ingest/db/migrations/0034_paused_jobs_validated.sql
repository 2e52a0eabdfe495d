-- A transaction of its own: it reads all jobs, while they are written.
ALTER TABLE jobs VALIDATE CONSTRAINT jobs_status_check;
