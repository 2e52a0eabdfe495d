-- The ids of jobs that retention has deleted, and of the uploads that went with them: for 90 days a call about one of them is
-- told that it is gone. Written by the statement that deletes the job. No foreign key: a tenant is never deleted.
CREATE TABLE gone_ids (
    id        uuid CONSTRAINT gone_ids_pkey PRIMARY KEY, -- calls about a job or an upload that is not there
    tenant_id integer NOT NULL, -- other tenants' calls are told that there is none
    gone_at   timestamptz NOT NULL DEFAULT now()
);
-- Sweep: ids that are to be forgotten.
CREATE INDEX gone_ids_gone_at_idx ON gone_ids (gone_at);
