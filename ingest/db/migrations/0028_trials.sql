-- A check of stored rows (docs/contracts/templates.md) is a job, a trial. Its schema is a version of a template that no call
-- shows and no tenant can choose; the sweeper deletes it once no job names it.
ALTER TABLE templates ADD trial boolean NOT NULL DEFAULT false;

-- A trial has one block, which holds the place of the next row to judge. It learns on its way how many rows there are, and
-- there may be none. 0029 looks at the jobs that are there, for which nobody need wait.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check
        CHECK (kind IN ('entities', 'events', 'states', 'objects', 'object_events', 'trial')) NOT VALID,
    DROP CONSTRAINT jobs_effects_sum_to_total,
    ADD CONSTRAINT jobs_effects_sum_to_total CHECK (
        total = created + updated + unchanged + duplicate + failed + unprocessed
        AND (total > 0 OR status = 'receiving' OR kind = 'trial')) NOT VALID;
