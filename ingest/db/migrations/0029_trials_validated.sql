-- A transaction of its own: it reads all jobs, while they are written.
ALTER TABLE jobs VALIDATE CONSTRAINT jobs_kind_check, VALIDATE CONSTRAINT jobs_effects_sum_to_total;
