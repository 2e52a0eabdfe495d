-- Purging editions of templates: whether any job names one.
CREATE INDEX jobs_template_id_idx ON jobs (template_id) WHERE template_id IS NOT NULL;
