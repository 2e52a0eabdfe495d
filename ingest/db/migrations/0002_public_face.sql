-- The public face's batches are jobs too. They have no template; and what became of each of their items can be read back.
ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_kind_check
    CHECK (kind IN ('entities', 'events', 'states', 'objects', 'object_events'));
ALTER TABLE jobs ALTER template_id DROP NOT NULL;

-- An array: for each item of the block that was taken, its index, effect and public id. Null where its kind keeps none.
ALTER TABLE job_blocks ADD results jsonb;
