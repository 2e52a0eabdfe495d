-- An idempotency key and the answer to the write that it came with, stored by the transaction of that write. For 24 hours a
-- repeat under the key gets that answer. The key may hold a secret and the body does hold data, so both are hashes.
-- No foreign key: a tenant is never deleted, and a job is kept for longer than its key.
CREATE TABLE idempotency_keys (
    tenant_id   integer NOT NULL,
    endpoint    text COLLATE "C" NOT NULL, -- the call, by its name in the OpenAPI document
    key_hash    bytea NOT NULL CONSTRAINT idempotency_keys_key_hash_check CHECK (length(key_hash) = 32), -- SHA-256
    fingerprint bytea NOT NULL -- SHA-256 of the decoded body and the options
        CONSTRAINT idempotency_keys_fingerprint_check CHECK (length(fingerprint) = 32),
    job_id      uuid, -- of a batch
    public_id   uuid, -- of a written entity or event
    action      text, -- of an upsert: created, updated or unchanged
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Each request with a key looks the key up.
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, endpoint, key_hash)
);
-- Sweep: keys that are over 24 hours old.
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
