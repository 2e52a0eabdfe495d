-- An edit of an item that failed, made in the console and not sent yet. Those who mend a job share its drafts. A draft goes
-- when its item is sent again, with its job, or once nobody has touched it for long.
CREATE TABLE job_drafts (
    tenant_id integer NOT NULL,
    job_id    uuid NOT NULL CONSTRAINT job_drafts_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    index     integer NOT NULL,
    edit      bytea NOT NULL, -- a merge patch (RFC 7396) of the item; encrypted where `sealed`
    sealed    boolean NOT NULL,
    dropped   boolean NOT NULL, -- the item is not to be sent again
    version   integer NOT NULL, -- grows with each change
    editor    text NOT NULL, -- who made the last change
    edited_at timestamptz NOT NULL DEFAULT now(),
    checked   boolean NOT NULL DEFAULT false, -- since the last change
    code      text, -- what the check found: null where the item would be taken; likewise the next two
    message   text,
    field     text,
    CONSTRAINT job_drafts_pkey PRIMARY KEY (job_id, index, tenant_id)
);
-- Sweep: those that nobody touches any more.
CREATE INDEX job_drafts_edited_idx ON job_drafts (edited_at);

-- How a tenant's files are read, by a name: which column fills which member, and what stands between cells.
CREATE TABLE console_mappings (
    tenant_id integer NOT NULL CONSTRAINT console_mappings_tenant_id_fkey REFERENCES tenants ON DELETE CASCADE,
    name      text NOT NULL CONSTRAINT console_mappings_name_check CHECK (length(name) BETWEEN 1 AND 100),
    mapping   jsonb NOT NULL,
    saved_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT console_mappings_pkey PRIMARY KEY (tenant_id, name)
);
