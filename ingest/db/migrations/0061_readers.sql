-- A reader is a login of the database's own for SQL by analysts: it reads the rows of one tenant (ingest/db/connection/walls.py).
CREATE TABLE readers (
    name       text COLLATE "C" NOT NULL CONSTRAINT readers_name_key UNIQUE, -- of its role
    tenant_id  integer NOT NULL CONSTRAINT readers_tenant_id_fkey REFERENCES tenants,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT readers_pkey PRIMARY KEY (name, tenant_id)
);

-- Whose rows a reader sees. Its login decides, which it cannot change, and no setting or role that it could take.
CREATE FUNCTION tenant_of_reader() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
BEGIN ATOMIC
    SELECT tenant_id FROM readers WHERE name = session_user;
END;
