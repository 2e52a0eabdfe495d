-- Each paragraph is a transaction of its own.

-- Jobs of before, a thousand at a time: those that ended with failed items are marked, and those that were cancelled get
-- their entry, by command, since there was no other way. A job that is being deleted is passed over.
DO $$
DECLARE
    place uuid := '00000000-0000-0000-0000-000000000000';
    last  uuid;
BEGIN
    LOOP
        SELECT id INTO last FROM jobs WHERE id > place ORDER BY id OFFSET 999 LIMIT 1;
        UPDATE jobs SET had_errors = true
        WHERE id > place AND id <= coalesce(last, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
          AND failed > 0 AND ended_at IS NOT NULL AND NOT had_errors;
        INSERT INTO job_timeline (job_id, at, what, actor)
        SELECT id, ended_at, 'cancelled', 'command' FROM jobs j
        WHERE id > place AND id <= coalesce(last, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND status = 'cancelled'
          AND NOT EXISTS (SELECT FROM job_timeline t WHERE t.job_id = j.id AND t.what = 'cancelled')
        FOR KEY SHARE OF j;
        COMMIT;
        EXIT WHEN last IS NULL;
        place := last;
    END LOOP;
END $$;
