-- Each paragraph is a transaction of its own.

-- For this migration and later ones: run statements that take a lock which all writers of a table meet. While one waits for
-- such a lock, all that come after it wait too, so that it waits for an instant only, and tries again.
CREATE OR REPLACE PROCEDURE with_brief_locks(statements text) LANGUAGE plpgsql AS $$
DECLARE
    deadline constant timestamptz := clock_timestamp() + interval '5 minutes';
BEGIN
    LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '0.2s', true);
            EXECUTE statements;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() > deadline THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        PERFORM pg_sleep(0.2);
        COMMIT;
    END LOOP;
END $$;

-- Every row says whose it is, so that a policy can tell tenants apart, and tables can be partitioned by tenant.
CALL with_brief_locks('ALTER TABLE states ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE event_entities ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE job_blocks ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE job_errors ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE job_warnings ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE job_timeline ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE job_ends ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE upload_parts ADD COLUMN IF NOT EXISTS tenant_id integer');

CALL with_brief_locks('ALTER TABLE webhook_tries ADD COLUMN IF NOT EXISTS tenant_id integer');

-- Statements of processes of the version before know nothing of the column: a trigger looks the tenant up for them. It goes
-- with the first version beside which none of these runs.
CREATE OR REPLACE FUNCTION tenant_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT tenant_id INTO NEW.tenant_id FROM jobs WHERE id = NEW.job_id;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION tenant_of_upload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT tenant_id INTO NEW.tenant_id FROM uploads WHERE id = NEW.upload_id;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION tenant_of_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT tenant_id INTO NEW.tenant_id FROM webhook_deliveries WHERE id = NEW.delivery_id;
    RETURN NEW;
END $$;

CALL with_brief_locks('CREATE OR REPLACE TRIGGER job_blocks_tenant BEFORE INSERT ON job_blocks
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_job()');

CALL with_brief_locks('CREATE OR REPLACE TRIGGER job_errors_tenant BEFORE INSERT ON job_errors
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_job()');

CALL with_brief_locks('CREATE OR REPLACE TRIGGER job_warnings_tenant BEFORE INSERT ON job_warnings
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_job()');

CALL with_brief_locks('CREATE OR REPLACE TRIGGER job_timeline_tenant BEFORE INSERT ON job_timeline
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_job()');

CALL with_brief_locks('CREATE OR REPLACE TRIGGER job_ends_tenant BEFORE INSERT ON job_ends
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_job()');

CALL with_brief_locks('CREATE OR REPLACE TRIGGER upload_parts_tenant BEFORE INSERT ON upload_parts
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_upload()');

CALL with_brief_locks('CREATE OR REPLACE TRIGGER webhook_tries_tenant BEFORE INSERT ON webhook_tries
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tenant_of_delivery()');

-- States and links come by COPY, which writes rows one by one as soon as there is a trigger, whose condition nobody need
-- meet: twice as slow. These two have a default instead, of which statements that name the column know nothing. A default
-- sees no row, but it sees the transaction. One that writes states holds the lock of its tenant
-- (ingest/db/data/erasure.py). The setting keeps what was found for its other rows.
CREATE OR REPLACE FUNCTION tenant_of_state_writer() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    known text := nullif(current_setting('sluice.state_writer', true), '');
BEGIN
    IF known IS NULL THEN
        SELECT min(objid::bigint)::text INTO known FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = 1 AND objsubid = 2
        HAVING count(*) = 1;
        PERFORM set_config('sluice.state_writer', known, true);
    END IF;
    RETURN known;
END $$;

-- One that writes links has drawn the ids of their events, by the range (0007), and stored these. Where none of the last
-- range was stored, since all were duplicates, the links are refused, and the worker tries again with fewer.
CREATE OR REPLACE FUNCTION tenant_of_event_writer() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first constant bigint := currval('events_id_seq');
BEGIN
    RETURN (SELECT tenant_id FROM events WHERE id >= first AND id < first + 8192 ORDER BY id LIMIT 1);
END $$;

CALL with_brief_locks('ALTER TABLE states ALTER tenant_id SET DEFAULT tenant_of_state_writer()');

CALL with_brief_locks('ALTER TABLE event_entities ALTER tenant_id SET DEFAULT tenant_of_event_writer()');

-- Give the rows of before the tenant of the row that they refer to, some pages a transaction. Rows that a writer holds are
-- passed over until the next round, so that no two wait for each other.
CREATE OR REPLACE PROCEDURE fill_tenants(filled text, reference text, owner text) LANGUAGE plpgsql AS $$
DECLARE
    step       constant bigint := 100;
    page       bigint;
    pages      bigint;
    found_rows bigint;
    given      bigint;
BEGIN
    LOOP
        page := 0;
        given := 0;
        pages := pg_relation_size(filled::regclass) / current_setting('block_size')::bigint;
        WHILE page < pages LOOP
            PERFORM set_config(name, 'off', true)
            FROM unnest('{enable_hashjoin,enable_mergejoin,enable_seqscan}'::text[]) AS s (name);
            EXECUTE format('
                WITH found AS MATERIALIZED (
                    SELECT ctid AS place, %2$I AS reference FROM %1$I
                    WHERE ctid >= $1::tid AND ctid < $2::tid AND tenant_id IS NULL
                    FOR NO KEY UPDATE SKIP LOCKED)
                UPDATE %1$I t SET tenant_id = o.tenant_id FROM found f JOIN %3$I o ON o.id = f.reference
                WHERE t.ctid = f.place', filled, reference, owner)
            USING format('(%s,0)', page), format('(%s,0)', page + step);
            GET DIAGNOSTICS found_rows = ROW_COUNT;
            given := given + found_rows;
            page := page + step;
            COMMIT;
        END LOOP;
        EXECUTE format('SELECT count(*) FROM %I WHERE tenant_id IS NULL', filled) INTO found_rows;
        EXIT WHEN found_rows = 0;
        IF given = 0 THEN
            EXECUTE format('SELECT count(*) FROM %1$I t WHERE tenant_id IS NULL
                AND NOT EXISTS (SELECT FROM %3$I o WHERE o.id = t.%2$I)', filled, reference, owner) INTO found_rows;
            IF found_rows > 0 THEN
                RAISE EXCEPTION '% rows of % name a row of % that is not there', found_rows, filled, owner
                USING CONSTRAINT = format('each of %s names one of %s', filled, owner),
                      HINT = 'No call shows these rows: delete them, and migrate again.';
            END IF;
        END IF;
        COMMIT;
        PERFORM pg_sleep(0.2);
        COMMIT;
    END LOOP;
END $$;

-- The ends of jobs that are gone, which the sweeper would delete.
DELETE FROM job_ends e WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.job_id);

CALL fill_tenants('job_ends', 'job_id', 'jobs');

CALL fill_tenants('job_blocks', 'job_id', 'jobs');

CALL fill_tenants('job_errors', 'job_id', 'jobs');

CALL fill_tenants('job_warnings', 'job_id', 'jobs');

CALL fill_tenants('job_timeline', 'job_id', 'jobs');

CALL fill_tenants('upload_parts', 'upload_id', 'uploads');

CALL fill_tenants('webhook_tries', 'delivery_id', 'webhook_deliveries');

CALL fill_tenants('event_entities', 'entity_id', 'entities');

CALL fill_tenants('states', 'entity_id', 'entities');

DROP PROCEDURE fill_tenants;
