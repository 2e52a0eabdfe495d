-- What a client is told of items that were taken: members that nobody knows, times past the retention. `strict` jobs
-- refuse unknown members instead. `warnings` counts all of them, of which the first 10,000 or so are kept.
ALTER TABLE jobs
    ADD strict   boolean NOT NULL DEFAULT false,
    ADD warnings integer NOT NULL DEFAULT 0 CONSTRAINT jobs_warnings_check CHECK (warnings >= 0);

-- A warning a member: an item may have several, told apart by `no`.
CREATE TABLE job_warnings (
    job_id  uuid NOT NULL CONSTRAINT job_warnings_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    index   integer NOT NULL, -- 0-based, in the whole job
    no      integer NOT NULL, -- 0-based, among the item's warnings
    code    text NOT NULL,
    message text NOT NULL,
    field   text, -- a JSON Pointer into the item; null: the item as a whole
    CONSTRAINT job_warnings_pkey PRIMARY KEY (job_id, index, no)
);
