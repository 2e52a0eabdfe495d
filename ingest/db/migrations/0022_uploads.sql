-- An upload is a body that arrives in parts, in any order. Its job is `receiving`, and the blocks of its parts lie in
-- job_blocks of that job from the start; `complete` numbers them into the job. An upload goes with its job, so a completed one
-- lives as long as the job does. One that nobody went on with has no job any more, and stays to say so.
CREATE TABLE uploads (
    id           uuid CONSTRAINT uploads_pkey PRIMARY KEY,
    tenant_id    integer NOT NULL CONSTRAINT uploads_tenant_id_fkey REFERENCES tenants,
    job_id       uuid CONSTRAINT uploads_job_id_key UNIQUE
        CONSTRAINT uploads_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    status       text NOT NULL DEFAULT 'open'
        CONSTRAINT uploads_status_check CHECK (status IN ('open', 'completed', 'gone')),
    content_type text NOT NULL, -- of each part, without parameters
    coding       text NOT NULL, -- of each part: identity, gzip or zstd
    next_attempt integer NOT NULL DEFAULT 1, -- at a part
    created_at   timestamptz NOT NULL DEFAULT now(),
    heard_at     timestamptz NOT NULL DEFAULT now(), -- when a part began or ended to arrive last
    CONSTRAINT uploads_gone_has_no_job CHECK ((job_id IS NULL) = (status = 'gone'))
);
-- Sweep: open uploads that nobody went on with, and gone ones that are to be forgotten.
CREATE INDEX uploads_status_heard_at_idx ON uploads (status, heard_at);

-- An attempt to send a part. One whose body has arrived is whole, and then it is the part. The blocks of an attempt are
-- numbered from -10,000 times its number on: below zero, since a job's own numbers begin there.
CREATE TABLE upload_parts (
    id         uuid CONSTRAINT upload_parts_pkey PRIMARY KEY,
    upload_id  uuid NOT NULL CONSTRAINT upload_parts_upload_id_fkey REFERENCES uploads ON DELETE CASCADE,
    number     integer NOT NULL CONSTRAINT upload_parts_number_check CHECK (number BETWEEN 1 AND 200000),
    part       integer NOT NULL CONSTRAINT upload_parts_part_check CHECK (part BETWEEN 1 AND 10000),
    whole      boolean NOT NULL DEFAULT false,
    blocks     integer NOT NULL DEFAULT 0 CONSTRAINT upload_parts_blocks_check CHECK (blocks BETWEEN 0 AND 10000),
    items      integer NOT NULL DEFAULT 0,
    lines      bigint NOT NULL DEFAULT 0, -- blank ones included
    size       bigint NOT NULL DEFAULT 0, -- bytes, as they were sent
    decoded    bigint NOT NULL DEFAULT 0, -- bytes without the content coding
    row_bytes  integer NOT NULL DEFAULT 0, -- CSV: by which its rows were cut into blocks (ingest/intake/csv_parts.py)
    csv        jsonb, -- CSV, of part 1: the way to read rows, which its header says
    digest     bytea, -- SHA-256 of the bytes as they were sent
    touched_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT upload_parts_number_key UNIQUE (upload_id, number),
    CONSTRAINT upload_parts_whole_has_digest CHECK (NOT whole OR length(digest) = 32)
);
-- The parts of an upload, each once.
CREATE UNIQUE INDEX upload_parts_whole_key ON upload_parts (upload_id, part) WHERE whole;
-- Sweep: attempts whose request may have died. No column of it changes while a part arrives: that stays a HOT update.
CREATE INDEX upload_parts_unfinished_idx ON upload_parts (id) WHERE NOT whole;
