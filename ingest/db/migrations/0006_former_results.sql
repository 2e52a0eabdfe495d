-- The results that are there, in the columns that they are read from now. A transaction of its own: it holds up nobody,
-- since nobody changes a closed block.
UPDATE job_blocks b
SET (result_indexes, result_effects, result_ids) = (
    SELECT coalesce(array_agg((r -> 0)::integer ORDER BY no), '{}'), coalesce(array_agg(r ->> 1 ORDER BY no), '{}'),
           coalesce(array_agg((r ->> 2)::uuid ORDER BY no), '{}')
    FROM jsonb_array_elements(b.results) WITH ORDINALITY AS e (r, no))
WHERE results IS NOT NULL;
ALTER TABLE job_blocks VALIDATE CONSTRAINT job_blocks_results_check;
