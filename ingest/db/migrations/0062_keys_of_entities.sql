-- Each paragraph is a transaction of its own.

-- What is left of a build that failed goes first.
DO $$
DECLARE
    failed regclass;
BEGIN
    FOR failed IN SELECT indexrelid FROM pg_index WHERE NOT indisvalid AND indexrelid IN (
        to_regclass('entities_pkey_new'), to_regclass('events_pkey_new'))
    LOOP
        EXECUTE format('DROP INDEX %s', failed);
    END LOOP;
END $$;

-- As in 0055: primary keys with the tenant, which comes last, so that rows are found by their id as before. Ids are a sequence's,
-- hence they differ between tenants without an index that says so.
CREATE OR REPLACE PROCEDURE swap_key(of_table text) LANGUAGE plpgsql AS $$
BEGIN
    CALL with_brief_locks(format('ALTER TABLE %1$I DROP CONSTRAINT %1$s_pkey;
        ALTER TABLE %1$I ADD CONSTRAINT %1$s_pkey PRIMARY KEY USING INDEX %1$s_pkey_new', of_table));
END $$;

-- An entity, by its internal id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS entities_pkey_new ON entities (id, tenant_id);

CALL swap_key('entities');

-- An event, by its internal id.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS events_pkey_new ON events (id, tenant_id);

CALL swap_key('events');

DROP PROCEDURE swap_key;
