-- A tenant is a dataset: what one key may read and write. Its workspace is the customer it belongs to.
CREATE TABLE tenants (
    id                  integer GENERATED ALWAYS AS IDENTITY CONSTRAINT tenants_pkey PRIMARY KEY,
    public_id           uuid NOT NULL CONSTRAINT tenants_public_id_key UNIQUE,
    name                text NOT NULL CONSTRAINT tenants_name_check CHECK (length(name) BETWEEN 1 AND 200),
    workspace_id        uuid NOT NULL,
    workspace_name      text NOT NULL,
    template_id         integer,
    batch_wait_seconds  smallint NOT NULL DEFAULT 0
        CONSTRAINT tenants_batch_wait_seconds_check CHECK (batch_wait_seconds BETWEEN 0 AND 30),
    data_retention_days integer
        CONSTRAINT tenants_data_retention_days_check CHECK (data_retention_days >= 30),
    retention_policy    jsonb,
    created_at          timestamptz NOT NULL DEFAULT now(),
    suspended_at        timestamptz
);

-- A key opens one tenant. Only its SHA-256 is kept: the key itself is shown once, where it is made.
CREATE TABLE api_keys (
    id           uuid CONSTRAINT api_keys_pkey PRIMARY KEY,
    tenant_id    integer NOT NULL CONSTRAINT api_keys_tenant_id_fkey REFERENCES tenants,
    hash         bytea NOT NULL CONSTRAINT api_keys_hash_key UNIQUE, -- every request looks its key up by it
    prefix       text NOT NULL CONSTRAINT api_keys_prefix_check CHECK (prefix IN ('oh_live', 'fm_live')),
    label        text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz
);
-- Listing a tenant's keys, and counting its active ones before one is revoked.
CREATE INDEX api_keys_tenant_id_idx ON api_keys (tenant_id);

