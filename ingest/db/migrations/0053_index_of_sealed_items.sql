-- Each paragraph is a transaction of its own.

-- What is left of a build that failed goes first.
DO $$
DECLARE
    failed regclass;
BEGIN
    FOR failed IN SELECT indexrelid FROM pg_index WHERE NOT indisvalid AND indexrelid = to_regclass('job_errors_sealed_idx')
    LOOP
        EXECUTE format('DROP INDEX %s', failed);
    END LOOP;
END $$;

-- Erasures and exports: the encrypted texts of an entity's items; and those of a tenant, to encrypt them anew. By a hash,
-- since the id of an item that failed may be longer than an index can hold.
CREATE INDEX CONCURRENTLY IF NOT EXISTS job_errors_sealed_idx
    ON job_errors (sealed_for, (hashtextextended(external_id, 0)), job_id, index) WHERE sealed_for IS NOT NULL;
