-- The id of an event as its sender gave it (`eventId`, `event_id`), null where it has none. A tenant's second event with
-- the same id is not stored (docs/contracts/jobs.md section 1). An id lives as long as its event.
ALTER TABLE events ADD COLUMN IF NOT EXISTS external_id text COLLATE "C";

-- Events with an id: whether the tenant has one already, and which. It is empty at first, yet to build it reads all of
-- `events`, for which events wait; docs/upgrading/0.2.md says how to build it beforehand while they do not. What is left
-- of such an attempt that failed goes first.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('events_external_id_key') AND NOT indisvalid) THEN
        DROP INDEX events_external_id_key;
    END IF;
END $$;
CREATE UNIQUE INDEX IF NOT EXISTS events_external_id_key ON events (tenant_id, external_id)
    WHERE external_id IS NOT NULL;