-- A template says what a tenant may send. Rows never change: a new edition is a new row, and a job keeps the one it was
-- accepted under. A row without a tenant is built in.
CREATE TABLE templates (
    id         integer GENERATED ALWAYS AS IDENTITY CONSTRAINT templates_pkey PRIMARY KEY,
    tenant_id  integer CONSTRAINT templates_tenant_id_fkey REFERENCES tenants,
    slug       text NOT NULL CONSTRAINT templates_slug_check CHECK (slug ~ '^tpl_[a-z0-9_-]{1,100}$'),
    name       text NOT NULL,
    version    text NOT NULL,
    schema     jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- The newest edition of each template that a tenant can see.
CREATE INDEX templates_tenant_id_slug_id_idx ON templates (tenant_id, slug, id DESC);

ALTER TABLE tenants ADD CONSTRAINT tenants_template_id_fkey FOREIGN KEY (template_id) REFERENCES templates;

INSERT INTO templates (slug, name, version, schema) VALUES ('tpl_igaming', 'iGaming', '1.0', '{
    "entity_types": {
        "player": {"required": ["email"],
                   "optional": ["first_name", "last_name", "phone", "date_of_birth", "country", "currency", "status",
                                "registration_date", "vip_level"]},
        "operator": {"required": [], "optional": ["name", "country", "currency", "status"]},
        "game": {"required": [], "optional": ["name", "provider", "category", "status"]}
    },
    "event_types": {
        "transaction": {"required": ["type", "amount", "currency"],
                        "optional": ["method", "provider", "reference", "card_last4"]},
        "game_activity": {"required": ["game_id", "bet_amount"], "optional": ["win_amount", "currency"]},
        "session": {"required": [], "optional": []},
        "bonus": {"required": [], "optional": []},
        "block": {"required": [], "optional": []},
        "support": {"required": [], "optional": []},
        "affiliate": {"required": [], "optional": []}
    },
    "state_keys": ["balance", "kyc_status", "risk_score", "loyalty_tier"],
    "pii_fields": {"player": ["first_name", "last_name", "email", "phone", "date_of_birth"]}
}');

-- A job is one accepted batch. Every item of it has exactly one effect, so the effects always sum to `total`.
-- fillfactor: a job's row is updated once a block, and a HOT update needs room on its page.
CREATE TABLE jobs (
    id             uuid CONSTRAINT jobs_pkey PRIMARY KEY,
    tenant_id      integer NOT NULL CONSTRAINT jobs_tenant_id_fkey REFERENCES tenants,
    kind           text NOT NULL CONSTRAINT jobs_kind_check CHECK (kind IN ('entities', 'events', 'states')),
    merge          boolean NOT NULL, -- entities: merge top-level fields instead of replacing them all
    template_id    integer NOT NULL CONSTRAINT jobs_template_id_fkey REFERENCES templates,
    after_job_id   uuid, -- not begun before that job has ended
    request_id     text NOT NULL, -- of the request that made it, carried into the worker's log lines
    awaited        boolean NOT NULL, -- a request waits for the end, and wants to be woken
    status         text NOT NULL DEFAULT 'pending'
        CONSTRAINT jobs_status_check CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    total          integer NOT NULL,
    blocks_open    integer NOT NULL CONSTRAINT jobs_blocks_open_check CHECK (blocks_open >= 0),
    created        integer NOT NULL DEFAULT 0,
    updated        integer NOT NULL DEFAULT 0,
    unchanged      integer NOT NULL DEFAULT 0,
    duplicate      integer NOT NULL DEFAULT 0,
    failed         integer NOT NULL DEFAULT 0,
    unprocessed    integer NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    error_code     text,
    error_message  text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    progressed_at  timestamptz NOT NULL DEFAULT now(),
    ended_at       timestamptz,
    look_at        timestamptz NOT NULL DEFAULT now() + interval '1.5 seconds', -- when sweep looks at it next
    rings          integer NOT NULL DEFAULT 0, -- by sweep, since the last progress that sweep saw
    CONSTRAINT jobs_effects_sum_to_total CHECK
        (total = created + updated + unchanged + duplicate + failed + unprocessed AND total > 0),
    CONSTRAINT jobs_effects_not_negative CHECK
        (least(created, updated, unchanged, duplicate, failed, unprocessed) >= 0),
    CONSTRAINT jobs_completed_is_complete CHECK (status <> 'completed' OR (unprocessed = 0 AND blocks_open = 0)),
    CONSTRAINT jobs_ended_at_check CHECK ((ended_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled')))
) WITH (fillfactor = 80);
-- Sweep: the jobs that it is time to look at. Progress touches none of its columns, so that it stays a HOT update.
CREATE INDEX jobs_look_at_idx ON jobs (look_at) WHERE status IN ('pending', 'processing');
-- Sweep: ended jobs past their retention.
CREATE INDEX jobs_ended_at_idx ON jobs (ended_at) WHERE ended_at IS NOT NULL;
-- The end of a job: those that wait for it.
CREATE INDEX jobs_after_job_id_idx ON jobs (after_job_id) WHERE after_job_id IS NOT NULL;

-- A block is a run of a job's items, carried out in one transaction: its row lock is the lease on that work.
CREATE TABLE job_blocks (
    job_id        uuid NOT NULL CONSTRAINT job_blocks_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    no            integer NOT NULL, -- from 0, in the order of the items
    first_index   integer NOT NULL, -- of its first item in the whole job
    items         integer NOT NULL CONSTRAINT job_blocks_items_check CHECK (items > 0),
    payload       bytea NOT NULL, -- a JSON array, zstd; emptied when the block is closed
    open          boolean NOT NULL DEFAULT true,
    deliveries    integer NOT NULL DEFAULT 0, -- a hint, never a verdict: duplicates and restarts add to it
    CONSTRAINT job_blocks_pkey PRIMARY KEY (job_id, no)
);
-- zstd has compressed it already: TOAST shall not try again.
ALTER TABLE job_blocks ALTER payload SET STORAGE EXTERNAL;

-- An error a bad item: what the client is told of it, by its index.
CREATE TABLE job_errors (
    job_id      uuid NOT NULL CONSTRAINT job_errors_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    index       integer NOT NULL, -- 0-based, in the whole job
    external_id text, -- null where the item had none that could be read
    code        text NOT NULL,
    message     text NOT NULL,
    CONSTRAINT job_errors_pkey PRIMARY KEY (job_id, index)
);

-- An entity (or object): one row a tenant, scope and external id. The scope is empty where ids are unique across types
-- (operator face), and the type where they are unique within one (public face).
-- External ids and scopes compare code point by code point, hence COLLATE "C". No foreign key here, on events or on
-- states: tenants and entities are never deleted, and a trigger a row would cost more than the row.
CREATE TABLE entities (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT entities_pkey PRIMARY KEY,
    public_id   uuid NOT NULL,
    tenant_id   integer NOT NULL,
    scope       text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL
        CONSTRAINT entities_external_id_check CHECK (length(external_id) BETWEEN 1 AND 500),
    type        text NOT NULL,
    properties  jsonb NOT NULL,
    revision    integer NOT NULL DEFAULT 0, -- changes since it was created or revived: 0 tells a write that it did so
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    -- Upserts, reads by external id, and the references of events and states.
    CONSTRAINT entities_external_id_key UNIQUE (tenant_id, scope, external_id)
) WITH (fillfactor = 80);

-- An event: append-only. Its entities stand in event_entities, written in the same transaction.
CREATE TABLE events (
    id          bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT events_pkey PRIMARY KEY, -- in the order sent
    public_id   uuid NOT NULL,
    tenant_id   integer NOT NULL,
    type        text NOT NULL,
    properties  jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- A link of an event to one of its entities, written in the event's transaction.
CREATE TABLE event_entities (
    entity_id   bigint NOT NULL,
    occurred_at timestamptz NOT NULL, -- the event's
    event_id    bigint NOT NULL,
    qualifier   text COLLATE "C" NOT NULL DEFAULT '',
    -- An entity's events, newest first.
    CONSTRAINT event_entities_pkey PRIMARY KEY (entity_id, occurred_at, event_id, qualifier)
);

-- A state: the present value of one key of one entity.
CREATE TABLE states (
    entity_id  bigint NOT NULL,
    key        text COLLATE "C" NOT NULL,
    value      jsonb NOT NULL,
    revision   integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT states_pkey PRIMARY KEY (entity_id, key)
) WITH (fillfactor = 80);
