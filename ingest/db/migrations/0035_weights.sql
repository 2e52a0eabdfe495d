-- Tenants take turns at the workers, block by block; one of weight w has w blocks a turn.
ALTER TABLE tenants
    ADD weight smallint NOT NULL DEFAULT 1 CONSTRAINT tenants_weight_check CHECK (weight BETWEEN 1 AND 100);
-- Workers: the few tenants of another weight than 1.
CREATE INDEX tenants_weight_idx ON tenants (id) WHERE weight <> 1;
