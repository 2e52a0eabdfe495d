-- An address that is told of the ends of a tenant's jobs, or, as a callback, of one job's. A callback has the id of its job,
-- which holds its URL and its secret until the job ends (jobs.options), and goes with the job. A deleted webhook stays until
-- the sweeper has deleted its deliveries, a bounded number a round.
CREATE TABLE webhooks (
    id              uuid CONSTRAINT webhooks_pkey PRIMARY KEY,
    tenant_id       integer NOT NULL CONSTRAINT webhooks_tenant_id_fkey REFERENCES tenants,
    job_id          uuid CONSTRAINT webhooks_job_id_key UNIQUE -- of a callback; null for a tenant's own webhook
        CONSTRAINT webhooks_job_id_fkey REFERENCES jobs ON DELETE CASCADE,
    url             text NOT NULL,
    description     text,
    events          text[] NOT NULL, -- the types of messages that it wants
    secret          text NOT NULL, -- encrypted (ingest/crypto.py); empty once it is deleted
    former_secret   text, -- likewise: the one before, which signs too until former_until
    former_until    timestamptz,
    disabled_at     timestamptz, -- nothing is sent to it
    disabled_reason text CONSTRAINT webhooks_disabled_reason_check
        CHECK (disabled_reason IN ('CLIENT', 'GONE', 'TRIES_EXHAUSTED')),
    delivered_at    timestamptz, -- when it took a message last
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(), -- by its client
    deleted_at      timestamptz,
    CONSTRAINT webhooks_disabled_has_reason CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT webhooks_former_has_end CHECK ((former_secret IS NULL) = (former_until IS NULL))
);
-- The end of a job: whether its tenant has webhooks; and their list.
CREATE INDEX webhooks_tenant_idx ON webhooks (tenant_id) WHERE job_id IS NULL AND deleted_at IS NULL;
-- Sweep: the deleted ones.
CREATE INDEX webhooks_deleted_idx ON webhooks (deleted_at) WHERE deleted_at IS NOT NULL;

-- A message for a webhook, and the tries to deliver it. The process that announces the end of a job stores it in the
-- transaction that takes the end out of the outbox; the process `webhooks` sends it, and tries again. Under way is what has
-- next_at in the future because a claim has put it there: if the process dies, the message is due again then.
CREATE TABLE webhook_deliveries (
    seq         bigint GENERATED ALWAYS AS IDENTITY, -- the order in which they were stored
    id          uuid NOT NULL CONSTRAINT webhook_deliveries_id_key UNIQUE, -- in the header webhook-id of each try
    webhook_id  uuid NOT NULL CONSTRAINT webhook_deliveries_webhook_id_fkey REFERENCES webhooks ON DELETE CASCADE,
    tenant_id   integer NOT NULL,
    job_id      uuid CONSTRAINT webhook_deliveries_job_id_fkey REFERENCES jobs ON DELETE CASCADE, -- null: a test
    lane        uuid NOT NULL, -- messages that share a bound of tries at the same time: those of one receiver
    event       text NOT NULL, -- the type of the message
    occurred_at timestamptz NOT NULL,
    status      text NOT NULL DEFAULT 'pending' CONSTRAINT webhook_deliveries_status_check
        CHECK (status IN ('pending', 'delivered', 'failed')),
    next_at     timestamptz DEFAULT now(), -- when it is due
    tries       integer NOT NULL DEFAULT 0, -- begun
    failures    integer NOT NULL DEFAULT 0, -- tries that failed, since it was stored or replayed
    first_at    timestamptz, -- when the first of these began
    body        bytea, -- as the first try sent it
    -- The list of a webhook's deliveries, and their deletion with it. No index is in the order of seq alone, so that no
    -- plan can read all deliveries in that order.
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (webhook_id, seq),
    CONSTRAINT webhook_deliveries_pending_is_due CHECK ((status = 'pending') = (next_at IS NOT NULL))
);
-- The process `webhooks`: the lanes that have something due, and what.
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (lane, next_at) WHERE next_at IS NOT NULL;
-- The deletion of a job.
CREATE INDEX webhook_deliveries_job_idx ON webhook_deliveries (job_id) WHERE job_id IS NOT NULL;
-- Sweep: tests that are past their retention.
CREATE INDEX webhook_deliveries_tests_idx ON webhook_deliveries (occurred_at) WHERE job_id IS NULL;

-- A try to deliver a message, from its begin on. One without error and status was under way when its process died.
CREATE TABLE webhook_tries (
    delivery_id  uuid NOT NULL CONSTRAINT webhook_tries_delivery_id_fkey
        REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    number       integer NOT NULL, -- from 1
    began_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    status       integer, -- of HTTP
    milliseconds integer,
    error        text, -- null if it succeeded
    CONSTRAINT webhook_tries_pkey PRIMARY KEY (delivery_id, number)
);
