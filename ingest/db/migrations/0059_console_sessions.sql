-- The sessions of the console (app/console), and the one-time addresses that begin them. Kept is SHA-256 of the secret that the
-- browser, or the address, holds.
CREATE TABLE console_sessions (
    hash       bytea CONSTRAINT console_sessions_pkey PRIMARY KEY CONSTRAINT console_sessions_hash_check CHECK (octet_length(hash) = 32),
    tenant_id  integer CONSTRAINT console_sessions_tenant_id_fkey REFERENCES tenants ON DELETE CASCADE, -- null: all tenants
    key_id     uuid CONSTRAINT console_sessions_key_id_fkey REFERENCES api_keys ON DELETE CASCADE, -- the session ends with its key
    user_name  text, -- of the user who ran `sluice console`, which lets an operator of the installation in
    begun      boolean NOT NULL, -- false: an address that nobody has opened yet
    expires_at timestamptz NOT NULL,
    CONSTRAINT console_sessions_of_key_or_operator CHECK (
        (tenant_id IS NULL) = (key_id IS NULL) AND (key_id IS NULL) = (user_name IS NOT NULL))
);
-- Those that have expired.
CREATE INDEX console_sessions_expires_at_idx ON console_sessions (expires_at);
-- Those of a key that goes, or that has begun too many.
CREATE INDEX console_sessions_key_id_idx ON console_sessions (key_id) WHERE key_id IS NOT NULL;
-- Those of a tenant that goes.
CREATE INDEX console_sessions_tenant_id_idx ON console_sessions (tenant_id) WHERE tenant_id IS NOT NULL;
