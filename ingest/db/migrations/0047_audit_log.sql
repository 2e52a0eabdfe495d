-- The changes of tenants, keys, templates, settings and webhooks, each with its maker: an entry is written by the transaction of
-- the change itself. It names no other row by a foreign key, since it outlives what it tells of.
CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_log_pkey PRIMARY KEY,
    tenant_id   integer, -- null: the installation itself
    at          timestamptz NOT NULL DEFAULT now(),
    actor_kind  text NOT NULL CONSTRAINT audit_log_actor_kind_check CHECK (actor_kind IN ('key', 'command')),
    actor_id    text NOT NULL, -- of the API key, or the name of the user who ran the command
    actor_label text NOT NULL, -- of the API key, or the command
    action      text NOT NULL CONSTRAINT audit_log_action_check CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    object_kind text NOT NULL,
    object_id   text NOT NULL,
    details     jsonb NOT NULL,
    request_id  text
);
-- A tenant's entries, the newest first.
CREATE INDEX audit_log_tenant_id_id_idx ON audit_log (tenant_id, id);
-- Those that are past their retention.
CREATE INDEX audit_log_at_idx ON audit_log (at);

-- Entries are added, and retention alone deletes them: its transaction says so by this setting, for itself alone.
CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('sluice.audit_log', true) = 'purging' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'entries of audit_log are never changed' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER audit_log_keep_all BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log();
