-- True if a retry has patched the item, so that its text is JSON, whatever its job came as; null for errors of before, and
-- where the text is not kept.
ALTER TABLE job_errors ADD patched boolean;
