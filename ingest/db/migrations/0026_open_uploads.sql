-- A new upload: how many its tenant has open.
CREATE INDEX uploads_open_idx ON uploads (tenant_id) WHERE status = 'open';
