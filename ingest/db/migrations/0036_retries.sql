-- The job that sent the item again, by `POST …/retry`; null while none has, so that no item is in two of them.
ALTER TABLE job_errors ADD retried_in uuid;
